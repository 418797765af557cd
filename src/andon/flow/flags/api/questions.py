"""What there is, who gets what, and why."""

from __future__ import annotations

from typing import Annotated

from litestar.params import Parameter

from andon.flow.flags.desk import Desk
from andon.flow.flags.views.answers import (
    AskedShape,
    FlagDetails,
    FlagList,
    History,
    Proposals,
    ReferenceShape,
    Stale,
    StaleFlag,
    StepTold,
    VersionShape,
    Why,
)
from andon.flow.flags.views.asking import Whom
from andon.flow.flags.views.settings import FlagHead
from andon.kernel.errors import Invalid
from andon.web.http import api
from andon.web.http.api import Call, Handlers

_MOST_ATTRIBUTES = 200
_Limit = Annotated[int, Parameter(ge=1, le=500)]


def question_routes(desk: Desk) -> Handlers:
    @api.get("/services/{service:str}/flags")
    def list_flags(call: Call, service: str, archived: bool = False) -> FlagList:
        """A service's flags, each with who gets what in every environment."""
        with call.database.reading() as reading:
            owner = desk.known(reading, call.principal, service)
            found = desk.flags.all(reading, call.principal, owner, archived=archived)
            return FlagList(
                service=owner, flags=desk.shapes(reading, owner, found), unknown=desk.unknown(reading, owner)
            )

    @api.get("/services/{service:str}/flags/{flag:str}")
    def show_flag(call: Call, service: str, flag: str) -> FlagDetails:
        """One flag: who gets what, who asks for it, what waits and what is under way."""
        with call.database.reading() as reading:
            owner = desk.known(reading, call.principal, service)
            found = desk.flags.get(reading, call.principal, owner, flag)
            asked = desk.flags.asked_for(reading, owner).get(flag, {})
            waiting = desk.flags.proposals(reading, call.principal, flag=found)
            return FlagDetails(
                flag=desk.shapes(reading, owner, [found])[0],
                head=FlagHead.of(found.head),
                head_version=found.head_version,
                asked_by=sorted(desk.flags.asked_by(reading, found)),
                asked=[AskedShape(environment=name, times=times, last_at=at) for name, (times, at) in asked.items()],
                ramps=desk.ramp_shapes(reading, desk.flags.ramps_of(reading, found)),
                proposals=desk.proposals(reading, waiting),
            )

    @api.get("/services/{service:str}/flags/{flag:str}/history")
    def flag_history(
        call: Call, service: str, flag: str, environment: str | None = None, limit: _Limit = 100
    ) -> History:
        """Every version, newest first: what has changed, by whom, why."""
        with call.database.reading() as reading:
            owner = desk.known(reading, call.principal, service)
            found = desk.flags.get(reading, call.principal, owner, flag)
            versions = desk.flags.history(reading, found, environment, limit=limit)
            return History(versions=[VersionShape.of(one, who) for one, who in desk.authors(reading, versions)])

    @api.post("/services/{service:str}/flags/{flag:str}/why")
    def why_flag(call: Call, service: str, flag: str, data: Whom) -> Why:
        """Why somebody gets what they get, step by step. Changes nothing."""
        if len(data.attributes) > _MOST_ATTRIBUTES:
            raise Invalid(f"A context has at most {_MOST_ATTRIBUTES} attributes.", remedy="Leave some out.")
        with call.database.reading() as reading:
            owner = desk.known(reading, call.principal, service)
            found = desk.flags.get(reading, call.principal, owner, flag)
            told = desk.why(reading, found, data.environment, data.attributes, data.at)
        return Why(
            flag=flag,
            environment=data.environment,
            revision=told.revision,
            variant=told.variant,
            value=told.value,
            reason=told.reason.value,
            rule=told.rule,
            error=None if told.error is None else told.error.value,
            steps=[StepTold(asked=one.asked.value, says=one.says, held=one.held, deep=one.deep) for one in told.steps],
        )

    @api.get("/flags/proposals")
    def list_flag_proposals(call: Call, service: str | None = None) -> Proposals:
        """Changes of flags and of segments that wait for a second person, newest first."""
        call.principal.require_reading()
        with call.database.reading() as reading:
            owner = None if service is None else desk.known(reading, call.principal, service)
            found = desk.flags.proposals(reading, call.principal, service=owner)
            waiting = desk.segment_proposals(reading, call.principal, service=owner)
            return Proposals(proposals=desk.proposals(reading, found), segments=[shape for _, shape in waiting])

    @api.get("/services/{service:str}/stale-flags")
    def stale_flags(call: Call, service: str) -> Stale:
        """Flags that have done their work, with the lines of the default branch that name them."""
        found = desk.stale(call.database, call.principal, service)
        return Stale(
            service=service,
            commit=found.commit,
            default_branch=found.branch,
            complete=found.complete,
            flags=[
                StaleFlag(
                    flag=one.flag.name,
                    why=list(one.why),
                    keep=one.keep,
                    value=one.value,
                    proposal=one.proposal,
                    references=[ReferenceShape(path=it.path, line=it.line, text=it.text) for it in one.references],
                )
                for one in found.findings
            ],
        )

    return [list_flags, show_flag, flag_history, why_flag, list_flag_proposals, stale_flags]
