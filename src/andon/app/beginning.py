"""``andon init``: the checkout and its definition come from two rooms; here they meet."""

from __future__ import annotations

from pathlib import Path

import typer

from andon.flow.sources.commands import add_init


def add_to(cli: typer.Typer) -> None:
    add_init(cli, _proposed)


def _proposed(root: Path, schema_url: str) -> tuple[str, tuple[str, ...]]:
    from andon.flow.definition.detect import propose  # noqa: PLC0415 - other commands need not wait for a YAML reader

    found = propose(root, schema_url=schema_url)
    return found.text, found.notes
