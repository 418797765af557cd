"""The check in a process of its own, with little memory and time.

Whoever may push writes the SQL, and the parsers are C: an expression of a hundred thousand terms ends libpg_query's
process (measured: a segmentation fault at 200 kB). Here that ends a child, and is told as a finding.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence

import msgspec

from andon.flow.schema.checking import check
from andon.flow.schema.contract import Dialect, Finding, Report, Rule, Source, Weight
from andon.flow.schema.files import MOST_FILES

MOST_TOTAL = 8_000_000
"""Characters of all files."""
SECONDS = 60
_MEMORY = 2 * 1024**3


class _Task(msgspec.Struct):
    dialect: Dialect
    sources: list[Source]


def check_apart(sources: Sequence[Source], dialect: Dialect, *, seconds: float = SECONDS) -> Report:
    """As :func:`andon.flow.schema.checking.check`; never raises because of what the files contain. Takes ``seconds`` at
    most, and as long again to find the file that ended a process."""
    judged = [one for one in sources if one.judged]
    if not judged:
        return Report()
    if len(sources) > MOST_FILES or sum(len(one.text) for one in sources) > MOST_TOTAL:
        return _refused(judged, f"There are more than {MOST_FILES:,} files, or more than {MOST_TOTAL:,} characters.")
    task = msgspec.json.encode(_Task(dialect, list(sources)))
    try:
        ended = subprocess.run(
            [sys.executable, "-P", "-m", "andon.flow.schema.apart"],
            input=task,
            capture_output=True,
            timeout=seconds,
            check=False,
            env={name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH") if name in os.environ},
            preexec_fn=_limit,
        )
    except subprocess.TimeoutExpired:
        return _refused(judged, f"Reading it took more than {seconds:.0f} s.")
    if ended.returncode != 0:
        return _blamed(sources, judged, dialect, seconds)
    return msgspec.json.decode(ended.stdout, type=Report)


def _blamed(sources: Sequence[Source], judged: Sequence[Source], dialect: Dialect, seconds: float) -> Report:
    """Which file ended the process: each for itself, where there are several."""
    what = "The parser ended over it: an expression in it is too long or nested too deep."
    if len(judged) == 1:
        return _refused(judged, what)
    findings: list[Finding] = []
    end = time.monotonic() + seconds
    for one in judged:
        left = end - time.monotonic()
        if left <= 0:
            return _refused(judged, f"{what} Which file it was could not be found within {seconds:.0f} s.")
        alone = check_apart([one], dialect, seconds=left)
        if any(found.breaks == what for found in alone.findings):
            findings += alone.findings
    if not findings:
        # none of them alone: one of those that are only read
        return _refused(judged, f"The parser ended over one of the {len(sources)} files.")
    return Report(findings=tuple(findings), files=tuple(one.file for one in judged))


def _refused(judged: Sequence[Source], what: str) -> Report:
    return Report(
        findings=tuple(
            Finding(
                rule=Rule.UNPARSABLE,
                weight=Weight.REFUSED,
                file=one.file,
                line=1,
                statement="",
                breaks=what,
                safe="Write it as several statements, or as several files. Rows in bulk belong into a backfill.",
            )
            for one in judged
        ),
        files=tuple(one.file for one in judged),
    )


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


def main() -> None:
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=_Task)
    sys.stdout.buffer.write(msgspec.json.encode(check(task.sources, task.dialect)))


if __name__ == "__main__":
    main()
