"""Jinja for the console: one environment, each room's templates under its own prefix.

`Renderer({"deployments": "andon.flow.deployments"})` finds `deployments/console.html` in that package's `templates/`.
Everything is escaped, and a name that was not supplied is an error instead of an empty spot on a page.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from jinja2 import Environment, PackageLoader, PrefixLoader, StrictUndefined, pass_environment
from markupsafe import Markup, escape

from andon.web import charts
from andon.web.agents import browser_of
from andon.web.model import STATIONS, State
from andon.web.shell import Frame, Page

STATIC = Path(__file__).parent / "static"


def utc_now() -> datetime:
    return datetime.now(UTC)


class Renderer:
    """Renders pages and fragments. Safe to share between threads.

    `packages` maps a template prefix to the package whose `templates/` folder it names; "web" is always there.
    `static` turns a static file's name into its address.
    """

    def __init__(
        self,
        packages: Mapping[str, str] | None = None,
        *,
        clock: Callable[[], datetime] = utc_now,
        static: Callable[[str], str] | None = None,
    ) -> None:
        loaders = {prefix: PackageLoader(package) for prefix, package in (packages or {}).items()}
        loaders["web"] = PackageLoader("andon.web")
        self.environment = Environment(
            loader=PrefixLoader(loaders),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self.environment.filters.update(FILTERS)
        self.environment.globals.update(
            {
                "State": State,
                "STATIONS": STATIONS,
                "now": clock,
                "static": static or Static().address,
                "spark": charts.spark,
                "stream": charts.stream,
                "STREAM_WIDTH": charts.STREAM_WIDTH,
                "bar": charts.bar,
                "length_of": charts.length_of,
            }
        )

    def page(self, template: str, *, page: Page, frame: Frame, **values: object) -> str:
        """A whole page: `template` extends "web/layout.html"."""
        return self._render(template, page=page, frame=frame, **values)

    def part(self, template: str, *, frame: Frame, **values: object) -> str:
        """A piece of a page, for an htmx swap: the same template that the page includes."""
        return self._render(template, frame=frame, **values)

    def _render(self, template: str, *, frame: Frame, **values: object) -> str:
        return self.environment.get_template(template).render(frame=frame, csrf_token=frame.csrf_token, **values)


class Static:
    """Addresses of static files that change with the content, so that browsers may keep them for ever."""

    def __init__(self, folder: Path = STATIC, prefix: str = "/static/") -> None:
        self._folder = folder
        self._prefix = prefix
        self._marks: dict[str, str] = {}

    def address(self, name: str) -> str:
        if name not in self._marks:
            file = self._folder / name
            mark = hashlib.sha256(file.read_bytes()).hexdigest()[:10] if file.is_file() else ""
            self._marks[name] = f"?v={mark}" if mark else ""
        return f"{self._prefix}{name}{self._marks[name]}"


def duration(value: timedelta | float | None) -> str:
    """A length of time as people say it: "340 ms", "4.2 s", "3 m 12 s", "2 h 5 m", "3 d 4 h"; None is "—"."""
    if value is None:
        return "—"
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if seconds < 0:
        return "-" + duration(-seconds)
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    if seconds < 10:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    if minutes == 0:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    if hours == 0:
        return f"{minutes} m {rest} s" if rest else f"{minutes} m"
    days, hours = divmod(hours, 24)
    if days == 0:
        return f"{hours} h {minutes} m" if minutes else f"{hours} h"
    return f"{days} d {hours} h" if hours else f"{days} d"


def relative(at: datetime, now: datetime) -> str:
    """ "just now", "3 min ago", "in 2 h", "5 d ago"; the console's script says it in the same words."""
    seconds = (now - at).total_seconds()
    if abs(seconds) < 10:
        return "just now"
    return f"{elapsed(seconds)} ago" if seconds > 0 else f"in {elapsed(-seconds)}"


def elapsed(seconds: float) -> str:
    """ "42 s", "3 min", "2 h", "5 d": one unit, rounded down."""
    if seconds < 60:
        return f"{max(0, int(seconds))} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min"
    if seconds < 86400:
        return f"{int(seconds // 3600)} h"
    return f"{int(seconds // 86400)} d"


