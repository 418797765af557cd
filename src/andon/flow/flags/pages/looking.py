"""Flags: all services', one service's, one; and why somebody gets what they get."""

from __future__ import annotations

import msgspec

from andon.flow.flags.desk import Desk
from andon.flow.flags.model.flag import StoredFlag, Version
from andon.flow.flags.model.pretending import pretends_words
from andon.flow.flags.pages.drawing import (
    Asked,
    Row,
    Standing,
    facts_of,
    flag_address,
    links_of,
    row,
    standing,
    waiting,
)
from andon.flow.flags.pages.segment_waiting import waiting_segments
from andon.flow.flags.pages.served import USUAL, served_view
from andon.flow.flags.pages.written import write_yaml
from andon.flow.flags.views.settings import SettingShape
from andon.flow.sources.contract import Service
from andon.kernel.access import Permission
from andon.kernel.db import Reading
from andon.kernel.errors import Invalid
from andon.kernel.events import Facets
from andon.kernel.events import page as record
from andon.web.http.pages import Handlers, Html, PageContext, page
from andon.web.shell import Action, Crumb, Page

HISTORY = 30


def flag_pages(desk: Desk) -> Handlers:
    @page("/flags")
    def flags(context: PageContext) -> Html:
        visible = context.principal.visible_services()
        with context.database.reading() as reading:
            counts = desk.flags.counts(reading, context.principal)
            services = [one for one in desk.sources.services(reading) if visible is None or one in visible]
            sections = [
                {
                    "service": name,
                    "href": flag_address(name),
                    "rows": _rows(desk, reading, name, archived=False),
                    "pretends": [
                        (place, pretends_words(one)) for place, one in desk.flags.pretences(reading, name).items()
                    ],
                }
                for name in services
                if counts.get(name)
            ]
            found = desk.flags.proposals(reading, context.principal)
            shapes = desk.proposals(reading, found)
            segments = waiting_segments(desk, reading, context.principal)
        total = sum(counts.values())
        said = f"{total} {'flag' if total == 1 else 'flags'}" if total else "No flag yet"
        number = len(found) + len(segments)
        waits = f"; {number} {'change waits' if number == 1 else 'changes wait'} for a second person"
        return context.page(
            "flags/flags.html",
            Page(title="Flags", sentence=f"{said}{waits if number else ''}", lede="Who gets what, without deploying."),
            sections=sections,
            waiting=waiting(context.principal, shapes, {one.id: one.person for one in found}),
            segments_waiting=segments,
            first=services[0] if services else "",
        )

    @page("/flags/{service:str}")
    def service_flags(context: PageContext, service: str) -> Html:
        archived = context.query.get("archived") == "yes"
        with context.database.reading() as reading:
            owner = desk.known(reading, context.principal, service)
            rows = _rows(desk, reading, owner, archived=archived)
            unknown = desk.unknown(reading, owner)
            found = desk.flags.proposals(reading, context.principal, service=owner)
            shapes = desk.proposals(reading, found)
            segments = waiting_segments(desk, reading, context.principal, service=owner)
            pretends = [(name, pretends_words(one)) for name, one in desk.flags.pretences(reading, owner).items()]
        live = sum(not one.archived for one in rows)
        return context.page(
            "flags/service.html",
            Page(
                title=f"Flags of {owner}",
                sentence=f"{owner} has {live or 'no'} {'flag' if live == 1 else 'flags'}",
                crumbs=(Crumb("Flags", "/flags"),),
            ),
            service=owner,
            address=flag_address(owner),
            rows=rows,
            unknown=unknown,
            pretends=pretends,
            archived=archived,
            waiting=waiting(context.principal, shapes, {one.id: one.person for one in found}),
            segments_waiting=segments,
            may=context.principal.may(Permission.RELEASE, owner),
        )

    @page("/flags/{service:str}/{flag:str}")
    def one_flag(context: PageContext, service: str, flag: str) -> Html:
        return draw_flag(desk, context, service, flag)

    return [flags, service_flags, one_flag]


def _rows(desk: Desk, reading: Reading, service: Service, *, archived: bool) -> list[Row]:
    names = desk.flags.environments(reading, service)
    found = desk.flags.all_of(reading, service, archived=archived)
    return [row(*one) for one in desk.flags.settings_of_all(reading, found, service, names)]


