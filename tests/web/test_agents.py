"""What browsers call themselves, in words."""

from __future__ import annotations

import pytest

from andon.web.agents import LONGEST, browser_of


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox on Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML) Chrome/126.0 Safari/537.36",
            "Chrome on Windows",
        ),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/126.0 Safari/537.36 Edg/126.0", "Edge on Windows"),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 Version/17.5 Safari/605.1.15",
            "Safari on Mac",
        ),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) CriOS/126.0 Safari/604.1", "Chrome on iPhone"),
        ("Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/126.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/126.0 Safari/537.36", "headless Chrome on Linux"),
        ("python-httpx/0.28.1", "python-httpx"),
        ("", "unknown"),
        ("I am Firefox/1 on Linux", "I am Firefox/1 on Linux"),
        ("Mozilla/5.0 (compatible)", "Mozilla/5.0 (compatible)"),
    ],
)
def test_known_words_are_understood_and_the_rest_stays_as_it_is(agent: str, words: str) -> None:
    assert browser_of(agent) == words


def test_what_is_unknown_is_shortened() -> None:
    assert browser_of("x" * 300) == "x" * (LONGEST - 1) + "…"