def exact(at: datetime) -> str:
    """ "22 Nov 2026, 14:02:11 UTC"; a naive moment is an error, for nobody could say when it was."""
    if at.tzinfo is None:
        raise ValueError(f"a moment without a time zone cannot be shown: {at.isoformat()}")
    return f"{at.day} {at.strftime('%b %Y, %H:%M:%S')} {at.tzname() or at.strftime('%z')}"


@pass_environment
def ago(environment: Environment, at: datetime | None) -> Markup:
    """A `<time>` that ticks in the browser and shows the exact moment on hover; None is "never"."""
    if at is None:
        return Markup('<span class="muted">never</span>')
    return _ticking("ago", at, relative(at, _now(environment)))


@pass_environment
def age(environment: Environment, at: datetime | None) -> Markup:
    """How long something has been so, ticking: "26 min" (for "healthy for …")."""
    if at is None:
        return Markup('<span class="muted">no data</span>')
    return _ticking("age", at, elapsed((_now(environment) - at).total_seconds()))


@pass_environment
def running(environment: Environment, at: datetime | None) -> Markup:
    """How long something has been running, ticking by the second: "2 m 21 s"."""
    if at is None:
        return Markup("—")
    return _ticking("running", at, together(max(0, round((_now(environment) - at).total_seconds()))))


def _now(environment: Environment) -> datetime:
    now: datetime = environment.globals["now"]()  # type: ignore[operator]  # Renderer puts its clock there
    return now


def _ticking(how: str, at: datetime, text: str) -> Markup:
    stamp = at.isoformat(timespec="milliseconds")
    return Markup('<time datetime="{}" title="{}" data-{}>{}</time>').format(stamp, exact(at), how, text)


def clock_time(at: datetime | None) -> Markup:
    """Time of day to the second, the exact moment on hover."""
    if at is None:
        return Markup("—")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        at.isoformat(timespec="milliseconds"), exact(at), at.strftime("%H:%M:%S")
    )


def size(value: int | None) -> str:
    """Bytes in decimal units: "812 B", "4.2 kB", "1.3 GB"; None is "—"."""
    if value is None:
        return "—"
    if abs(value) < 1000:
        return f"{value} B"
    amount, unit = float(value), "B"
    for unit in ("kB", "MB", "GB", "TB", "PB"):  # noqa: B007 - the unit at which it stops is the answer
        amount /= 1000
        if abs(amount) < 999.5:
            break
    return f"{amount:.1f} {unit}".replace(".0 ", " ") if abs(amount) < 100 else f"{amount:.0f} {unit}"


def short(value: str) -> str:
    """The first seven characters of a hash; an algorithm's name before a colon is left out."""
    return value.rpartition(":")[2][:7]


def capital(text: str) -> str:
    """With a capital first letter, as at the head of a line; the rest stays as it is."""
    return text[:1].upper() + text[1:]


def plural(count: int, one: str, many: str = "") -> str:
    """ "1 commit", "4 commits", "1,204 commits"; `many` where an s will not do."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def number(value: int) -> str:
    """A count with thousands set apart."""
    return f"{value:,}"


def percent(share: float | None) -> str:
    """A share (0..1) in percent; what is not nothing is never shown as 0 %, what is not all never as 100 %."""
    if share is None:
        return "no data"
    if 0 < share < 0.01:
        return "< 1 %"
    if 0.99 < share < 1:
        return "> 99 %"
    return f"{round(share * 100)} %"


def paragraphs(text: str) -> Markup:
    """Plain text with its line breaks kept; nothing in it is markup."""
    return Markup("<br>").join(escape(line) for line in text.splitlines())


def commands(text: str) -> Markup:
    """Plain text in which `commands` stand between backticks, as in messages that a terminal shows too."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # one backtick too many: none of them means anything
        return escape(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if turn % 2 else escape(part) for turn, part in enumerate(parts)
    )


def together(value: timedelta | float | None) -> str:
    """A duration for a page: "3 m 12 s" with spaces at which no line breaks."""
    return duration(value).replace(" ", "\N{NO-BREAK SPACE}")


FILTERS: dict[str, Callable[..., object]] = {
    "age": age,
    "ago": ago,
    "browser": browser_of,
    "bytes": size,
    "clock": clock_time,
    "commands": commands,
    "duration": together,
    "exact": exact,
    "number": number,
    "paragraphs": paragraphs,
    "percent": percent,
    "plural": plural,
    "running": running,
    "short": short,
}
