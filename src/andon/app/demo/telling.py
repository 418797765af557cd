"""How the story is shown: drawn and redrawn in a terminal, told in plain lines elsewhere."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from andon.web.terminal.output import is_colourful, printable

_LOOKS = {
    "passed": ("✔", "green"),
    "succeeded": ("✔", "green"),
    "failed": ("✘", "red"),
    "rolled-back": ("✘", "red"),
    "running": ("●", "blue"),
    "deploying": ("●", "blue"),
    "queued": ("○", "bright_black"),
    "pending": ("○", "bright_black"),
    "skipped": ("–", "bright_black"),
    "cancelled": ("–", "yellow"),
    "waiting": ("◆", "magenta"),
    "unharmed": ("✔", "green"),
    "harmed": ("✘", "red"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of something under way. ``seconds`` is how long it has taken so far."""

    label: str
    state: str
    seconds: float | None = None
    note: str = ""


class Teller:
    """Prints chapters, facts and rows that change."""

    def __init__(self) -> None:
        self._drawn = is_colourful()
        self._console = Console(highlight=False, no_color=not self._drawn, soft_wrap=True)

    def chapter(self, title: str) -> None:
        self._console.print()
        self._console.print(Text(title, style="bold"))

    def fact(self, text: str, *, good: bool | None = None) -> None:
        sign, style = {None: ("  ", ""), True: ("✔ ", "green"), False: ("✘ ", "red")}[good]
        first, *rest = self._wrapped(text)
        self._console.print(Text("  ").append(sign, style=style).append(first))
        for line in rest:
            self._console.print(Text("    " + line))

    def detail(self, text: str) -> None:
        for line in self._wrapped(text):
            self._console.print(Text("    " + line, style="bright_black"))

    def _wrapped(self, text: str) -> Sequence[str]:
        """Broken between words where somebody looks; an address stays whole, so that it can be clicked."""
        text = printable(text)
        if not self._drawn:
            return [text.replace("\n", " ")]
        width = max(40, self._console.width - 5)
        return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        cells = [[column.removeprefix(">") for column in columns], *([printable(cell) for cell in row] for row in rows)]
        widths = [max(len(row[place]) for row in cells) for place in range(len(columns))]
        for number, row in enumerate(cells):
            line = "   ".join(
                f"{cell:>{width}}" if column.startswith(">") else f"{cell:<{width}}"
                for cell, width, column in zip(row, widths, columns, strict=True)
            )
            self._console.print(Text("    " + line.rstrip(), style="" if number else "bright_black"))

    def follow(self, look: Callable[[], tuple[Sequence[Row], bool]], *, every: float = 0.1) -> None:
        """Show what ``look`` answers until it says that it is over."""
        if not self._drawn:
            self._follow_plainly(look, every)
            return
        with Live(console=self._console, refresh_per_second=12, transient=False) as live:
            while True:
                rows, over = look()
                live.update(Group(*(_line(row, self._console.width) for row in rows)))
                if over:
                    return
                time.sleep(every)

    def _follow_plainly(self, look: Callable[[], tuple[Sequence[Row], bool]], every: float) -> None:
        told: dict[str, str] = {}
        while True:
            rows, over = look()
            for row in rows:
                if told.get(row.label) != row.state and row.state not in {"pending", "queued", "unharmed"}:
                    told[row.label] = row.state
                    took = f" after {row.seconds:.1f} s" if row.seconds and row.state in {"passed", "failed"} else ""
                    # What is under way changes from look to look: for a reader of lines only the end counts.
                    note = f": {row.note}" if row.note and row.state in {"passed", "failed", "harmed"} else ""
                    self._console.print(printable(f"    {row.label} {row.state}{took}{note}"))
            sys.stdout.flush()
            if over:
                return
            time.sleep(every)


def _line(row: Row, width: int) -> Text:
    sign, style = _LOOKS.get(row.state, ("○", "bright_black"))
    text = Text("    ").append(sign + " ", style=style).append(f"{row.label:<14}")
    text.append(f"{row.state:<11}", style=style)
    text.append(f"{row.seconds:6.1f} s" if row.seconds is not None else " " * 8, style="bright_black")
    if row.note:
        text.append("  " + printable(row.note).replace("\n", " "), style="bright_black")
    # One row is one line, whatever it says: what is below must not jump.
    text.truncate(width - 1, overflow="ellipsis")
    return text
