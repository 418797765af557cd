"""Which flags have done their work, and why; and which have not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from andon.flow.flags.contract import FlagName, Origin
from andon.flow.flags.model.flag import Head, Setting, StoredFlag, StoredSetting
from andon.flow.flags.model.stale import Finding, Reference, finding
from andon.flow.sources.contract import Service
from andon_flags.document import Condition, Kind, Operator, Rule

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
LINE = Reference("app/shop.py", 3, 'flags.boolean("old-banner")')
HEAD = Head(kind=Kind.BOOLEAN, variants={"on": True, "off": False}, off="off", salt="old-banner")
OFF = Setting.first(HEAD)
SWISS = Rule(id="r", when=(Condition("country", Operator.IN, ("CH",)),), serve="off")
HALF = ((0, 50_000, "on"), (50_000, 100_000, "off"))
NOBODY_COUNTS: Mapping[str, datetime] = {}


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def flag(head: Head = HEAD, days: float = 100) -> StoredFlag:
    return StoredFlag(
        id="flag_1",
        service=Service("store"),
        name=FlagName("old-banner"),
        origin=Origin.CONSOLE,
        head=head,
        head_version=1,
        created_at=ago(days),
        archived_at=None,
    )


def setting(days: float, environment: str = "production", /, **more: object) -> StoredSetting:
    set_so = replace(OFF, **more)  # type: ignore[arg-type] # whatever a test replaces
    return StoredSetting(environment=environment, version=1, setting=set_so, changed_at=ago(days))


def found(
    *settings: StoredSetting,
    of: StoredFlag | None = None,
    asked: Mapping[str, datetime] = NOBODY_COUNTS,
    lines: tuple[Reference, ...] = (LINE,),
    looked: bool = True,
) -> Finding | None:
    return finding(of or flag(), settings, asked, lines, NOW, looked=looked)


def why(stale: Finding | None) -> tuple[str, ...]:
    return () if stale is None else stale.why


def test_one_that_gives_everybody_the_same_for_a_month_has_done_its_work() -> None:
    stale = found(setting(31, default="on"), setting(90, "acceptance", default="on"))
    assert why(stale) == ("everybody has got on for 31 days",)
    assert stale is not None
    assert (stale.keep, stale.value) == ("on", True)
    assert stale.proposal.startswith("Put the value of on in 1 line")
    assert why(found(setting(31, default="off", enabled=False))) == ("everybody has got off for 31 days",)


@pytest.mark.parametrize(
    "settings",
    [
        (setting(29, default="on"),),
        (setting(31, default="on"), setting(31, "acceptance")),
        (setting(31, default=HALF),),
        (setting(31, default="on", rules=(SWISS,)),),
        (setting(31, default="on", individuals={"u1": "off"}),),
        (setting(31, default="on", ends=NOW.timestamp() + 60),),
        (),
    ],
    ids=["lately", "another elsewhere", "a share", "a rule", "somebody named", "an end", "never set"],
)
def test_one_that_still_decides_something_has_not(settings: tuple[StoredSetting, ...]) -> None:
    assert found(*settings) is None


def test_one_is_told_once_its_end_of_life_is_over() -> None:
    head = replace(HEAD, ends=date(2026, 5, 20))
    assert why(found(of=flag(head))) == ("it was to be gone by 2026-05-20, 12 days ago",)
    assert found(of=flag(replace(HEAD, ends=date(2026, 6, 1)))) is None, "its last day is today"


def test_one_that_nobody_asks_for_any_more_is_told() -> None:
    assert why(found(asked={"production": ago(40), "acceptance": ago(35)})) == ("nobody has asked for it for 35 days",)
    assert found(asked={"production": ago(40), "acceptance": ago(2)}) is None


def test_one_that_the_code_does_not_name_is_told_where_the_code_was_looked_through() -> None:
    stale = found(lines=())
    assert why(stale) == ("the code does not name it",)
    assert stale is not None
    assert stale.proposal == "The code does not name old-banner: archive it."
    assert found(lines=(), looked=False) is None
    assert found(lines=(), of=flag(days=5)) is None, "its code is still to come"


def test_one_that_stays_for_good_never_grows_stale() -> None:
    permanent = flag(replace(HEAD, permanent=True))
    assert found(setting(400, default="on"), of=permanent, asked={"production": ago(400)}, lines=()) is None
