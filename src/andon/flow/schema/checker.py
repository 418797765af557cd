"""The check as other rooms ask for it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from andon.flow.schema.apart import check_apart
from andon.flow.schema.contract import Dialect, Phase, Report, Source
from andon.flow.schema.files import sources_below


class SchemaChecker:
    """Implements :class:`andon.flow.schema.contract.SchemaCheck`, in a process of its own for each question."""

    def below(self, tree: Path, folder: str, dialect: Dialect, *, judged: Collection[str] | None) -> Report:
        return check_apart(sources_below(tree, folder, judged), dialect)

    def printed(self, text: str, command: str, dialect: Dialect) -> Report:
        return check_apart([Source(file=f"$ {command}", phase=Phase.EXPAND, text=text)], dialect)
