"""What the commands of flags share: their arguments and the addresses behind them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from andon.flow.flags.views.answers import Done
from andon.kernel.errors import Invalid
from andon.web.terminal.output import say

ServiceName = Annotated[str, typer.Argument(help="The service.")]
FlagNamed = Annotated[str, typer.Argument(help="The flag.")]
EnvironmentName = Annotated[str, typer.Argument(help="The environment, such as production.")]
Reason = Annotated[str, typer.Option("--why", "-m", help="The reason, for the record.")]


def flag_at(service: str, flag: str = "", environment: str = "") -> str:
    found = f"/services/{quote(service, safe='')}/flags"
    if flag:
        found += f"/{quote(flag, safe='')}"
    if environment:
        found += f"/environments/{quote(environment, safe='')}"
    return found


def told(what: str, done: Done) -> None:
    """What came of a change, its doubts included."""
    lines = []
    if done.proposal is not None:
        lines.append(f"{what}: {done.sentence}. It waits for a second person: andon flags approve {done.proposal}")
    elif done.sentence:
        lines.append(f"{what}: {done.sentence}.")
    else:
        lines.append(f"{what}: nothing to change.")
    lines += [f"  doubtful: {one}" for one in done.warnings]
    say("\n".join(lines), value=done)


def text_of(file: Path) -> str:
    """Raises ``Invalid``."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{file} cannot be read as text: {error}.", safe="Nothing was changed.") from error
