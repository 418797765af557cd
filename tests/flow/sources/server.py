"""A remote in a process of its own, to be killed. argv: the data folder; where to stop; prints its port."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

from andon.flow.sources import service as use_cases
from andon.flow.sources.contract import BranchPushed, PushId, Service
from andon.flow.sources.model import Move
from andon.kernel.db import Transaction
from tests.flow.sources.installation import open_installation, serving


def main(data: Path, where: str) -> None:
    if where == "before-recording":
        # The hook has called, nothing is written yet: exactly between the refs and the record.
        def die(tx: Transaction, push: PushId, service: Service, moved: Iterable[Move]) -> tuple[BranchPushed, ...]:
            os.kill(os.getpid(), 9)
            return ()

        use_cases.record_moves = die
    elif where == "before-announcing":
        use_cases.check_push = lambda *_: os.kill(os.getpid(), 9)
    with serving(open_installation(data)) as installation:
        print(installation.port, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
