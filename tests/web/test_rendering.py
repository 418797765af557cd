from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from andon.web.model import Fact, Light, State, Step, Trend
from andon.web.rendering import (
    FILTERS,
    Renderer,
    Static,
    duration,
    exact,
    number,
    percent,
    plural,
    relative,
    short,
    size,
)
from andon.web.shell import Action, Frame, Navigation, NavItem, Page, Theme, Viewer, theme_of

NOW = datetime(2026, 11, 22, 14, 2, 11, tzinfo=UTC)


def render(source: str, **values: object) -> str:
    renderer = Renderer(clock=lambda: NOW, static=lambda name: f"/static/{name}")
    opening = '{% import "web/components.html" as ui with context %}'
    return renderer.environment.from_string(opening + source).render(csrf_token="t0ken", **values)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "—"),
        (0, "0 ms"),
        (0.34, "340 ms"),
        (4.2, "4.2 s"),
        (9.0, "9 s"),
        (59.7, "1 m"),
        (192, "3 m 12 s"),
        (timedelta(hours=2, minutes=5), "2 h 5 m"),
        (timedelta(days=3, hours=4, seconds=9), "3 d 4 h"),
        (-192, "-3 m 12 s"),
    ],
)
def test_duration(value: timedelta | float | None, text: str) -> None:
    assert duration(value) == text
    on_a_page = FILTERS["duration"](value)
    assert on_a_page == text.replace(" ", "\N{NO-BREAK SPACE}"), "on a page it does not break over two lines"


@pytest.mark.parametrize(
    ("before", "text"),
    [
        (timedelta(seconds=3), "just now"),
        (timedelta(seconds=42), "42 s ago"),
        (timedelta(minutes=3, seconds=59), "3 min ago"),
        (timedelta(hours=30), "1 d ago"),
        (timedelta(hours=-2), "in 2 h"),
    ],
)
def test_relative(before: timedelta, text: str) -> None:
    assert relative(NOW - before, NOW) == text


def test_exact_names_the_zone_and_refuses_a_moment_without_one() -> None:
    assert exact(NOW) == "22 Nov 2026, 14:02:11 UTC"
    with pytest.raises(ValueError, match="time zone"):
        exact(NOW.replace(tzinfo=None))


def test_counts_sizes_hashes_and_shares() -> None:
    assert [size(n) for n in (None, 812, 4_200, 8_400_000, 999_999, 123_456_789)] == [
        "—",
        "812 B",
        "4.2 kB",
        "8.4 MB",
        "1 MB",
        "123 MB",
    ]
    assert short("sha256:7c1f0e4aa") == short("7c1f0e4aa") == "7c1f0e4"
    assert (plural(1, "entry", "entries"), plural(1204, "commit")) == ("1 entry", "1,204 commits")
    assert number(48213) == "48,213"
    # what is not nothing is never shown as nothing, and no data is not zero
    assert [percent(s) for s in (None, 0, 0.001, 0.5, 0.999, 1)] == [
        "no data",
        "0 %",
        "< 1 %",
        "50 %",
        "> 99 %",
        "100 %",
    ]


def test_ago_ticks_and_tells_the_exact_moment() -> None:
    text = render("{{ at | ago }}", at=NOW - timedelta(minutes=3))
    assert text == (
        '<time datetime="2026-11-22T13:59:11.000+00:00" title="22 Nov 2026, 13:59:11 UTC" data-ago>3 min ago</time>'
    )
    assert "never" in render("{{ at | ago }}", at=None)


HOSTILE = "<script>alert(1)</script>\" onmouseover='x'"


@pytest.mark.parametrize(
    "source",
    [
        "{{ ui.badge('ok', said) }}",
        "{{ ui.hash(said) }}",
        "{{ ui.command_line(said) }}",
        "{{ ui.output(said, said) }}",
        "{{ ui.empty(said, said) }}",
        "{{ ui.trouble(said, said, said) }}",
        "{{ ui.toast(said) }}",
        "{{ ui.line(steps) }}{{ ui.mini_line(steps) }}",
        "{{ ui.facts(facts) }}",
        "{{ ui.deed(deed) }}",
        "{{ ui.log(said, [(1, [(said, said)])]) }}",
        "{{ ui.field(said, said, value=said, hint=said) }}",
        "{{ ui.sparkline(trend) }}",
        "{{ said | paragraphs }}",
        "{{ ('`' ~ said ~ '`') | commands }}",
    ],
)
def test_what_others_wrote_is_never_markup(source: str) -> None:
    text = render(
        source,
        said=HOSTILE,
        steps=(Step(HOSTILE, State.OK, HOSTILE, note=HOSTILE),),
        facts=(Fact(HOSTILE, HOSTILE, copy=True),),
        deed=Action(HOSTILE, "/x", hidden=((HOSTILE, HOSTILE),), confirm=HOSTILE, warning=HOSTILE),
        trend=Trend([1.0, None, 2.0], 2, HOSTILE),
    )
    assert "<script" not in text
    assert "' onmouseover" not in text
    assert '" onmouseover' not in text
    assert "alert(1)" in text


