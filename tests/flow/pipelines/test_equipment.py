"""What upper rooms give to jobs."""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path

from andon.flow.environments.contract.equipment import Bare, Equipment, Folder, Occupant, Purpose
from andon.kernel.db import Database
from andon.kernel.keeper.ways import Transport, WayOut
from tests.flow.pipelines.test_runner import Bench


class Telemetry(Bare):
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[Occupant] = []

    def equip(self, occupant: Occupant) -> Equipment:
        self.asked.append(occupant)
        return Equipment(
            folders=(Folder(self.folder, "/run/telemetry"),),
            variables={"ANDON_TELEMETRY": "/run/telemetry/statsd.sock", "ANDON_JOB": "theirs", "OWN": "theirs"},
            ways_out=(WayOut(Transport.UDP, 8125, "/run/telemetry/statsd.sock"),),
        )


def test_a_job_gets_what_upper_rooms_give_it_and_its_own_comes_first(tmp_path: Path, sqlite_database: Database) -> None:
    one = Bench(tmp_path, sqlite_database)
    say = (
        "import os, socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
        "names = ('ANDON_TELEMETRY', 'ANDON_JOB', 'OWN', 'ANDON_VERSION');"
        "s.sendto(' '.join(os.environ[name] for name in names).encode(), ('127.0.0.1', 8125))"
    )
    with (
        tempfile.TemporaryDirectory(prefix="andon-eq-") as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard,
    ):
        heard.settimeout(60)
        heard.bind(f"{folder}/statsd.sock")
        telemetry = Telemetry(Path(folder))
        one.runner = one.make(equipper=telemetry)
        assert one.run(f'python3 -c "{say}"; exit 3', environment={"OWN": "its own"}).exit_code == 3
        told = f"/run/telemetry/statsd.sock {one.last.name} its own {one.commit[:7]}"
        assert heard.recv(500).decode() == told
    (asked,) = telemetry.asked
    assert (asked.purpose, asked.environment, asked.id) == (Purpose.JOB, None, one.last.job)
