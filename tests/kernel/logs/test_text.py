"""What programs print, made safe to show."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.kernel.logs.text import plain, spans

HOSTILE = st.text(
    st.one_of(st.characters(), st.sampled_from(list("\x1b[]m;:0123456789\x07\\P_^X\r\n\x9b\x9d?K(B\u202e"))),
    max_size=200,
)
CLASSES = re.compile(r"(?:(?:b|dim|i|u|s|inv|(?:fg|bg)-(?:\d|1[0-5]))(?: |\Z))*\Z")


@settings(max_examples=400, deadline=None)
@given(HOSTILE)
def test_nothing_that_moves_a_terminal_gets_through(text: str) -> None:
    shown = plain(text)
    assert not re.search("[\x00-\x08\x0a-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", shown)
    shown.encode()


@settings(max_examples=400, deadline=None)
@given(HOSTILE)
def test_spans_hold_the_plain_text_and_known_classes_only(text: str) -> None:
    found = spans(text)
    assert "".join(piece for piece, _ in found) == plain(text)
    assert all(piece for piece, _ in found)
    assert all(CLASSES.match(classes) for _, classes in found)


@pytest.mark.parametrize(
    "bad", ["\x1b[", "\x1b]", "\x1b]0;", "\x1b[0", "\x1b[1;", "\x1bP", "\x1b(", "\x1b", "\r", "\x1b[31m"]
)
def test_time_is_linear_in_the_length(bad: str) -> None:
    # a quadratic pattern would take minutes for this and end at the test's time limit
    text = bad * (300_000 // len(bad)) + " end."
    assert plain(text).endswith("nd.")  # an escape may take the first of them with it
    spans(text)
    one_escape = bad + "1" * 300_000
    plain(one_escape)
    spans(one_escape)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", [("plain", "")]),
        ("", []),
        ("a\x1b[31mred\x1b[0mb", [("a", ""), ("red", "fg-1"), ("b", "")]),
        ("\x1b[1;4;92;41mx\x1b[22;24my\x1b[39;49mz", [("x", "b u fg-10 bg-1"), ("y", "fg-10 bg-1"), ("z", "")]),
        ("\x1b[38;5;196mx", [("x", "fg-9")]),
        ("\x1b[38;2;0;0;250mx", [("x", "fg-4")]),
        ("\x1b[38:2:0:0:250mx", [("x", "fg-4")]),
        ("\x1b[48;5;3;1mx", [("x", "b bg-3")]),
        ("\x1b[38;5mx", [("x", "")]),
        ("\x1b[mx", [("x", "")]),
        ("\x1b[31ma\x1b[31mb", [("ab", "fg-1")]),
        ("\x1b]8;;http://evil\x07link\x1b]8;;\x1b\\!", [("link!", "")]),
        ("\x1b[2J\x1b[1;1Hgone", [("gone", "")]),
        ("10%\r50%\r100%", [("100%", "")]),
        ("\x1b[32m10%\r100%\r\n", [("100%", "fg-2")]),
        ("<script>", [("<script>", "")]),
        ("a\tb", [("a\tb", "")]),
        ("user\u202etxt.exe", [("usertxt.exe", "")]),
    ],
)
def test_colours(text: str, expected: list[tuple[str, str]]) -> None:
    assert spans(text) == expected
