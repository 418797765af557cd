"""The process in which the console is."""

from __future__ import annotations

import subprocess
import sys

FEW = """
import resource
from andon.app.web import allow_many_files

_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (256, most))
allow_many_files()
print(resource.getrlimit(resource.RLIMIT_NOFILE) == (most, most))
"""


def test_it_takes_as_many_connections_as_the_system_allows() -> None:
    ended = subprocess.run([sys.executable, "-c", FEW], capture_output=True, text=True, timeout=60, check=False)
    assert ended.stdout.strip() == "True", ended.stderr
