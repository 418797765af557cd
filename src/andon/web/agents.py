"""What browsers call themselves, in words: "Firefox on Linux"."""

from __future__ import annotations

import re

LONGEST = 40
_BROWSERS = (
    # The order counts: most browsers also give the names of those that they want to be taken for.
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("HeadlessChrome/", "headless Chrome"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("CrOS", "ChromeOS"),
    ("Windows NT", "Windows"),
    ("Macintosh", "Mac"),
    ("Linux", "Linux"),
)
_PROGRAM = re.compile(r"([A-Za-z][\w.-]{0,30})/[\d.]+")


def browser_of(agent: str) -> str:
    """A few words for what a browser sends about itself; what is not known stays as it was sent, shortened.

    It is what somebody claims, good for recognising one's own sessions and for nothing else.
    """
    browser = next((name for mark, name in _BROWSERS if mark in agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in agent), "")
    if agent.startswith("Mozilla/") and browser:
        return f"{browser} on {system}" if system else browser
    if program := _PROGRAM.fullmatch(agent):
        return program[1]
    if not agent:
        return "unknown"
    return agent if len(agent) <= LONGEST else f"{agent[: LONGEST - 1]}…"