def draw_flag(
    desk: Desk, context: PageContext, service: str, flag: str, *, wrong: dict[str, str] | None = None, status: int = 200
) -> Html:
    """``wrong`` has the environment whose form is wrong, what was written in it, and why."""
    with context.database.reading() as reading:
        owner = desk.known(reading, context.principal, service)
        found = desk.flags.get(reading, context.principal, owner, flag)
        names = desk.flags.environments(reading, owner)
        settings = desk.flags.settings_in(reading, found, names)
        stands = [standing(desk, reading, context.principal, found, one) for one in settings]
        waits = desk.flags.proposals(reading, context.principal, flag=found)
        shapes = desk.proposals(reading, waits)
        asked = desk.flags.asked_for(reading, owner).get(flag, {})
        asked_by = desk.flags.asked_by(reading, found)
        facets = Facets(subject=f"flag:{flag}", service=owner, sight=context.principal.sight())
        lines = context.told(reading, record(reading, facets, limit=HISTORY))
        now = reading.now
        versions = desk.authors(reading, desk.flags.history(reading, found, limit=HISTORY))
        tested, trouble = _tested(desk, reading, context, found, [one.environment for one in settings])
    address = flag_address(owner, flag)
    chosen = context.query.get("in", stands[-1].environment if stands else "")
    where = said_of(stands)
    archived = found.archived_at is not None
    over = context.query.get("over", USUAL)
    offs = {one.environment: one.setting.off for one in settings}
    named = desk.references(context.database, context.principal, service, flag, look="code" in context.query)
    may = context.principal.may(Permission.RELEASE, owner)
    archive = Action(
        f"Archive {flag}",
        f"{address}/archive",
        kind="danger",
        confirm=flag,
        warning="It leaves all documents: programs that still ask get the default in their code.",
    )
    return context.page(
        "flags/flag.html",
        Page(
            title=f"{flag} of {owner}",
            sentence=sentence_of(found, where),
            lede=found.head.description,
            crumbs=(Crumb("Flags", "/flags"), Crumb(owner, flag_address(owner))),
        ),
        status=status,
        flag=found,
        where=where,
        address=address,
        links=links_of(found),
        stands=stands,
        served={
            one.environment: served_view(
                desk, found, one.environment, offs[one.environment], f"{one.address}/served", over, now
            )
            for one in stands
        },
        over=over,
        named=named,
        facts=facts_of(found, asked_by, asked),
        waiting=waiting(context.principal, shapes, {one.id: one.person for one in waits}),
        lines=lines,
        versions=versions_of(address, versions, may=may and not archived),
        tested=tested,
        trouble=trouble,
        who=context.query.get("who", ""),
        attributes=context.query.get("attributes", ""),
        chosen=chosen,
        archive=None if archived or not may or found.origin.value == "code" else archive,
        bring_back=Action(f"Restore {flag}", f"{address}/unarchive", kind="primary") if archived and may else None,
        wrong=wrong or {},
        settings={one.environment: dumped(SettingShape.of(one.setting)) for one in settings},
    )


def said_of(stands: list[Standing]) -> Standing | None:
    """The environment that the page's sentence is about."""
    return next((one for one in stands if one.environment == "production"), stands[-1] if stands else None)


def sentence_of(flag: StoredFlag, where: Standing | None) -> str:
    if flag.archived_at is not None:
        return f"{flag.name} is archived"
    return flag.name if where is None else f"{flag.name} in {where.environment}: {where.sentence}"


def versions_of(address: str, found: list[tuple[Version, str]], *, may: bool) -> list[dict[str, object]]:
    listed: list[dict[str, object]] = []
    newest: set[str] = set()
    for version, who in found:
        environment = version.environment
        number = version.number
        back = None
        if environment and environment in newest and may:
            back = Action(
                "Restore",
                f"{address}/{environment}/restore",
                hidden=(("version", str(number)),),
                icon="back",
                spoken=f"Restore version {number} of {environment}",
            )
        newest.add(environment)
        listed.append({"version": version, "who": who, "back": back, "where": environment or "everywhere"})
    return listed


def _tested(
    desk: Desk, reading: Reading, context: PageContext, flag: StoredFlag, environments: list[str]
) -> tuple[Asked | None, str]:
    """What the tester was asked, and what is wrong with the question."""
    if "who" not in context.query and "attributes" not in context.query:
        return None, ""
    place = context.query.get("in", "")
    if place not in environments:
        return None, "Choose an environment."
    try:
        told = attributes_of(context.query.get("attributes", ""))
    except Invalid as error:
        return None, error.message
    if who := context.query.get("who", "").strip():
        told["targetingKey"] = who
    explanation = desk.why(reading, flag, place, told, None)
    return Asked(explanation, msgspec.json.encode(explanation.value).decode()), ""


def attributes_of(text: str) -> dict[str, object]:
    """``country=CH, age=42`` as a context; values are JSON where they are such. Raises ``Invalid``."""
    found: dict[str, object] = {}
    for one in text.replace("\n", ",").split(","):
        name, is_pair, value = one.strip().partition("=")
        if not one.strip():
            continue
        if not is_pair or not name.strip():
            raise Invalid(f"{one.strip()[:60]!r} is no NAME=VALUE.", remedy="Write country=CH, age=42.")
        try:
            found[name.strip()] = msgspec.json.decode(value.strip().encode())
        except msgspec.DecodeError:
            found[name.strip()] = value.strip()
    return found


def dumped(shape: SettingShape) -> str:
    """A setting as somebody edits it; what is as it is anyway is left out."""
    built = msgspec.to_builtins(shape)
    usual = msgspec.to_builtins(SettingShape(default=""))
    kept = {name: value for name, value in built.items() if name in {"default", "off"} or value != usual.get(name)}
    kept.pop("enabled", None)
    return write_yaml(kept)
