"""A sample log, in the viewer's own words."""

from __future__ import annotations

from datetime import datetime, timedelta

from andon.web.logs import Drawn

Said = tuple[str, list[tuple[str, str]]]
_FILES = ("basket", "search", "checkout", "account", "delivery", "stock")
_OPENING: tuple[Said, ...] = (
    ("setup", [("$ ", "dim"), ("python -m pip install --no-index -r requirements.txt", "b")]),
    ("setup", [("Installed 41 packages from the cache in 2.1 s", "")]),
    ("setup", [("Playwright 1.49 with Chromium 131", "dim")]),
    ("tests", [("$ ", "dim"), ("python -m pytest tests/browser --junitxml=report.xml", "b")]),
    ("tests", [("============================= test session starts ==============================", "b")]),
    ("tests", [("collected 38 items", "")]),
    ("tests", [("", "")]),
)
_FAILURE: tuple[Said, ...] = (
    ("tests", [("tests/browser/test_delivery.py::test_date ", ""), ("FAILED", "b fg-1"), ("    [ 55%]", "fg-6")]),
    ("tests", [("    def test_date(page, shop):", "")]),
    ("tests", [('        page.goto(shop.url + "/basket")', "")]),
    ("tests", [('>       assert page.get_by_test_id("promised").inner_text() == "Tuesday, 24 November"', "")]),
    ("tests", [("E       AssertionError: assert 'Monday, 23 November' == 'Tuesday, 24 November'", "fg-1")]),
)


def said() -> list[Said]:
    lines = list(_OPENING)
    for i in range(34):
        if i == 20:
            lines += _FAILURE
            continue
        name = f"tests/browser/test_{_FILES[i % 6]}.py::test_{i:02d} "
        share = f"{'':{52 - len(name)}}[{(i + 1) * 100 // 38:3d}%]"
        lines.append(("tests", [(name, ""), ("PASSED", "fg-2"), (share, "fg-6")]))
    return lines


def drawn() -> list[Drawn]:
    """What the server draws."""
    return [(n, spans) for n, (_, spans) in enumerate(said(), 1)]


def answer(start: datetime) -> dict[str, object]:
    """What the viewer is answered (see andon.web.logs)."""
    lines = [
        {
            "n": n,
            "at": int((start + timedelta(seconds=n * 0.9)).timestamp() * 1000),
            "section": section,
            "kind": "text",
            "spans": spans,
        }
        for n, (section, spans) in enumerate(said(), 1)
    ]
    return {
        "lines": lines,
        "next": len(lines) + 1,
        "total": len(lines),
        "dropped": 0,
        "complete": True,
        "gaps": [],
        "sections": [{"name": "setup", "start": 1}, {"name": "tests", "start": 4}],
    }
