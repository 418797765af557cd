"""Git's credential helper: hands this machine's token for an Andon to git, so that none lies in ``.git/config``.

Git runs ``python -m andon.flow.sources.credential get`` and speaks its credential protocol on standard input and
output (git-credential(1)). It runs once a push, so it loads next to nothing.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from andon.kernel.errors import AndonError
from andon.web.terminal.contexts import Context, current_context, read_contexts


def answer(operation: str, lines: Iterable[str]) -> str:
    """What git is told; tokens are only handed to the address they belong to."""
    if operation != "get":
        return ""  # store and erase: `andon login` and `andon logout` keep the tokens
    asked = dict(line.rstrip("\n").partition("=")[::2] for line in lines if "=" in line)
    wanted = f"{asked.get('protocol', '')}://{asked.get('host', '')}"
    for context in _contexts():
        address = urlsplit(context.url)
        if context.token and f"{address.scheme}://{address.netloc}" == wanted:
            return f"username=andon\npassword={context.token}\n"
    # "quit" keeps git from asking for a password that nobody has
    return "quit=1\n"


def _contexts() -> Iterator[Context]:
    with contextlib.suppress(AndonError):  # none, or a file that cannot be read: what comes next says so
        yield current_context()
    try:
        yield from read_contexts().contexts.values()
    except AndonError as error:
        sys.stderr.write(f"andon: {error}\n")


def helper() -> str:
    """The value of git's setting ``credential.ADDRESS.helper`` that calls this module."""
    quoted = "'" + sys.executable.replace("'", "'\\''") + "'"
    return f"!{quoted} -I -m andon.flow.sources.credential"


def main(arguments: list[str] | None = None) -> int:
    operation = (sys.argv[1:] if arguments is None else arguments)[:1]
    said = answer(operation[0] if operation else "", sys.stdin)
    sys.stdout.write(said)
    if said.startswith("quit"):
        sys.stderr.write("andon: this machine has no token for that address; `andon login URL` gets one.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
