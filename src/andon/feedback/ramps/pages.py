"""The verdict on a ramp in the console."""

from __future__ import annotations

from andon.feedback.ramps.drawing import Shown, shown
from andon.feedback.ramps.service import RampWatch
from andon.flow.flags.contract import Flags, RampId
from andon.web.http.pages import Handlers, Html, PageContext, page
from andon.web.shell import Crumb, Page


def ramp_pages(watch: RampWatch, flags: Flags) -> Handlers:
    def looked_up(context: PageContext, ramp: str) -> Shown:
        with context.database.reading() as reading:
            one = flags.ramp_seen(reading, context.principal, RampId(ramp))
            found = watch.found(reading, one.id)
        return shown(
            one,
            said=one.said if found is None or not one.state.ended else found.sentence,
            metrics=() if found is None else found.metrics,
            requests=0 if found is None else found.requests,
            failed=0 if found is None else found.failed,
            at=None if found is None else found.at,
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

    return [show_ramp, show_ramp_now]
