"""The form that begins a takeover: read as the command reads it, and given back with what is wrong at each field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from andon.feedback.rollouts.model.takeovers import MOST_STAGES, TakeoverStage, release_of
from andon.feedback.rollouts.model.typed import seconds_of
from andon.feedback.rollouts.service.takeovers import Wanted
from andon.flow.routing.contract import PARTS, Comparison, Condition, Where, place_of, share_of
from andon.flow.sources.contract import Service
from andon.kernel.errors import Invalid

MOST_CONDITIONS = 7
"""Beside that on the path."""
BLANK_ROWS = 2
"""Behind those that are filled in: who needs more of them looks first, and gets two more."""
_FIRST = ("1 %", "10 %", "50 %")
_LASTS, _REQUESTS = "5m", "100"
_LONGEST = 1_100
"""Characters of a field; a path has at most 1,024."""
_STAGE = ("share", "lasts", "requests")
_CONDITION = ("where", "name", "how", "value")
_WHERE = {one.value: one for one in (Where.HEADER, Where.COOKIE, Where.QUERY)}
_HOW = {one.value: one for one in (Comparison.IS, Comparison.PREFIX, Comparison.PRESENT)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """As it came. Rows that hold nothing are left out; numbers of rows are those of the form that goes back."""

    giver: str
    """SERVICE/ENVIRONMENT."""
    taker: str
    path: str = ""
    path_how: str = Comparison.PREFIX.value
    conditions: tuple[Mapping[str, str], ...] = ()
    stages: tuple[Mapping[str, str], ...] = tuple(
        {"share": one, "lasts": _LASTS, "requests": _REQUESTS} for one in _FIRST
    )

    @classmethod
    def of(cls, form: Mapping[str, str]) -> Written:
        def said(name: str) -> str:
            return form.get(name, "").strip()[:_LONGEST]

        def rows(names: Sequence[str], most: int, telling: Sequence[str]) -> tuple[Mapping[str, str], ...]:
            found = ({name: said(f"{name}-{row}") for name in names} for row in range(most))
            return tuple(one for one in found if any(one[name] for name in telling))

        return cls(
            giver=said("giver"),
            taker=said("taker"),
            path=said("path"),
            path_how=said("path-how") or Comparison.PREFIX.value,
            conditions=rows(_CONDITION, MOST_CONDITIONS, ("name", "value")),
            # a row whose share was taken out is no stage, whatever else stands in it
            stages=rows(_STAGE, MOST_STAGES + 1, ("share",)),
        )

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """All of it once more, by the names that the form has."""
        named = [("giver", self.giver), ("taker", self.taker), ("path", self.path), ("path-how", self.path_how)]
        for rows in (self.conditions, self.stages):
            named += [(f"{name}-{row}", said) for row, one in enumerate(rows) for name, said in one.items()]
        return tuple(named)

    @property
    def condition_rows(self) -> tuple[Mapping[str, str], ...]:
        """Those of the form."""
        blank = dict.fromkeys(_CONDITION, "")
        return (*self.conditions, *[blank] * BLANK_ROWS)[:MOST_CONDITIONS]

    @property
    def stage_rows(self) -> tuple[Mapping[str, str], ...]:
        blank = dict.fromkeys(_STAGE, "")
        return (*self.stages, *[blank] * BLANK_ROWS)[: max(MOST_STAGES, len(self.stages))]


@dataclass(slots=True)
class Read:
    """What a form means, or by field what is wrong with it."""

    wrong: dict[str, str] = field(default_factory=dict)
    wanted: Wanted | None = None
    """``None`` where anything is wrong."""


def read(written: Written) -> Read:
    """Nothing is asked of anybody: whether there are such places, and whose they are, is still to be seen."""
    found = Read()
    giver, taker = (_place(written, name, found.wrong) for name in ("giver", "taker"))
    when = _conditions(written, found.wrong)
    stages = _stages(written.stages, found.wrong)
    if giver == taker and giver is not None:
        found.wrong["taker"] = "It has these requests already: choose another service or environment."
    if not found.wrong and giver is not None and taker is not None:
        found.wanted = Wanted(
            service=Service(giver[0]),
            environment=giver[1],
            to=Service(taker[0]),
            to_environment=taker[1],
            when=when,
            stages=stages,
        )
    return found


def _place(written: Written, name: str, wrong: dict[str, str]) -> tuple[str, str] | None:
    try:
        return place_of(written.giver if name == "giver" else written.taker)
    except Invalid:
        wrong[name] = "Choose one."
        return None


def _conditions(written: Written, wrong: dict[str, str]) -> tuple[Condition, ...]:
    found: list[Condition] = []
    if written.path:
        how = Comparison.IS if written.path_how == Comparison.IS.value else Comparison.PREFIX
        try:
            found.append(Condition(Where.PATH, how=how, value=written.path))
        except Invalid as error:
            wrong["path"] = _told(error)
    for row, one in enumerate(written.conditions):
        named, compared = _WHERE.get(one["where"] or Where.HEADER.value), _HOW.get(one["how"] or Comparison.IS.value)
        if named is None or compared is None:
            wrong[f"name-{row}"] = "That cannot be asked of a request."
            continue
        field = "name"
        try:
            Condition(named, one["name"], Comparison.PRESENT)  # whether it is the name that is wrong
            field = "value"
            found.append(Condition(named, one["name"], compared, one["value"]))
        except Invalid as error:
            wrong[f"{field}-{row}"] = _told(error)
    return tuple(found)


def _stages(rows: Sequence[Mapping[str, str]], wrong: dict[str, str]) -> tuple[TakeoverStage, ...]:
    found: list[TakeoverStage] = []

    def checked(stage: TakeoverStage) -> TakeoverStage:
        release_of((*found, stage))
        return stage

    for row, one in enumerate(rows):
        field, stage = "share", TakeoverStage(parts=0)
        try:
            parts = share_of(one["share"] if one["share"].endswith("%") else f"{one['share']} %")
            if parts == PARTS and found and row == len(rows) - 1:
                break  # everything follows the last stage in any case
            stage = checked(TakeoverStage(parts=parts))
            field = "lasts"
            stage = checked(replace(stage, seconds=seconds_of(one["lasts"] or _LASTS)))
            field = "requests"
            stage = checked(replace(stage, requests=_number(one["requests"] or _REQUESTS)))
        except Invalid as error:
            wrong[f"{field}-{row}"] = _told(error)
            if field == "share":
                break  # what follows is compared with it
        found.append(stage)
    if not found and not wrong:
        wrong["share-0"] = "A takeover has a stage at least: write its share, like 1 %."
    return tuple(found)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise Invalid(f"{text!r} is no number.", remedy="Write it in digits, like 100; 0 waits for none.")
    return int(text)


def _told(error: Invalid) -> str:
    return " ".join(part for part in (error.message, error.remedy) if part)
