"""The wheel is read as it is, without being installed: as docs/guide/instrument.md says of services without others."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = 'from andon_client import log, metric; log.to_stdout(); metric.increment("orders.placed")'


def test_a_service_that_installs_nothing_counts_with_the_wheel_beside_it() -> None:
    with tempfile.TemporaryDirectory(prefix="andon-wheel-") as folder:
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
        subprocess.run(build, cwd=ROOT / "client", check=True, capture_output=True)
        (wheel,) = Path(folder).glob("*.whl")
        guide = (ROOT / "docs" / "guide" / "instrument.md").read_text("utf-8")
        assert re.findall(r"PYTHONPATH=wheels/(\S+\.whl)", guide) == [wheel.name]
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as telemetry:
            telemetry.settimeout(60)
            telemetry.bind(f"{folder}/statsd.sock")
            environment = {
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(wheel),
                "ANDON_TELEMETRY": f"{folder}/statsd.sock",
            }
            # -S: what is installed here must not be found instead
            subprocess.run([sys.executable, "-S", "-c", PROGRAM], env=environment, check=True, timeout=60)
            assert telemetry.recv(65536) == b"orders.placed:1|c"
