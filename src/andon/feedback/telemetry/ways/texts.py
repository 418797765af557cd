"""Text that somebody else wrote, cut to what is kept."""

from __future__ import annotations

from andon.feedback.telemetry.contract.logs import LONGEST_BODY, MOST_FIELDS

LONGEST_FIELD = 4096
"""Characters of a field's or attribute's value."""
LONGEST_KEY = 255


def body_text(text: str) -> str:
    """A line's body: what is longer than is kept is cut, and says so at its end."""
    text = sound(text)
    if len(text) <= LONGEST_BODY // 4:
        return text
    encoded = text.encode()
    if len(encoded) <= LONGEST_BODY:
        return text
    note = f" … [cut, {len(encoded):,} bytes]"
    return encoded[: LONGEST_BODY - len(note.encode())].decode("utf-8", "ignore") + note


def field_text(text: str) -> str:
    text = sound(text)
    return text if len(text) <= LONGEST_FIELD else text[: LONGEST_FIELD - 1] + "…"


def sound(text: str) -> str:
    """Without halves of surrogate pairs, which no encoding can carry."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


class Fields:
    """Fields of a line or attributes of a span, as many as are kept."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def add(self, key: str, value: str) -> None:
        if key and value and (len(self.kept) < MOST_FIELDS or key in self.kept):
            self.kept[sound(key[:LONGEST_KEY])] = field_text(value)
