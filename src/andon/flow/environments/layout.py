"""Where an environment's things lie on the disk."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from andon.flow.environments.contract import InstanceId, SetId
from andon.flow.sources.contract import Service
from andon.kernel.errors import Unavailable

_LONGEST_SOCKET = 107
"""Bytes of a Unix socket's path, by the kernel's ``sockaddr_un``."""
_TAIL = 40
"""Room for what comes behind the folder of sockets."""


class Layout:
    """Paths below the data directory. Sockets lie elsewhere when that is too deep for the kernel."""

    def __init__(self, data: Path) -> None:
        self._root = data / "environments"
        self.keepers = data / "keepers"
        self.commands = data / "sandboxes" / "commands"
        self.sockets = _socket_folder(data)

    def data(self, service: Service, environment: str) -> Path:
        """What outlives versions: shown to instances as ``/data``."""
        return self._root / service / environment / "data"

    def environment(self, service: Service, environment: str) -> Path:
        return self._root / service / environment

    def set(self, service: Service, environment: str, set_id: SetId) -> Path:
        return self._root / service / environment / "sets" / set_id

    def app(self, service: Service, environment: str, set_id: SetId, unpacked: int) -> Path:
        """The unpacked package; a new folder each time it is unpacked again."""
        return self.set(service, environment, set_id) / f"app-{unpacked}"

    def manifest(self, app: Path) -> Path:
        return app.with_name(app.name + ".manifest")

    def instance_log(self, service: Service, environment: str, set_id: SetId, instance: InstanceId) -> Path:
        return self.set(service, environment, set_id) / "logs" / instance

    def command_log(self, service: Service, environment: str, set_id: SetId, key: str, attempt: int) -> Path:
        return self.set(service, environment, set_id) / "commands" / f"{key}-{attempt}"

    def socket_folder(self, instance: InstanceId) -> Path:
        """Shown to the instance alone as ``/run/andon``."""
        return self.sockets / instance[-16:]


def _socket_folder(data: Path) -> Path:
    near = data.resolve() / "sockets"
    if len(os.fsencode(near)) + _TAIL <= _LONGEST_SOCKET:
        near.mkdir(parents=True, exist_ok=True, mode=0o700)
        return near
    name = "andon-" + hashlib.sha256(os.fsencode(data.resolve())).hexdigest()[:12]
    far = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / name
    far.mkdir(exist_ok=True, mode=0o700)
    found = far.lstat()
    if found.st_uid != os.geteuid() or found.st_mode & 0o077 or far.is_symlink():
        raise Unavailable(
            f"{far} belongs to somebody else or is open to others.",
            safe="Nothing was started.",
            remedy="Remove it, or choose a shorter data directory (below 60 characters) with --data.",
        )
    return far
