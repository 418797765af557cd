"""The API of judged ramps."""

from __future__ import annotations

from andon.feedback.ramps.service import RampWatch
from andon.feedback.ramps.views import RampMetric, RampVerdict
from andon.flow.flags.contract import Flags, RampId
from andon.web.http import api
from andon.web.http.api import Call, Handlers


def ramp_routes(watch: RampWatch, flags: Flags) -> Handlers:
    @api.get("/flags/ramps/{ramp:str}/verdict")
    def show_ramp_verdict(call: Call, ramp: str) -> RampVerdict:
        """What the judge says of a ramp: those who get the variant beside those who do not, metric by metric."""
        with call.database.reading() as reading:
            one = flags.ramp_seen(reading, call.principal, RampId(ramp))
            found = watch.found(reading, one.id)
        if found is None:
            return RampVerdict(
                ramp=one.id,
                flag=one.flag,
                variant=one.variant,
                judged=one.judged,
                step=one.step,
                verdict=None,
                sentence=one.said,
                requests=0,
                failed=0,
                at=None,
                metrics=[],
            )
        names = RampMetric.__struct_fields__
        return RampVerdict(
            ramp=one.id,
            flag=one.flag,
            variant=one.variant,
            judged=one.judged,
            step=found.step,
            verdict=found.verdict,
            sentence=found.sentence,
            requests=found.requests,
            failed=found.failed,
            at=found.at,
            metrics=[RampMetric(**{name: getattr(each, name) for name in names}) for each in found.metrics],
        )

    return [show_ramp_verdict]
