"""A worker that the tests start, kill and start again: python worker.py DATABASE FOLDER EXECUTOR COMMAND…

What its steps do goes line by line into FOLDER/steps; a step waits while FOLDER/hold exists.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path

from andon.kernel.errors import AndonError
from andon.kernel.workflows import Step, Workflow
from andon.kernel.workflows.durable import DurableWorkflows

DATABASE, FOLDER, EXECUTOR, *COMMANDS = sys.argv[1:]
FOLDER_PATH = Path(FOLDER)


def note(line: str) -> None:
    with (FOLDER_PATH / "steps").open("a") as file:
        file.write(line + "\n")


def build(step: Step, subject: str) -> None:
    def wait() -> int:
        note(f"second {subject}")
        while (FOLDER_PATH / "hold").exists():
            time.sleep(0.01)
        return 7

    step("first", lambda: note(f"first {subject}"))
    number = step("second", wait)
    step("third", lambda: note(f"third {subject} {number}"))


def main() -> int:
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    known = [Workflow("build", build)] if "forgetful" not in COMMANDS else [Workflow("another", build)]
    workflows = DurableWorkflows(
        DATABASE if "://" in DATABASE else Path(DATABASE),
        known,
        executor=EXECUTOR,
        leases=FOLDER_PATH,
        poll_seconds=0.02,
        takeover_seconds=3600,  # at its start alone, so that a test knows who takes something over
    )
    try:
        workflows.launch()
    except AndonError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    for command in COMMANDS:
        if command.startswith("start="):
            workflows.start("build", command.removeprefix("start="))
    print("launched", flush=True)
    if "pending" in COMMANDS:
        for work in workflows.pending():
            print(work.key, work.state, work.lives, flush=True)
    if "stay" in COMMANDS:
        time.sleep(300)
    if "drain" in COMMANDS:
        while workflows.pending():
            time.sleep(0.01)
    rested = workflows.stop(60)
    sys.stdout.flush()
    os._exit(0 if rested else 9)


if __name__ == "__main__":
    sys.exit(main())
