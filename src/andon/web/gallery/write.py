"""The gallery as files, to be looked at through any web server."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from andon.web.gallery import log
from andon.web.gallery.pages import Gallery
from andon.web.rendering import STATIC
from andon.web.shell import Theme


def write(folder: Path, theme: Theme = Theme.SYSTEM) -> list[Path]:
    """Write all pages with their static files into `folder`; returns the pages' paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in STATIC.glob("*.*"):
        if file.suffix in (".js", ".css", ".svg"):
            shutil.copy2(file, folder / file.name)
    now = datetime.now(UTC)
    written = []
    for name, text in Gallery(now, theme).pages().items():
        path = folder / f"{name}.html"
        path.write_text(text, encoding="utf-8")
        written.append(path)
    (folder / "log.json").write_text(json.dumps(log.answer(now - timedelta(seconds=58))), encoding="utf-8")
    return written
