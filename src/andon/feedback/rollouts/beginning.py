"""A takeover is begun in the console: asked for, looked at, and then begun."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlencode

from andon.feedback.rollouts.foretelling import Foretelling
from andon.feedback.rollouts.model.expecting import Foreseen
from andon.feedback.rollouts.model.takeovers import TakeoverStage
from andon.feedback.rollouts.service.saying import may_begin
from andon.feedback.rollouts.service.takeovers import TakeoverService, Wanted
from andon.feedback.rollouts.telling import address
from andon.feedback.rollouts.written import Written, read
from andon.flow.definition.contract import share_text
from andon.flow.routing.contract.offering import Offered
from andon.flow.sources.contract import Service
from andon.kernel.access import Permission, Principal
from andon.kernel.errors import AndonError, Conflict, Invalid
from andon.web.http.pages import Handlers, Html, PageContext, deed, page
from andon.web.shell import Crumb, Page

FORM = "/rollouts/takeover"
_CRUMBS = (Crumb("Rollouts", "/rollouts"),)


class Step(StrEnum):
    """What a button of the form asks for."""

    LOOK = "look"
    CHANGE = "change"
    """Back to the fields, with what is in them."""
    BEGIN = "begin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """A takeover that has not begun."""

    wanted: Wanted
    asked: str
    """Which requests, for people."""
    stages: tuple[tuple[str, TakeoverStage], ...]
    """Each with its share."""
    seconds: float
    """What all stages last for at least."""
    foreseen: Foreseen

    @property
    def giver(self) -> str:
        return f"{self.wanted.service}/{self.wanted.environment}"

    @property
    def taker(self) -> str:
        return f"{self.wanted.to}/{self.wanted.to_environment}"

    @classmethod
    def of(cls, wanted: Wanted, foreseen: Foreseen) -> Ahead:
        return cls(
            wanted=wanted,
            asked=wanted.takeover.asked,
            stages=tuple((share_text(one.parts), one) for one in wanted.stages),
            seconds=sum(one.seconds for one in wanted.stages),
            foreseen=foreseen,
        )


def form_of(service: str, environment: str) -> str:
    """The address of the form for what an environment serves."""
    return f"{FORM}?{urlencode({'of': service, 'environment': environment})}"


def takeover_offer(principal: Principal, service: Service, environment: str) -> Offered | None:
    """On the page of an environment's traffic, for whoever may give some of it away."""
    if not principal.may(Permission.RELEASE, service, environment):
        return None
    return Offered("Begin a takeover", form_of(service, environment))


def beginning_pages(takeovers: TakeoverService, foretelling: Foretelling) -> Handlers:
    def form(
        context: PageContext,
        written: Written,
        wrong: Mapping[str, str] | None = None,
        error: AndonError | None = None,
        status: int = 200,
    ) -> Html:
        with context.database.reading() as reading:
            places = [f"{service}/{name}" for service, name in takeovers.places(reading, context.principal)]
        return context.page(
            "rollouts/takeover.html",
            Page(
                title="Begin a takeover",
                sentence="Let another service take over some requests",
                lede="It gets a few of them first, is compared with the service that had them, and loses them if it "
                "does worse. Before it begins you see what the comparison could find.",
                crumbs=_CRUMBS,
            ),
            status=status,
            places=places,
            written=written,
            wrong=wrong or {},
            error=error,
        )

    def look(context: PageContext, wanted: Wanted, written: Written) -> Html:
        with context.database.reading() as reading:
            takeovers.check(reading, context.principal, wanted)
        ahead = Ahead.of(wanted, foretelling.of(wanted))
        return context.page(
            "rollouts/takeover_ahead.html",
            Page(
                title="Begin a takeover",
                sentence=f"{ahead.taker} would take over {ahead.asked} of {ahead.giver}",
                lede="Nothing has been changed yet.",
                crumbs=(*_CRUMBS, Crumb("Begin a takeover", form_of(wanted.service, wanted.environment))),
            ),
            ahead=ahead,
            fields=written.fields,
        )

    def begin(context: PageContext, wanted: Wanted) -> Html:
        foreseen = foretelling.of(wanted)
        with context.database.transaction() as tx:
            begun = takeovers.begin(tx, context.principal, wanted, foreseen)
        return context.go(address(begun.id))

    @page(FORM)
    def ask(context: PageContext) -> Html:
        _require_any(context.principal)
        service, environment = context.query.get("of", ""), context.query.get("environment", "")
        if service:
            context.principal.require_sight(service)
        if service and environment:
            context.principal.require(Permission.RELEASE, service, environment)
        return form(context, Written(giver=f"{service}/{environment}" if service and environment else "", taker=""))

    @deed(FORM)
    def take(context: PageContext) -> Html:
        _require_any(context.principal)
        try:
            step = Step(context.form.get("step", Step.LOOK.value))
        except ValueError:
            raise Invalid("That cannot be done with a takeover.", safe="Nothing was changed.") from None
        written = Written.of(context.form)
        found = read(written)
        if step is Step.CHANGE:
            return form(context, written)
        if found.wanted is None:
            return form(context, written, found.wrong, status=Invalid.status)
        takeovers.require(context.principal, found.wanted)
        try:
            return begin(context, found.wanted) if step is Step.BEGIN else look(context, found.wanted, written)
        except (Invalid, Conflict) as error:
            return form(context, written, error=error, status=error.status)

    return [ask, take]


def _require_any(principal: Principal) -> None:
    """Raises ``Forbidden`` for somebody who may not begin one anywhere."""
    if not may_begin(principal):
        principal.require(Permission.RELEASE)
