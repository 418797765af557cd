"""Static files, read once: kept by browsers for ever under an address that changes with the content."""

from __future__ import annotations

import gzip
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from andon.kernel.errors import NotFound
from andon.web.rendering import STATIC, Static

WebRequest = Request[object, object, State]


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    squeezed: bytes | None
    kind: str
    mark: str


def static_files(static: Static, folder: Path = STATIC) -> ControllerRouterHandler:
    """The handler for everything in ``folder``; what is not there when Andon starts is not served."""
    files = {
        path.relative_to(folder).as_posix(): _read(path, static.address(path.relative_to(folder).as_posix()))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }

    @get("/static/{name:path}", include_in_schema=False)
    async def serve(request: WebRequest, name: FromPath[str]) -> Response[bytes]:
        file = files.get(name.lstrip("/"))
        if file is None:
            raise NotFound("There is no such file.", remedy="Load the page again; Andon may have been upgraded.")
        current = request.query_params.get("v") == file.mark
        headers = {
            "etag": f'"{file.mark}"',
            "vary": "accept-encoding",
            "cache-control": "public, max-age=31536000, immutable" if current else "no-cache",
        }
        if request.headers.get("if-none-match") == f'"{file.mark}"':
            return Response(b"", status_code=304, headers=headers, media_type=file.kind)
        if file.squeezed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            headers["content-encoding"] = "gzip"
            return Response(file.squeezed, headers=headers, media_type=file.kind)
        return Response(file.content, headers=headers, media_type=file.kind)

    return serve


def _read(path: Path, address: str) -> _File:
    content = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    textual = kind.startswith("text/") or kind in {"image/svg+xml", "application/json"}
    return _File(
        content,
        gzip.compress(content, 9, mtime=0) if textual and len(content) > 500 else None,
        f"{kind}; charset=utf-8" if textual else kind,
        address.rpartition("?v=")[2],
    )
