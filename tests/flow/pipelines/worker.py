"""A worker over a data directory, in a process that can be killed; ends when its input does."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.flow.pipelines.line import Line

if __name__ == "__main__":
    line = Line(Path(sys.argv[1]), flagged="flagged" in sys.argv)
    line.start()
    sys.stdin.read()
    line.stop()
