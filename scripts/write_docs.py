"""Writes what the documentation takes from the code: the reference's pages, and files that pages show whole."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
WRITERS = {
    "andon-yaml": "andon.flow.definition.reference",
    "api": "andon.app.reference",
    "commands": "andon.app.cli.reference",
    "events": "andon.app.record.reference",
    "graphite": "andon.feedback.graphite.reference",
    "metrics": "andon.feedback.telemetry.own.reference",
    "settings": "andon.kernel.settings.reference",
}
INCLUDED = re.compile(r"(<!-- include: (?P<file>\S+) -->\n```\w+\n).*?(\n```$)", re.MULTILINE | re.DOTALL)
"""A fenced block that shows a file of this repository as it is."""


def with_files(text: str) -> str:
    """``text`` with every included file as it stands now."""
    return INCLUDED.sub(
        lambda found: found[1] + (ROOT / found["file"]).read_text("utf-8").rstrip("\n") + found[3], text
    )


def main() -> None:
    for page, module in WRITERS.items():
        written = subprocess.run([sys.executable, "-m", module], capture_output=True, text=True, check=True).stdout
        (DOCS / "reference" / f"{page}.md").write_text(written, encoding="utf-8")
    for path in sorted(DOCS.rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        if with_files(text) != text:
            path.write_text(with_files(text), encoding="utf-8")


if __name__ == "__main__":
    main()