def test_a_name_that_was_not_supplied_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="forgotten"):
        render("{{ forgotten }}")


def test_no_component_needs_inline_style_or_script() -> None:
    package = Path(__file__).parents[2] / "src" / "andon" / "web"
    for template in package.rglob("*.html"):
        text = template.read_text(encoding="utf-8")
        assert " style=" not in text, f"{template}: the content security policy blocks it"
        assert "<style" not in text, template
        assert not any(f" on{event}=" in text for event in ("click", "load", "submit", "change", "input")), template
        assert text.count("<script") == text.count("<script src="), template


def test_a_deed_carries_the_token_and_a_blocked_one_says_why() -> None:
    text = render("{{ ui.deed(deed) }}", deed=Action("Deploy 3f2c91a", "/deploy", hidden=(("commit", "3f2c91a"),)))
    assert '<input type="hidden" name="_csrf_token" value="t0ken">' in text
    assert '<input type="hidden" name="commit" value="3f2c91a">' in text
    blocked = render("{{ ui.deed(deed) }}", deed=Action("Deploy 9be0d17", "/deploy", blocked="Its tests failed."))
    assert "<form" not in blocked
    assert "disabled" in blocked
    assert "Its tests failed." in blocked


def frame(path: str = "/", **values: object) -> Frame:
    items = (
        NavItem("", "Overview", "/", "overview", "o"),
        NavItem("Flow", "Deploy", "/deploy", "deploy", "d"),
        NavItem("Flow", "Queue", "/deploy/queue", "clock"),
    )
    return Frame(navigation=Navigation(items), path=path, **values)  # type: ignore[arg-type]  # a short way for tests


@pytest.mark.parametrize(
    ("path", "label"),
    [("/", "Overview"), ("/deploy", "Deploy"), ("/deploy/store", "Deploy"), ("/deploy/queue", "Queue"), ("/x", None)],
)
def test_the_rail_knows_where_one_is(path: str, label: str | None) -> None:
    here = frame().navigation.current(path)
    assert (here.label if here else None) == label


def test_a_page_stands_in_its_frame() -> None:
    text = Renderer(clock=lambda: NOW).page(
        "web/errors.html",
        page=Page("Not found", "There is no run 129", state=State.BAD, word="404"),
        frame=frame(
            "/deploy",
            light=Light(State.BAD, "The line is stopped", "/runs/128"),
            viewer=Viewer.named("Maxine Chambers"),
            theme=Theme.DARK,
        ),
        code="andon.not_found",
        safe="",
        remedy="Look at the runs.",
        reference="",
    )
    assert '<html lang="en" data-theme="dark">' in text
    assert "<title>Not found · Andon</title>" in text
    assert 'href="/deploy" aria-current="page"' in text
    assert "The line is stopped" in text
    assert ">MC<" in text
    assert "Look at the runs." in text


def test_themes_other_than_ours_are_the_devices() -> None:
    assert [theme_of(cookie) for cookie in (None, "dark", "light", "neon", '"><')] == [
        Theme.SYSTEM,
        Theme.DARK,
        Theme.LIGHT,
        Theme.SYSTEM,
        Theme.SYSTEM,
    ]


def test_initials() -> None:
    assert [Viewer.named(name).initials for name in ("Maxine Chambers", "brent", "Ada K. Lovelace", "")] == [
        "MC",
        "BR",
        "AL",
        "?",
    ]


def test_static_addresses_change_with_the_content(tmp_path: Path) -> None:
    (tmp_path / "console.css").write_text("a")
    first = Static(tmp_path).address("console.css")
    (tmp_path / "console.css").write_text("b")
    assert first != Static(tmp_path).address("console.css")
    assert Static(tmp_path).address("missing.js") == "/static/missing.js"


def test_commands_in_a_message_are_set_as_commands() -> None:
    assert render("{{ 'See `andon runs` or `git log`.' | commands }}") == (
        "See <code>andon runs</code> or <code>git log</code>."
    )
    assert render("{{ 'one ` alone' | commands }}") == "one ` alone"
