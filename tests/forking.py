"""Runs `andon` as a process of its own without waiting for its imports: a process that has made them forks.

`forks().run([...], environment)` is what `subprocess.run([python, "-m", "andon", ...])` would be, some 0.3 s
of processor time cheaper; a suite runs hundreds of commands.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

LARGEST = 1 << 17


class Forks:
    """The end of the tests. One command at a time."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forking", str(theirs.fileno())],
                cwd=Path(__file__).parents[1],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )

    def run(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        typed: str = "",
        folder: Path | None = None,
        timeout: float = 100,
    ) -> subprocess.CompletedProcess[str]:
        """Raises ``TimeoutError`` after that many seconds."""
        written = [os.memfd_create(name) for name in ("in", "out", "err")]
        try:
            os.write(written[0], typed.encode())
            os.lseek(written[0], 0, os.SEEK_SET)
            asked = json.dumps([list(arguments), dict(environment), str(folder or Path.cwd())]).encode()
            code = self._asked(asked, written, timeout)
            if code is None:
                raise TimeoutError(f"andon {' '.join(arguments)} took more than {timeout:g} s")
            return subprocess.CompletedProcess(arguments, code, _everything(written[1]), _everything(written[2]))
        finally:
            for one in written:
                os.close(one)

    def close(self) -> None:
        self._control.close()
        self._process.wait(30)

    def _asked(self, asked: bytes, written: list[int], timeout: float) -> int | None:
        """Its exit code; ``None`` when its time was over."""
        try:
            socket.send_fds(self._control, [asked], written)
            pid = int(self._control.recv(64))
            if select.select([self._control], [], [], timeout)[0]:
                return int(self._control.recv(64))
            os.kill(pid, signal.SIGKILL)
            self._control.recv(64)
            return None
        except BaseException:
            # A test was broken off meanwhile: what is answered late would be taken for the next command's.
            forks.cache_clear()
            self._control.close()
            raise


@functools.cache
def forks() -> Forks:
    """The one of this process."""
    made = Forks()
    atexit.register(made.close)
    return made


def _everything(handle: int) -> str:
    size = os.fstat(handle).st_size
    return os.pread(handle, size, 0).decode()


def serve(control: socket.socket) -> None:
    """The other end: fork for each request, say the child's pid, then its exit code."""
    from andon.app import cli  # noqa: PLC0415 - the tests' end need not import it

    for name in cli.COMMANDS:
        importlib.import_module(name)
    while True:
        asked, handles, _flags, _address = socket.recv_fds(control, LARGEST, 3)
        if not asked:
            return
        arguments, environment, folder = json.loads(asked)
        pid = os.fork()
        if pid == 0:
            control.close()
            _become(arguments, environment, folder, handles)
        for one in handles:
            os.close(one)
        control.send(str(pid).encode())
        _, status = os.waitpid(pid, 0)
        control.send(str(os.waitstatus_to_exitcode(status)).encode())


def _become(arguments: list[str], environment: dict[str, str], folder: str, handles: list[int]) -> NoReturn:
    from andon.app import cli  # noqa: PLC0415 - imported already, see above

    code = 1
    try:
        for target, one in enumerate(handles):
            os.dup2(one, target)
            os.close(one)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = ["andon", *arguments]
        cli.main(arguments)
        code = 0
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else int(left.code is not None)
    except BaseException:  # noqa: BLE001 - what Python itself would print at the end of a process
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as given:
        serve(given)
