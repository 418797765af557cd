"""What is known of the tables from the migrations read so far, and what the migration at hand has made itself.

Knowledge is partial: a repository may begin with a database that no file describes. Whoever asks for a column's type
gets ``None`` then, and judges as if the worst were true.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Catalogue:
    """Names are as the database folds them; a table's is ``schema.name`` unless the schema is the usual one."""

    columns: dict[str, dict[str, str]] = field(default_factory=dict)
    """Table → column → type in normal form."""
    keys: set[tuple[str, str]] = field(default_factory=set)
    """Table and column that is unique by itself: a row may be named by it."""
    types: set[str] = field(default_factory=set)
    """Own types that bring no constraint along, as a domain may."""
    checks: set[tuple[str, str]] = field(default_factory=set)
    """Table and name of CHECK constraints."""
    fresh: set[tuple[str, str]] = field(default_factory=set)
    """Kind and name of what this file has certainly made: nobody uses it yet."""
    likely: set[str] = field(default_factory=set)
    """Tables that this file makes unless they were there (IF NOT EXISTS)."""
    added: set[tuple[str, str]] = field(default_factory=set)
    """Table and column that this file has added to a table that was there."""
    filled: set[tuple[str, str]] = field(default_factory=set)
    """Those of them that have a default, so that every row has the same value."""

    def begin_file(self) -> None:
        self.fresh.clear()
        self.likely.clear()
        self.added.clear()
        self.filled.clear()

    def create_table(self, table: str, columns: dict[str, str], *, unless_there: bool) -> None:
        known = table in self.columns
        if unless_there:
            if known:
                return
            self.likely.add(table)
        else:
            self.fresh.add(("table", table))
        self.columns[table] = columns

    def is_new(self, table: str) -> bool:
        """Whether nobody but this file is using the table, as far as one can tell: enough for an index."""
        return ("table", table) in self.fresh or table in self.likely

    def is_certainly_new(self, table: str) -> bool:
        return ("table", table) in self.fresh

    def add_column(self, table: str, column: str, type_: str, *, filled: bool) -> None:
        self.columns.setdefault(table, {})[column] = type_
        if not self.is_certainly_new(table):
            self.added.add((table, column))
            if filled:
                self.filled.add((table, column))

    def drop_column(self, table: str, column: str) -> None:
        self.columns.get(table, {}).pop(column, None)
        self.added.discard((table, column))

    def drop_table(self, table: str) -> None:
        self.columns.pop(table, None)
        self.fresh.discard(("table", table))
        self.likely.discard(table)

    def rename_table(self, old: str, new: str) -> None:
        if old in self.columns:
            self.columns[new] = self.columns.pop(old)
        if ("table", old) in self.fresh:
            self.fresh.discard(("table", old))
            self.fresh.add(("table", new))

    def rename_column(self, table: str, old: str, new: str) -> None:
        columns = self.columns.get(table, {})
        if old in columns:
            columns[new] = columns.pop(old)
        if (table, old) in self.added:
            self.added.discard((table, old))
            self.added.add((table, new))

    def type_of(self, table: str, column: str) -> str | None:
        return self.columns.get(table, {}).get(column)
