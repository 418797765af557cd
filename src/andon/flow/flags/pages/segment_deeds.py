"""What the forms of segments do."""

from __future__ import annotations

from collections.abc import Callable

from andon.flow.flags.desk import Desk
from andon.flow.flags.pages.deeds import base_of
from andon.flow.flags.pages.segments import draw_segment, draw_segments, segment_address
from andon.flow.flags.pages.written import lines_of, read_yaml
from andon.flow.flags.views.settings import ConditionShape
from andon.kernel.db import Transaction
from andon.kernel.errors import Conflict, Invalid
from andon.web.http.pages import Handlers, Html, PageContext, deed

_SEGMENT = "/segments/{segment:str}"


def segment_deeds(desk: Desk) -> Handlers:
    def made(context: PageContext, segment: str, form: str, making: Callable[[Transaction], object]) -> Html:
        """Do it and show the segment; what is wrong is shown where it was written."""
        with context.database.reading() as reading:
            desk.segments.get(reading, context.principal, segment)  # not seen is not there, whatever the form holds
        try:
            with context.database.transaction() as tx:
                making(tx)
        except (Invalid, Conflict) as error:
            return draw_segment(desk, context, segment, wrong=error, form=form)
        return context.go(segment_address(segment))

    @deed("/segments")
    def create_segment(context: PageContext) -> Html:
        name, service = context.required("name"), context.required("service")
        try:
            with context.database.transaction() as tx:
                owner = desk.known(tx, context.principal, service)
                description = context.form.get("description", "").strip()
                desk.segments.put(tx, context.principal, owner, name, when=(), description=description, base=0)
        except (Invalid, Conflict) as error:
            return draw_segments(desk, context, error)
        return context.go(segment_address(name))

    @deed(f"{_SEGMENT}/conditions")
    def set_conditions(context: PageContext, segment: str) -> Html:
        def making(tx: Transaction) -> None:
            text = context.form.get("when", "")
            found = read_yaml(text, list[list[ConditionShape]], "list of lists of conditions") if text.strip() else []
            desk.segments.put(
                tx,
                context.principal,
                desk.segments.get(tx, context.principal, segment).service,
                segment,
                when=tuple(tuple(one.meant() for one in every) for every in found),
                description=context.form.get("description", "").strip(),
                base=base_of(context),
                why=_why(context),
            )

        return made(context, segment, "conditions", making)

    @deed(f"{_SEGMENT}/add")
    def add_members(context: PageContext, segment: str) -> Html:
        def making(tx: Transaction) -> None:
            found = _some(context)
            desk.segments.change_members(tx, context.principal, segment, add=found, remove=(), why=_why(context))

        return made(context, segment, "add", making)

    @deed(f"{_SEGMENT}/drop")
    def drop_members(context: PageContext, segment: str) -> Html:
        def making(tx: Transaction) -> None:
            found = _some(context)
            desk.segments.change_members(tx, context.principal, segment, add=(), remove=found, why=_why(context))

        return made(context, segment, "drop", making)

    @deed(f"{_SEGMENT}/exchange")
    def exchange_members(context: PageContext, segment: str) -> Html:
        def making(tx: Transaction) -> None:
            found = _some(context)
            number = desk.segments.begin_upload(tx, context.principal, segment)
            desk.segments.upload(tx, context.principal, segment, number, found)
            desk.segments.complete_upload(tx, context.principal, segment, number, why=_why(context))

        return made(context, segment, "exchange", making)

    @deed(f"{_SEGMENT}/remove")
    def remove_segment(context: PageContext, segment: str) -> Html:
        with context.database.transaction() as tx:
            desk.segments.get(tx, context.principal, segment)
            if context.form.get("confirm") != segment:
                raise Invalid(
                    f"Type {segment} to delete it.", safe="Nothing was changed.", remedy="Go back and type it."
                )
            desk.segments.remove(tx, context.principal, segment)
        return context.go("/segments")

    return [create_segment, set_conditions, add_members, drop_members, exchange_members, remove_segment]


def _why(context: PageContext) -> str:
    return context.form.get("why", "")


def _some(context: PageContext) -> list[str]:
    """Raises ``Invalid`` when nobody was written."""
    found = lines_of(context.form.get("members", ""))
    if not found:
        raise Invalid("Nobody is named.", safe="Nothing was changed.", remedy="Write one member a line.")
    return found
