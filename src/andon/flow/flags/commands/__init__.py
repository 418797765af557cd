"""Commands of flags: andon flags list, show, create, edit, set, kill, revive, why, history, restore, ramp, …"""

from __future__ import annotations

import typer

from andon.flow.flags.commands.changing import add_changing
from andon.flow.flags.commands.looking import add_looking
from andon.flow.flags.commands.pruning import prune_flags
from andon.flow.flags.commands.segments import add_segments
from andon.web.terminal.groups import group


def add_to(cli: typer.Typer) -> None:
    flags = group(cli, "flags", "Feature flags: who gets what, without deploying.")
    add_looking(flags)
    flags.command("prune")(prune_flags)
    add_changing(flags)
    add_segments(flags)
