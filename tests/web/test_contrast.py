"""The colour tokens: readable in both themes, and the two ways to the dark theme the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TOKENS = Path(__file__).parents[2] / "frontend" / "src" / "tokens.css"
STATES = ("ok", "run", "warn", "bad", "hold", "none")
GROUNDS = ("surface", "sunken", "raised")


def blocks() -> dict[str, dict[str, str]]:
    text = re.sub(r"/\*.*?\*/", "", TOKENS.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = re.findall(r'(:root(?:\[data-theme="dark"\]|:not\(\[data-theme="light"\]\))?) \{([^}]*)\}', text)
    named = [(selector, dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6});", body))) for selector, body in found]
    light = next(tokens for selector, tokens in named if selector == ":root" and tokens)
    device = next(tokens for selector, tokens in named if "not" in selector)
    chosen = next(tokens for selector, tokens in named if "dark" in selector)
    return {"light": light, "dark by device": device, "dark by choice": chosen}


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def text_pairs() -> list[tuple[str, str]]:
    """(text, ground) for all text that the stylesheets set."""
    pairs = [(text, ground) for text in ("ink", "muted", *STATES) for ground in (*GROUNDS, "hover")]
    pairs += [(state, f"{state}-tint") for state in STATES]
    pairs += [("ink", f"{state}-tint") for state in STATES]
    pairs += [("ink", "select"), ("muted", "select"), ("muted", "none-tint"), ("on-inverse", "inverse")]
    on_log = ["log-ink", "log-muted", *(f"ansi-{c}" for c in ("red", "green", "yellow", "blue", "magenta", "cyan"))]
    pairs += [(text, "log-surface") for text in on_log]
    pairs += [("log-ink", "mark")]
    return pairs


def test_the_example_from_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark by device", "dark by choice"])
def test_text_is_readable(theme: str) -> None:
    tokens = blocks()[theme]
    poor = [
        f"--{text} on --{ground}: {contrast(tokens[text], tokens[ground]):.2f}"
        for text, ground in text_pairs()
        if contrast(tokens[text], tokens[ground]) < 4.5
    ]
    assert not poor, "WCAG 2.2 AA asks for 4.5"


@pytest.mark.parametrize("theme", ["light", "dark by device"])
def test_state_icons_and_series_stand_out_from_the_page(theme: str) -> None:
    tokens = blocks()[theme]
    # grey says "nothing known" and goes with its word; the others are read at a glance
    marks = [f"{state}-solid" for state in STATES if state not in {"none", "warn"}]
    marks += [f"series-{n}" for n in range(1, 7)]
    poor = [mark for mark in marks if contrast(tokens[mark], tokens["surface"]) < 3]
    assert not poor, "WCAG 2.2 AA asks for 3 for what is not text"


def test_the_dark_theme_is_one() -> None:
    found = blocks()
    assert found["dark by device"] == found["dark by choice"]
    assert set(found["light"]) == set(found["dark by device"])
