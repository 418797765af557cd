"""The list of what the API offers, written from its OpenAPI document.

``python -m andon.app.reference > docs/reference/api.md`` brings the page up to date; a test fails while it is not.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from andon.app.composition import compose
from andon.app.web import create_web
from andon.kernel.settings import Settings

_METHODS = ("get", "post", "put", "patch", "delete")

_HEAD = """# The API

<!-- Written by `python -m andon.app.reference`; a test keeps it equal to the code. -->

Everything that the console and the command line do, a program can do as well. The API speaks JSON over HTTP, below
`/api/v1` of the console's address. The whole of it, with every shape, is an OpenAPI document at `/api/v1/openapi.json`.

A program sends `Authorization: Bearer TOKEN`; `andon token create` makes a token. What a token may do is what its owner
may do, less what its scopes leave out.

An error is a problem document (`application/problem+json`): `message` says what happened, `safe` what was not touched,
`remedy` what to do next, and `code` is a word that programs may rely on. A deed that takes time is answered with 202 at
once; follow it by the id in the answer, or wait for its events.

A field that a later release adds to an answer breaks nothing: ignore what you do not know.
"""


def api_reference() -> str:
    """The page ``docs/reference/api.md``."""
    groups: dict[str, list[str]] = {}
    for method, path, operation in operations():
        said = " ".join(str(operation.get("description", "")).split("\n\n", maxsplit=1)[0].split())
        row = f"| `{method.upper()}` | `{path}` | {said} |"
        groups.setdefault(path.removeprefix("/api/v1/").split("/")[0], []).append(row)
    lines = [_HEAD]
    for name, rows in sorted(groups.items()):
        lines += [f"## {name}", "", "| | | |", "|---|---|---|", *rows, ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of each, by path. Any: OpenAPI is a document."""
    paths = openapi_document()["paths"]
    for path in sorted(paths):
        for method in _METHODS:
            if method in paths[path]:
                yield method, path, paths[path][method]


@cache
def openapi_document() -> dict[str, Any]:
    """The document served at ``/api/v1/openapi.json``, from an installation that is never started."""
    with tempfile.TemporaryDirectory(prefix="andon-reference-") as folder:
        installation = compose(Settings(data=Path(folder)))
        try:
            schema: dict[str, Any] = create_web(installation).litestar.openapi_schema.to_schema()
            return schema
        finally:
            installation.close()


if __name__ == "__main__":
    sys.stdout.write(api_reference())
