"""Functions of labels: ``label_replace``, ``label_join``, and sorting."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from andon.feedback.promql.contract import Dialect, QueryFailed
from andon.feedback.promql.frames import Frame, Words, label_of, merged, with_label
from andon.feedback.telemetry.contract.metrics import Labels

LONGEST_PATTERN = 1_000
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_REFERENCE = re.compile(r"\$(?:\$|(\w+)|\{(\w+)\})", re.ASCII)
_DIGITS = re.compile(r"(\d+)", re.ASCII)
_MOST_REFERENCES = 9


def check_label(name: str, function: str) -> str:
    """Raises :class:`QueryFailed` for what cannot be the name of a label."""
    if _LABEL.fullmatch(name) is None:
        raise QueryFailed(f'invalid label name "{name}" in {function}()', remedy="Use letters, digits and `_`.")
    return name


def replaced(frame: Frame, target: Words, template: Words, source: Words, pattern: Words, *, dialect: Dialect) -> Frame:
    """``label_replace``. Patterns are RE2's and match the whole value, so no pattern takes longer than linear time.

    Raises :class:`QueryFailed` for a pattern that is none, a label that cannot be one, or series made alike.
    """
    name = check_label(target.text, "label_replace")
    values = [label_of(labels, source.text) for labels in frame.labels]
    # version 3 lets a dot stand for the end of a line too
    flags = "" if dialect is Dialect.PROMETHEUS_2 else "s"
    found = _expanded(values, pattern.text, template.text, flags)
    labels = [
        one if text is None else with_label(one, name, text) for one, text in zip(frame.labels, found, strict=True)
    ]
    return merged(Frame(labels, frame.values, frame.present))


def _expanded(values: Sequence[str], pattern: str, template: str, flags: str) -> list[str | None]:
    """What the template becomes for each value; ``None`` for those that do not match."""
    # slow to load, and few queries need it
    import pyarrow  # type: ignore[import-untyped]  # noqa: PLC0415 - carries no types; see above
    from pyarrow import compute  # noqa: PLC0415 - as above

    if len(pattern) > LONGEST_PATTERN:
        raise QueryFailed(f"The pattern is longer than {LONGEST_PATTERN} characters.", remedy="Use a shorter one.")
    whole = f"^(?{flags}:{pattern})$"
    array = pyarrow.array(values, type=pyarrow.string())
    try:
        matches: list[bool] = compute.match_substring_regex(array, pattern=whole).to_pylist()
    except pyarrow.ArrowInvalid as error:
        raise QueryFailed(
            f"invalid regular expression in label_replace(): {pattern}", remedy="Patterns are RE2's."
        ) from error
    groups: dict[int, list[str]] = {}
    pieces = _pieces(pattern, template)
    for group in {piece for piece in pieces if isinstance(piece, int)}:
        one = compute.replace_substring_regex(array, pattern=whole, replacement=f"\\{group}", max_replacements=1)
        groups[group] = one.to_pylist()
    return [
        "".join(piece if isinstance(piece, str) else groups[piece][index] for piece in pieces) if fits else None
        for index, fits in enumerate(matches)
    ]


@lru_cache(maxsize=256)
def _pieces(pattern: str, template: str) -> tuple[str | int, ...]:
    """A template cut into literal text and numbers of groups, by the rules of Go's ``Regexp.Expand``: ``$name`` is as
    long as it can be, ``$$`` is a dollar sign, a group that is not there is empty."""
    names = _groups(pattern)
    pieces: list[str | int] = []
    end = 0
    for reference in _REFERENCE.finditer(template):
        pieces.append(template[end : reference.start()])
        end = reference.end()
        wanted = reference[1] or reference[2]
        if wanted is None:
            pieces.append("$")
        elif wanted == "0" or wanted in names:
            number = 0 if wanted == "0" else names[wanted]
            if number > _MOST_REFERENCES:
                raise QueryFailed("label_replace() knows only the first nine groups.", remedy="Use `(?:…)` for others.")
            pieces.append(number)
    pieces.append(template[end:])
    return tuple(pieces)


def _groups(pattern: str) -> dict[str, int]:
    """The capturing groups by number and by name."""
    found: dict[str, int] = {}
    in_class, place = False, 0
    while place < len(pattern):
        sign = pattern[place]
        if sign == "\\":
            place += 1
            if pattern[place : place + 1] == "Q":
                end = pattern.find("\\E", place)
                place = len(pattern) if end < 0 else end + 1
        elif in_class:
            in_class = sign != "]"
        elif sign == "[":
            in_class = True
            place += 1 if pattern[place + 1 : place + 2] == "^" else 0
            place += 1 if pattern[place + 1 : place + 2] == "]" else 0
        elif sign == "(":
            named = re.match(r"\(\?P?<(\w+)>", pattern[place:])
            if named or pattern[place + 1 : place + 2] != "?":
                number = len({*found.values()}) + 1
                found[str(number)] = number
                if named:
                    found[named[1]] = number
        place += 1
    return found


def joined(frame: Frame, target: Words, separator: Words, sources: Sequence[Words]) -> Frame:
    """``label_join``. Raises :class:`QueryFailed` for what cannot be a label, or series made alike."""
    name = check_label(target.text, "label_join")
    names = [check_label(one.text, "label_join") for one in sources]
    labels = [
        with_label(one, name, separator.text.join(label_of(one, source) for source in names)) for one in frame.labels
    ]
    return merged(Frame(labels, frame.values, frame.present))


def sorted_by_value(frame: Frame, *, descending: bool) -> Frame:
    """By the value at the only step, NaN last. Over several steps there is no order."""
    if frame.steps != 1:
        return frame
    values = frame.values[:, 0]
    order = np.lexsort((-values if descending else values, np.isnan(values)))
    return frame.rows(order)


def sorted_by_labels(frame: Frame, names: Sequence[Words], *, descending: bool) -> Frame:
    """By these labels, numbers within them as numbers, and then by all."""
    if frame.steps != 1:
        return frame
    wanted = [one.text for one in names]

    def key(row: int) -> tuple[list[list[tuple[int, str]]], Labels]:
        labels = frame.labels[row]
        return [_natural(label_of(labels, name)) for name in wanted], labels

    return frame.rows(np.array(sorted(range(len(frame.labels)), key=key, reverse=descending), dtype=np.intp))


def _natural(text: str) -> list[tuple[int, str]]:
    return [(int(part[:300]), "") if _DIGITS.fullmatch(part) else (-1, part) for part in _DIGITS.split(text) if part]
