"""How what runs in Andon's sandboxes gets its flags: a folder of the environment's own, with a file and a socket.

The file is the last good document and is there when everything else is down; on the socket the document comes as a
stream, and OFREP for whoever has no client of ours. Whoever speaks there is of that environment: no token is needed.
"""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

import andon_flags
from andon.flow.environments.contract.equipment import Equipment, Equipper, Folder, Occupant
from andon.flow.sources.contract import Service

INSIDE = "/run/flags"
PACKAGES = "/run/python"
"""Where Python finds the client."""
CLIENT = Path(andon_flags.__file__).parent
FILE, SOCKET = "flags.json", "flags.sock"


class FlagFolders:
    """The folders, below one that is near enough to the root for a socket's path."""

    def __init__(self, doors: Path) -> None:
        self._root = doors / "f"

    def folder(self, service: Service, environment: str) -> Path:
        told = f"{service}/{environment}".encode()
        return self._root / blake2b(told, digest_size=6).hexdigest()


class FlagEquipper(Equipper):
    """Gives sandboxes of an environment its flags; a job without an environment has none. All of them get the client,
    which is Python alone: a service of the machine's own Python needs not to package it. One that does finds its own
    first, and so does one that sets ``PYTHONPATH`` itself."""

    def __init__(self, folders: FlagFolders) -> None:
        self._folders = folders

    def equip(self, occupant: Occupant) -> Equipment:
        # also for a job without an environment: what it tests imports the package
        package = Folder(CLIENT, f"{PACKAGES}/{CLIENT.name}")
        if occupant.environment is None:
            return Equipment(folders=(package,), variables={"PYTHONPATH": PACKAGES})
        folder = self._folders.folder(occupant.service, occupant.environment)
        return Equipment(
            folders=(Folder(folder, INSIDE), package),
            variables={
                "ANDON_FLAGS": f"unix:{INSIDE}/{SOCKET}",
                "ANDON_FLAGS_FILE": f"{INSIDE}/{FILE}",
                "PYTHONPATH": PACKAGES,
            },
        )

    def withdraw(self, service: Service, environment: str) -> None:
        folder = self._folders.folder(service, environment)
        for name in (SOCKET, FILE):
            (folder / name).unlink(missing_ok=True)
        try:
            folder.rmdir()
        except OSError:
            return  # never made, or something else is in it
