"""``python -m andon.migrations draft "what it does"``: write the next step from what the tables have become."""

from __future__ import annotations

import sys

from andon import __version__
from andon.app.tables import load_all_tables
from andon.kernel.db.drafting import draft


def main() -> int:
    """Exit codes: 0 written, 1 nothing has changed, 2 wrong usage."""
    if len(sys.argv) != 3 or sys.argv[1] != "draft":
        sys.stderr.write('usage: python -m andon.migrations draft "what it does"\n')
        return 2
    written = draft(sys.argv[2], load_all_tables(), release=__version__)
    sys.stderr.write("The tables are as the history leaves them.\n" if written is None else f"{written}\n")
    return 1 if written is None else 0


if __name__ == "__main__":
    sys.exit(main())
