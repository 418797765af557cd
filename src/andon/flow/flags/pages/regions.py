"""The parts of a flag's page that are drawn anew by themselves, each at an address of its own."""

from __future__ import annotations

from andon.flow.flags.desk import Desk
from andon.flow.flags.model.flag import StoredFlag, StoredSetting
from andon.flow.flags.pages.drawing import flag_address, standing, waiting
from andon.flow.flags.pages.looking import HISTORY, said_of, versions_of
from andon.flow.flags.pages.served import USUAL, served_view
from andon.flow.sources.contract import Service
from andon.kernel.access import Permission
from andon.kernel.db import Reading
from andon.kernel.errors import NotFound
from andon.kernel.events import Facets
from andon.kernel.events import page as record
from andon.web.http.pages import Handlers, Html, PageContext, page

_FLAG = "/flags/{service:str}/{flag:str}"


def region_pages(desk: Desk) -> Handlers:
    def known(reading: Reading, context: PageContext, service: str, flag: str) -> tuple[Service, StoredFlag]:
        owner = desk.known(reading, context.principal, service)
        return owner, desk.flags.get(reading, context.principal, owner, flag)

    def setting(reading: Reading, found: StoredFlag, environment: str) -> StoredSetting:
        if environment not in desk.flags.environments(reading, found.service):
            raise NotFound(f"{found.service} has no environment {environment[:80]!r}.")
        return desk.flags.settings_in(reading, found, (environment,))[0]

    @page(f"{_FLAG}/sentence")
    def flag_sentence(context: PageContext, service: str, flag: str) -> Html:
        with context.database.reading() as reading:
            owner, found = known(reading, context, service, flag)
            settings = desk.flags.settings_in(reading, found, desk.flags.environments(reading, owner))
            stands = [standing(desk, reading, context.principal, found, one) for one in settings]
        address = flag_address(owner, flag)
        return context.part("flags/sentence.html", flag=found, where=said_of(stands), address=address)

    @page(f"{_FLAG}/waiting")
    def flag_waiting(context: PageContext, service: str, flag: str) -> Html:
        with context.database.reading() as reading:
            owner, found = known(reading, context, service, flag)
            waits = desk.flags.proposals(reading, context.principal, flag=found)
            shapes = desk.proposals(reading, waits)
        listed = waiting(context.principal, shapes, {one.id: one.person for one in waits})
        return context.part("flags/flag_waiting.html", flag=found, waiting=listed, address=flag_address(owner, flag))

    @page(f"{_FLAG}/past")
    def flag_past(context: PageContext, service: str, flag: str) -> Html:
        with context.database.reading() as reading:
            owner, found = known(reading, context, service, flag)
            versions = desk.authors(reading, desk.flags.history(reading, found, limit=HISTORY))
        may = context.principal.may(Permission.RELEASE, owner) and found.archived_at is None
        address = flag_address(owner, flag)
        listed = versions_of(address, versions, may=may)
        return context.part("flags/past.html", flag=found, versions=listed, address=address)

    @page(f"{_FLAG}/record")
    def flag_record(context: PageContext, service: str, flag: str) -> Html:
        with context.database.reading() as reading:
            owner, found = known(reading, context, service, flag)
            facets = Facets(subject=f"flag:{flag}", service=owner, sight=context.principal.sight())
            lines = context.told(reading, record(reading, facets, limit=HISTORY))
        return context.part("flags/record.html", flag=found, lines=lines, address=flag_address(owner, flag))

    @page(f"{_FLAG}/code")
    def flag_code(context: PageContext, service: str, flag: str) -> Html:
        with context.database.reading() as reading:
            owner, found = known(reading, context, service, flag)
        named = desk.references(context.database, context.principal, service, flag)
        return context.part("flags/code.html", flag=found, named=named, address=flag_address(owner, flag))

    @page(f"{_FLAG}/{{environment:str}}/now")
    def flag_now(context: PageContext, service: str, flag: str, environment: str) -> Html:
        with context.database.reading() as reading:
            _, found = known(reading, context, service, flag)
            one = standing(desk, reading, context.principal, found, setting(reading, found, environment))
        return context.part("flags/standing.html", flag=found, one=one)

    @page(f"{_FLAG}/{{environment:str}}/served")
    def flag_served(context: PageContext, service: str, flag: str, environment: str) -> Html:
        with context.database.reading() as reading:
            _, found = known(reading, context, service, flag)
            there = setting(reading, found, environment)
            one = standing(desk, reading, context.principal, found, there)
            now = reading.now
        over = context.query.get("over", USUAL)
        view = served_view(desk, found, environment, there.setting.off, f"{one.address}/served", over, now)
        return context.part("flags/served.html", view=view, over=over)

    return [flag_sentence, flag_waiting, flag_past, flag_record, flag_code, flag_now, flag_served]
