"""Where an environment's things lie on the disk."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from andon.flow.environments.contract import SetId
from andon.flow.environments.model import Instance, InstanceSet
from andon.flow.sources.contract import Service
from andon.kernel.errors import Unavailable
from andon.kernel.ids import new_id
from andon.kernel.sockets import LONGEST_PATH

_SOCKETS, _DOORS = "sockets", "doors"
_TAIL = 40
"""Room for what comes behind the folder of sockets: an instance's folder and a name of usual length."""


class Layout:
    """Paths below the data directory. Sockets lie elsewhere when that is too deep for the kernel."""

    def __init__(self, data: Path) -> None:
        root = data.resolve()
        self._root = root / "environments"
        self.keepers = root / "keepers"
        self.commands = root / "sandboxes" / "commands"
        self.sockets = _socket_folder(root, _SOCKETS)
        """Of instances, and all of it in the router's sight: an instance may link its socket to any other here."""
        self.doors = _socket_folder(root, _DOORS)
        """Sockets of Andon's own that are no instance's business; neither the router nor a sandbox sees the folder."""

    def data(self, service: Service, environment: str) -> Path:
        """What outlives versions: shown to instances as ``/data``."""
        return self.environment(service, environment) / "data"

    def environment(self, service: Service, environment: str) -> Path:
        return self._root / service / environment

    def set(self, service: Service, environment: str, set_id: SetId) -> Path:
        return self.environment(service, environment) / "sets" / set_id

    def app(self, owner: InstanceSet, unpacked: int) -> Path:
        """The unpacked package; a new folder each time it is unpacked again."""
        return self.set(owner.service, owner.environment, owner.id) / f"app-{unpacked}"

    def manifest(self, app: Path) -> Path:
        return app.with_name(app.name + ".manifest")

    def instance_log(self, owner: InstanceSet, instance: Instance) -> Path:
        """A log for each life: two of them may be written at the same time."""
        return self.set(owner.service, owner.environment, owner.id) / "logs" / f"{instance.id}-{instance.life}"

    def command_log(self, owner: InstanceSet, key: str, attempt: int) -> Path:
        return self.set(owner.service, owner.environment, owner.id) / "commands" / f"{key}-{attempt}"

    def socket_folder(self, instance: Instance) -> Path:
        """Shown to the instance alone as ``/run/andon``."""
        return self.sockets / f"{instance.id[-16:]}-{instance.life}"

    def remove_environment(self, service: Service, environment: str) -> None:
        remove_tree(self.environment(service, environment))


def remove_tree(folder: Path) -> None:
    """Remove a folder and everything in it, also what a service left without permissions."""
    gone = folder.with_name(f".{folder.name}-{new_id('gone')}")
    try:
        # At once under another name: nobody meets it half removed.
        folder.rename(gone)
    except FileNotFoundError:
        return
    for inside, folders, _files in os.walk(gone):
        for name in folders:
            path = Path(inside) / name
            if not path.is_symlink():
                path.chmod(0o700)
    shutil.rmtree(gone, ignore_errors=True)


def remove_sockets(data: Path) -> None:
    """Remove what lies elsewhere of a data directory that is removed itself."""
    for name in (_SOCKETS, _DOORS):
        near = data.resolve() / name
        if near.is_symlink():
            shutil.rmtree(near.readlink(), ignore_errors=True)


def _socket_folder(root: Path, name: str) -> Path:
    """A folder for sockets: in the data directory, or where a link there leads.

    The link keeps the choice: a later start, with another environment, has to find what is running.
    """
    near = root / name
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    if near.is_symlink():
        far = near.readlink()
    elif len(os.fsencode(near)) + _TAIL <= LONGEST_PATH:
        near.mkdir(exist_ok=True, mode=0o700)
        return near
    else:
        # "sockets" came first, without its name
        kind = "" if name == _SOCKETS else f"-{name}"
        own = "andon-" + hashlib.sha256(os.fsencode(root)).hexdigest()[:12] + kind
        far = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / own
        near.symlink_to(far)
    far.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = far.lstat()
    if far.is_symlink() or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise Unavailable(
            f"{far} belongs to somebody else or is open to others.",
            safe="Nothing was started.",
            remedy=f"Remove it and {near}, or choose a shorter data directory (below 60 characters).",
        )
    return far
