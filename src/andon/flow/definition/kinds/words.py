"""Words for messages, and values as one would write them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence

Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]
Path = tuple[str | int, ...]


def path_text(path: Path) -> str:
    """``stages.commit.jobs.test.needs[0]``; names that are not plain words stand in quotes."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            word = part if re.fullmatch(r"[\w<-]+", part) else f'"{part[:60]}"'
            text += f".{word}" if text else word
    return text


def nearest_word(word: str, known: Iterable[str]) -> str | None:
    """The known word ``word`` was probably meant to be."""
    candidates = list(known)
    lowered = word[:60].lower().replace("_", "-")
    by_form = {candidate.lower().replace("_", "-"): candidate for candidate in candidates}
    if lowered in by_form:
        return by_form[lowered]
    found = difflib.get_close_matches(lowered, by_form, n=1, cutoff=0.6)
    return by_form[found[0]] if found else None


def listing(words: Iterable[str]) -> str:
    """``a, b or c``."""
    *most, last = list(words)
    return f"{', '.join(most)} or {last}" if most else last


def plain(markdown: str) -> str:
    """Without the back quotes: editors show descriptions as they are."""
    return markdown.replace("``", "`").replace("`", "'")


def flow_text(value: Json) -> str:
    """``value`` in YAML's flow style, for an example in a message."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {flow_text(one)}" for key, one in value.items()) + "}"
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return "[" + ", ".join(flow_text(one) for one in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "…" if value is None else str(value)
