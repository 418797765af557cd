"""A style check with nothing to install: python3 -m tests.style.

It finds what trips people over: names imported and never used, modules, classes and functions nobody explained, lines
too long to read, stray blanks.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LONGEST = 120


def remarks(path: Path) -> Iterator[tuple[int, str]]:
    """What is wrong in one file: line and text."""
    text = path.read_text("utf-8")
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > LONGEST:
            yield number, f"{len(line)} characters; {LONGEST} is the most"
        if line != line.rstrip():
            yield number, "blanks at the end"
        if "\t" in line:
            yield number, "a tab"
    if not text.endswith("\n"):
        yield len(text.splitlines()), "no line end at the end of the file"
    tree = ast.parse(text, str(path))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            name = getattr(node, "name", path.stem)
            private = name.startswith("_") or name.startswith("test") or name in {"setUp", "tearDown", "setUpClass"}
            if not private and ast.get_docstring(node) is None:
                yield getattr(node, "lineno", 1), f"{name} has no docstring"
        if isinstance(node, ast.Import | ast.ImportFrom) and getattr(node, "module", "") != "__future__":
            for alias in node.names:
                name = (alias.asname or alias.name).split(".")[0]
                if len(re.findall(rf"\b{re.escape(name)}\b", text)) < 2:
                    yield node.lineno, f"{name} is imported and never used"


def main() -> int:
    """Check everything. 0: nothing to remark, 1: remarks, one a line."""
    found = 0
    for path in sorted([*ROOT.glob("store/**/*.py"), *ROOT.glob("tests/**/*.py")]):
        for number, text in remarks(path):
            print(f"{path.relative_to(ROOT)}:{number}: {text}")
            found += 1
    print(f"style: {found} remark(s)" if found else "style: nothing to remark")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
