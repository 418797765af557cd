"""Make what programs print safe to show: on a terminal (:func:`plain`) and as HTML (:func:`spans`).

Input is hostile. Every pattern's repetition excludes the character that starts the next attempt, so the time is
linear in the length whatever is sent.
"""

from __future__ import annotations

import re

# CSI with parameters; OSC, DCS, SOS, PM and APC strings up to their end; two-character escapes; a lone ESC.
_ESCAPE = re.compile(
    r"\x1b\[[0-?]*+[ -/]*+[@-~]?"
    r"|\x1b[\]PX^_][^\x07\x1b]*+(?:\x07|\x1b\\)"
    r"|\x1b[ -/]*+[0-~]?"
)
_COLOUR = re.compile(r"\x1b\[([0-9;:]{0,64}+)m")
# C0 and C1 controls except tab, DEL, and the marks that turn text around or hide it
_CONTROL = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]"
)
_LONE = re.compile("[\ud800-\udfff]")


def plain(text: str) -> str:
    """One line without colours, cursor movements, and control or direction characters; tabs stay.

    Of a line that was overwritten by carriage returns (a progress bar) the last state is kept.
    """
    return _clean(_ESCAPE.sub("", _last_state(text)))


def spans(text: str) -> list[tuple[str, str]]:
    """One line as pieces of (text, CSS classes): "b dim i u s inv fg-0…fg-15 bg-0…bg-15", or "" for unstyled.

    Colours of the 256 and the 24-bit palettes become the nearest of the sixteen, so that a page needs no inline
    style. Every other escape is dropped. The text is not HTML: escape it.
    """
    found: list[tuple[str, str]] = []
    style = _Style()
    position = 0
    line = _last_state(text)
    for match in _ESCAPE.finditer(line):
        _add(found, line[position : match.start()], style)
        if colour := _COLOUR.fullmatch(match.group()):
            style.apply(colour.group(1))
        position = match.end()
    _add(found, line[position:], style)
    return found


def _last_state(text: str) -> str:
    text = text.rstrip("\r\n")
    if "\r" not in text:
        return text
    before, _, last = text.rpartition("\r")
    # colours set before the return still hold after it
    return "".join(match.group() for match in _COLOUR.finditer(before)) + last


def _clean(text: str) -> str:
    return _LONE.sub("\ufffd", _CONTROL.sub("", text))


def _add(found: list[tuple[str, str]], text: str, style: _Style) -> None:
    text = _clean(text)
    if not text:
        return
    classes = style.classes()
    if found and found[-1][1] == classes:
        found[-1] = (found[-1][0] + text, classes)
    else:
        found.append((text, classes))


_ON = {1: "b", 2: "dim", 3: "i", 4: "u", 7: "inv", 9: "s"}
_OFF = {22: ("b", "dim"), 23: ("i",), 24: ("u",), 27: ("inv",), 29: ("s",)}
# xterm's sixteen colours, to find the nearest one
_SIXTEEN = (
    (0, 0, 0),
    (205, 0, 0),
    (0, 205, 0),
    (205, 205, 0),
    (0, 0, 238),
    (205, 0, 205),
    (0, 205, 205),
    (229, 229, 229),
    (127, 127, 127),
    (255, 0, 0),
    (0, 255, 0),
    (255, 255, 0),
    (92, 92, 255),
    (255, 0, 255),
    (0, 255, 255),
    (255, 255, 255),
)
_LEVELS = (0, 95, 135, 175, 215, 255)


class _Style:
    def __init__(self) -> None:
        self._marks: dict[str, None] = {}
        self._front: int | None = None
        self._back: int | None = None
        self._classes = ""

    def classes(self) -> str:
        return self._classes

    def apply(self, parameters: str) -> None:
        codes = [int(part) if part else 0 for part in parameters.replace(":", ";").split(";") if len(part) < 4]
        position = 0
        while position < len(codes):
            code = codes[position]
            position += 1
            if code in (38, 48):
                colour, position = _extended(codes, position)
                if code == 38:
                    self._front = colour
                else:
                    self._back = colour
            else:
                self._one(code)
        words = [*self._marks]
        if self._front is not None:
            words.append(f"fg-{self._front}")
        if self._back is not None:
            words.append(f"bg-{self._back}")
        self._classes = " ".join(words)

    def _one(self, code: int) -> None:
        if code == 0:
            self._marks.clear()
            self._front = self._back = None
        elif code in _ON:
            self._marks[_ON[code]] = None
        elif code in _OFF:
            for mark in _OFF[code]:
                self._marks.pop(mark, None)
        elif 30 <= code <= 37:
            self._front = code - 30
        elif 90 <= code <= 97:
            self._front = code - 82
        elif code == 39:
            self._front = None
        elif 40 <= code <= 47:
            self._back = code - 40
        elif 100 <= code <= 107:
            self._back = code - 92
        elif code == 49:
            self._back = None


def _extended(codes: list[int], position: int) -> tuple[int | None, int]:
    """The colour after 38 or 48, as one of sixteen, and where the next code is."""
    kind = codes[position] if position < len(codes) else -1
    if kind == 5 and position + 1 < len(codes):
        return _of_256(codes[position + 1]), position + 2
    if kind == 2 and position + 3 < len(codes):
        red, green, blue = codes[position + 1 : position + 4]
        return _nearest(red, green, blue), position + 4
    return None, len(codes)


def _of_256(number: int) -> int | None:
    if number < 16:
        return number
    if number < 232:
        number -= 16
        return _nearest(_LEVELS[number // 36], _LEVELS[number // 6 % 6], _LEVELS[number % 6])
    if number < 256:
        grey = 8 + 10 * (number - 232)
        return _nearest(grey, grey, grey)
    return None


def _nearest(red: int, green: int, blue: int) -> int:
    return min(
        range(16),
        key=lambda n: (_SIXTEEN[n][0] - red) ** 2 + (_SIXTEEN[n][1] - green) ** 2 + (_SIXTEEN[n][2] - blue) ** 2,
    )
