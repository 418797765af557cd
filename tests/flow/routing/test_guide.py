"""What the guide says about side effects of a version that is tried in the dark, run as it stands there."""

from __future__ import annotations

import sqlite3
import textwrap
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

GUIDE = Path(__file__).parents[3] / "docs" / "guide" / "traffic.md"
Connecting = Callable[[Path, Mapping[str, str]], sqlite3.Connection]


def connecting() -> Connecting:
    """The function of the guide that opens the database."""
    text = GUIDE.read_text("utf-8")
    block = textwrap.dedent(
        "  " + text.partition("- **Read only.**")[2].partition("```python\n")[2].partition("```")[0].strip()
    )
    made: dict[str, Any] = {"sqlite3": sqlite3}
    exec(compile(block, str(GUIDE), "exec"), made)
    found: Connecting = made["connect"]
    return found


def test_a_dark_version_that_opens_its_database_as_the_guide_says_writes_nothing(tmp_path: Path) -> None:
    connect, path = connecting(), tmp_path / "store.db"
    with closing(connect(path, {})) as live, live:
        live.execute("CREATE TABLE orders (id INTEGER)")
        live.execute("INSERT INTO orders VALUES (1)")
    with closing(connect(path, {"andon-dark": "1"})) as dark:
        assert dark.execute("SELECT count(*) FROM orders").fetchone() == (1,)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            dark.execute("INSERT INTO orders VALUES (2)")
    with pytest.raises(sqlite3.OperationalError), closing(connect(tmp_path / "none.db", {"andon-dark": "1"})) as none:
        none.execute("SELECT 1")
