"""The verdict on a ramp in the console, and what can be asked of the ramp there."""

from __future__ import annotations

from andon.feedback.ramps.drawing import Shown, shown
from andon.feedback.ramps.service import RampWatch
from andon.flow.flags.contract import Flags, RampId, RampWish, hands_of
from andon.kernel.access.contract import People
from andon.kernel.errors import Invalid
from andon.web.http.pages import Handlers, Html, PageContext, deed, page
from andon.web.shell import Crumb, Page


def ramp_pages(watch: RampWatch, flags: Flags, people: People) -> Handlers:
    def looked_up(context: PageContext, ramp: str) -> Shown:
        with context.database.reading() as reading:
            one = flags.ramp_seen(reading, context.principal, RampId(ramp))
            found = watch.found(reading, one.id)
            names = people.names(reading, [one.paused_by] if one.paused_by else [])
        return shown(
            one,
            said=one.said if found is None or not one.state.ended else found.sentence,
            metrics=() if found is None else found.metrics,
            requests=0 if found is None else found.requests,
            failed=0 if found is None else found.failed,
            at=None if found is None else found.at,
            paused_by=next(iter(names.values()), ""),
            hands=hands_of(one, context.principal),
        )

    @page("/ramps/{ramp:str}")
    def show_ramp(context: PageContext, ramp: str) -> Html:
        one = looked_up(context, ramp)
        crumbs = (Crumb("Flags", "/flags"), Crumb(one.ramp.flag, one.flag))
        shell = Page(
            title=f"Ramp of {one.ramp.flag}", sentence=one.sentence, crumbs=crumbs, state=one.state, word=one.ramp.state
        )
        return context.page("ramps/ramp.html", shell, one=one)

    @page("/ramps/{ramp:str}/now")
    def show_ramp_now(context: PageContext, ramp: str) -> Html:
        return context.part("ramps/now.html", one=looked_up(context, ramp))

    @deed("/ramps/{ramp:str}/wish")
    def ask_ramp(context: PageContext, ramp: str) -> Html:
        try:
            wish = RampWish(context.required("wish"))
        except ValueError:
            raise Invalid("That cannot be asked of a ramp.", safe="Nothing was changed.") from None
        step, why = context.form.get("step", ""), context.form.get("why", "")
        with context.database.transaction() as tx:
            flags.ask_ramp(
                tx, context.principal, RampId(ramp), wish, step=int(step) if step in _STEPS else None, why=why
            )
        return context.go(f"/ramps/{ramp}")

    return [show_ramp, show_ramp_now, ask_ramp]


_STEPS = frozenset(str(number) for number in range(100))
"""More than a ramp has."""
