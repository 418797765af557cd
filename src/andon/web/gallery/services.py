"""Sample rows of the value stream."""

from __future__ import annotations

from datetime import datetime

from andon.web.gallery.samples import BAD, HOLD, NONE, OK, RUN, WARN, Samples, minutes
from andon.web.model import Cell, Gap, ServiceRow, State, Trend

DAY, HOUR = 24 * 60, 60
_FAILED = (0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0)
_FAILED_ONCE = (0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)


def service_rows(samples: Samples) -> tuple[ServiceRow, ...]:
    now = samples.now

    def cell(where: str, commit: str, title: str, who: str, since: float, lead: float | None) -> Cell:
        return _cell(now, where, commit, title, who, since, lead, OK, "healthy")

    def odd(where: str, commit: str, title: str, who: str, since: float, state: State, word: str) -> Cell:
        return _cell(now, where, commit, title, who, since, None, state, word)

    return (
        ServiceRow(
            "store",
            "#",
            (
                odd(
                    "acceptance", "3f2c91a", "Show the delivery date in the basket", "Maxine", 2, RUN, "acceptance runs"
                ),
                cell("staging", "b1d90e2", "Read the stock from the new column", "Maxine", 40, 12),
                cell("production", "a81f3c0", "Cache the price list for a minute", "Patty", DAY, 14),
            ),
            (
                Gap(RUN, 0, "3f2c91a is on its way to staging", 0.6, "deploy.html"),
                Gap(OK, 3, "3 changes wait for production", None, "deploy.html"),
            ),
            ((OK, samples.trend(2, "13 m lead", 61)), (BAD, Trend(_FAILED, 61, "6.6 % failed"))),
            "Orders",
        ),
        ServiceRow(
            "catalogue",
            "#",
            (
                odd("acceptance", "9be0d17", "Sort parts by what fits the car", "Shannon", 26, BAD, "api tests failed"),
                cell("staging", "5d20c4e", "Serve pictures in two sizes", "Shannon", 5 * HOUR, 22),
                cell("production", "5d20c4e", "Serve pictures in two sizes", "Shannon", 4 * HOUR, 31),
            ),
            (Gap(BAD, 0, "stopped: 9be0d17 failed acceptance", None, "run.html"), Gap(OK, 0, "same version")),
            ((OK, samples.trend(3, "24 m lead", 34)), (NONE, Trend(_FAILED_ONCE, 34, "2.9 % failed"))),
            "Parts",
        ),
        ServiceRow(
            "payment",
            "#",
            (
                cell("acceptance", "e77a015", "Retry the bank once, then say so", "Brent", HOUR, 18),
                cell("staging", "e77a015", "Retry the bank once, then say so", "Brent", HOUR, 25),
                odd("production", "2c9f6b3", "Log the bank's own reference", "Brent", 3 * DAY, WARN, "1 of 4 restarts"),
            ),
            (
                Gap(OK, 0, "same version"),
                Gap(HOLD, 1, "1 change waits; Brent holds the lock", None, "deploy.html"),
            ),
            ((OK, samples.trend(4, "41 m lead", 12)),),
            "Money",
        ),
        ServiceRow(
            "mailer",
            "#",
            (
                cell("acceptance", "c0ffee1", "Send a receipt with each order", "Wes", 6 * DAY, 16),
                Cell("staging"),
                Cell("production"),
            ),
            (Gap(NONE, 1, "1 change waits", None, "deploy.html"), Gap(NONE, 0, "nothing here yet")),
            (),
            "Orders",
        ),
    )


def _cell(
    now: datetime,
    where: str,
    commit: str,
    title: str,
    who: str,
    since: float,
    lead: float | None,
    state: State,
    word: str,
) -> Cell:
    return Cell(
        environment=where,
        commit=commit,
        state=state,
        word=word,
        since=now - minutes(since),
        lead=None if lead is None else minutes(lead),
        who=who,
        title=title,
        href="#",
    )
