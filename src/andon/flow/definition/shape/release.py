"""How a version comes to its traffic, and what changing a flag takes."""

from __future__ import annotations

from collections.abc import Mapping

from andon.flow.definition.contract import (
    Audience,
    FlagPolicy,
    Harm,
    HttpMethod,
    Ignored,
    MirrorDefinition,
    MirrorStep,
    ReleaseDefinition,
    ReleaseStage,
    Sticky,
    Strategy,
    Unit,
    Varying,
)
from andon.flow.definition.kinds import (
    Choice,
    Field,
    ListOf,
    Percent,
    Record,
    TableOf,
    Text,
    Truth,
    Values,
    Verbatim,
    Whole,
    duration,
)
from andon.flow.definition.shape.stages import DAY
from andon.flow.definition.shape.texts import (
    COOKIE,
    HEADER,
    JSON_FIELD,
    METRIC,
    RELEASE_STAGE,
    SEGMENT,
    USER_COOKIE,
    USER_HEADER,
)

_STAGE = ReleaseStage(name="")
_MIRROR = MirrorDefinition(parts=1)
_RELEASE = ReleaseDefinition()

HEADER_FIELD: Field[str | None] = Field("header", HEADER, "A header of the request.", None)
COOKIE_FIELD: Field[str | None] = Field("cookie", COOKIE, "A cookie of the request.", None)
IS: Field[str | None] = Field(
    "is", Verbatim(), "What it has to say, to the letter.", None, shown_default="anything, as long as it is there"
)
SEGMENT_FIELD: Field[str | None] = Field(
    "segment",
    SEGMENT,
    "The members of a segment of flags that has at most 1,000 of them, and no conditions. A change of it is followed "
    "within seconds. Who sends a request, `unit` tells.",
    None,
)


def _audience(_name: str, values: Values) -> Audience:
    return Audience(
        header=values[HEADER_FIELD], cookie=values[COOKIE_FIELD], value=values[IS], segment=values[SEGMENT_FIELD]
    )


AUDIENCE = Record(
    "an audience",
    "Who gets the new version whatever the share: requests with this header, or with this cookie, or of the members "
    "of a segment.",
    (HEADER_FIELD, COOKIE_FIELD, IS, SEGMENT_FIELD),
    _audience,
    together=(("header", "cookie", "segment"),),
    one_of=("header", "cookie", "segment"),
    excludes=(("segment", ("is",)),),
)

UNIT_HEADER: Field[str | None] = Field("header", USER_HEADER, "A header that holds who it is.", None)
UNIT_COOKIE: Field[str | None] = Field("cookie", USER_COOKIE, "A cookie that holds who it is.", None)


def _unit(_name: str, values: Values) -> Unit:
    return Unit(header=values[UNIT_HEADER], cookie=values[UNIT_COOKIE])


UNIT = Record(
    "a unit of a release",
    "By what the service knows who sends a request: a cookie or header with the same words as the members of the "
    "segment, to the letter. The router believes it: a cookie that visitors can write themselves keeps nobody out.",
    (UNIT_COOKIE, UNIT_HEADER),
    _unit,
    together=(("cookie", "header"),),
    one_of=("cookie", "header"),
)

SHARE: Field[int | None] = Field(
    "share",
    Percent("5%"),
    "How much of all traffic goes to the new version. A customer who has it keeps it as the share grows.",
    None,
    shown_default="as in the stage before",
)
TO: Field[Audience | None] = Field("to", AUDIENCE, "Who gets the new version as well, from this stage on.", None)
FOR = Field("for", duration(1, 30 * DAY, "10m"), "How long the stage lasts at least.", _STAGE.seconds)
REQUESTS = Field(
    "requests",
    Whole(0, 1_000_000_000, 500),
    "How many requests the new version must have served in this stage at least, before the next.",
    _STAGE.requests,
)


def _stage(name: str, values: Values) -> ReleaseStage:
    return ReleaseStage(
        name=name, parts=values[SHARE], audience=values[TO], seconds=values[FOR], requests=values[REQUESTS]
    )


STAGE_OF_RELEASE = Record(
    "a stage of a release",
    "A step on the way to all customers. The next one begins when its time is over, enough was measured, and the new "
    "version does no worse than the old one beside it.",
    (SHARE, TO, FOR, REQUESTS),
    _stage,
    one_of=("share", "to"),
)

STEP_SHARE = Field(
    "share", Percent("10%"), "How many requests are sent to the new version as well.", _MIRROR.parts, required=True
)
MIRROR_SHARE: Field[int | None] = Field(
    "share", Percent("10%"), "How many requests are sent to the new version as well.", None, shown_default="none"
)
MIRROR_FOR = Field("for", duration(1, 90 * DAY, "1h"), "How long at least, before the first stage.", _MIRROR.seconds)
MIRROR_REQUESTS = Field(
    "requests",
    Whole(0, 1_000_000_000, 500),
    "How many requests both versions must have answered at least, before it goes on.",
    _MIRROR.requests,
)


def _step(name: str, values: Values) -> MirrorStep:
    return MirrorStep(name=name, parts=values[STEP_SHARE], seconds=values[MIRROR_FOR], requests=values[MIRROR_REQUESTS])


STEP_OF_MIRROR = Record(
    "a step of a mirror",
    "The next one begins when its time is over, enough was answered by both, and the new version does no worse.",
    (STEP_SHARE, MIRROR_FOR, MIRROR_REQUESTS),
    _step,
)
_NO_STEPS: Mapping[str, MirrorStep] = {}
STEPS = Field(
    "steps",
    TableOf(RELEASE_STAGE, STEP_OF_MIRROR, most=20),
    "Instead of one share: shares that grow, in the order of the file.",
    _NO_STEPS,
)
_IGNORED = Ignored()
IGNORED_FIELDS = Field(
    "fields",
    ListOf(JSON_FIELD, most=20),
    "Fields of JSON whose texts, numbers and truths are no difference, at whatever depth they stand. A field that "
    "holds a list or an object is compared all the same.",
    _IGNORED.fields,
)
IGNORED_VALUES = Field(
    "values",
    ListOf(
        Text(
            what="a kind of value",
            sample="uuid",
            pattern=f"^({'|'.join(Varying)})$",
            hint=lambda text: text.lower() if text.lower() in set(Varying) else None,
            limit=10,
        ),
    ),
    "Kinds of text that are no difference anywhere: `uuid`, `time` (with a date, as ISO 8601 writes it), `number` (any "
    "digits).",
    (),
)


def _ignored(_name: str, values: Values) -> Ignored:
    return Ignored(fields=values[IGNORED_FIELDS], values=tuple(map(Varying, values[IGNORED_VALUES])))


IGNORED = Record(
    "what is no difference",
    "Answers are compared without it. It is looked for in the first 64 kB of each, unless they are compressed.",
    (IGNORED_FIELDS, IGNORED_VALUES),
    _ignored,
    one_of=("fields", "values"),
)
IGNORE = Field("ignore", IGNORED, "What differs between two answers anyway.", _IGNORED, shown_default="nothing")
DIFFERING: Field[int | None] = Field(
    "differing",
    Percent("1%"),
    "How many of the requests of a step may be answered differently. With more of them it pauses, and only somebody "
    "lets it go on.",
    None,
    shown_default="told, and holds nothing up",
)
METHODS = Field(
    "methods",
    ListOf(
        Text(
            what="a method of HTTP",
            sample="GET",
            pattern=f"^({'|'.join(HttpMethod)})$",
            hint=lambda text: text.upper() if text.upper() in set(HttpMethod) else None,
            limit=7,
        ),
        least=1,
    ),
    "Which requests. One that changes something changes it twice, unless the new version is told to only read.",
    _MIRROR.methods,
)


def _mirror(_name: str, values: Values) -> MirrorDefinition:
    steps = tuple(values[STEPS].values())
    return MirrorDefinition(
        parts=steps[0].parts if steps else values[MIRROR_SHARE] or _MIRROR.parts,
        seconds=values[MIRROR_FOR],
        requests=values[MIRROR_REQUESTS],
        methods=values[METHODS],
        steps=steps,
        ignore=values[IGNORE],
        differing=values[DIFFERING],
    )


MIRROR = Record(
    "a mirror",
    "Dark launch: requests are sent to the new version as well, and its answers are compared and thrown away. "
    "They carry the header `andon-dark`.",
    (MIRROR_SHARE, MIRROR_FOR, MIRROR_REQUESTS, METHODS, STEPS, IGNORE, DIFFERING),
    _mirror,
    together=(("share", "steps"), ("for", "steps"), ("requests", "steps")),
    one_of=("share", "steps"),
)

_NO_STAGES: Mapping[str, ReleaseStage] = {}

STRATEGY = Field("strategy", Choice(Strategy), "All customers at once, or a few of them first.", _RELEASE.strategy)
STAGES = Field(
    "stages",
    TableOf(RELEASE_STAGE, STAGE_OF_RELEASE, most=20),
    "The way of a canary, in the order of the file. After the last one the rest follows.",
    _NO_STAGES,
    shown_default="`few: {share: 5%, for: 5m}`, then `half: {share: 50%, for: 5m}`",
)
STICKY = Field(
    "sticky",
    Choice(Sticky),
    "By what a customer is known, so that they stay with the version that they were given: a cookie of the router's, "
    "or nothing.",
    _RELEASE.sticky,
)
BASELINE = Field(
    "baseline",
    Truth(),
    "Whether fresh instances of the old version are started to compare with: both sides are then equally young.",
    _RELEASE.baseline,
)
UNIT_FIELD: Field[Unit | None] = Field(
    "unit", UNIT, "By what the members of a `segment` are known.", None, shown_default="none, and no stage names one"
)
MIRROR_FIELD: Field[MirrorDefinition | None] = Field(
    "mirror", MIRROR, "Send traffic to the new version and throw its answers away, before customers see any.", None
)
_WATCH: Mapping[str, Harm] = {}
WATCH = Field(
    "watch",
    TableOf(METRIC, Choice(Harm), most=50),
    "Metrics of the service that must not `fall`, `rise` or `change`. Errors, durations, memory, processors, the log "
    "and what `telemetry.business` names are watched without being named here; business metrics must not fall.",
    _WATCH,
)

USUAL_STAGES = (
    ReleaseStage(name="few", parts=5_000),
    ReleaseStage(name="half", parts=50_000),
)


def _release(_name: str, values: Values) -> ReleaseDefinition:
    strategy = values[STRATEGY]
    stages = tuple(values[STAGES].values())
    if strategy is Strategy.CANARY and not stages:
        stages = USUAL_STAGES
    return ReleaseDefinition(
        strategy=strategy,
        stages=stages,
        sticky=values[STICKY],
        unit=values[UNIT_FIELD],
        baseline=values[BASELINE],
        mirror=values[MIRROR_FIELD],
        watch=values[WATCH],
    )


RELEASE = Record(
    "a release",
    "How a new version comes to its customers. What goes wrong takes it back by itself.",
    (STRATEGY, STAGES, UNIT_FIELD, STICKY, BASELINE, MIRROR_FIELD, WATCH),
    _release,
    may_be_empty=True,
)

SECOND_PERSON = Field(
    "second_person",
    Truth(),
    "Whether a change of a flag waits until somebody else has approved it. Switching one off never does.",
    FlagPolicy().second_person,
)


def _flags(_name: str, values: Values) -> FlagPolicy:
    return FlagPolicy(second_person=values[SECOND_PERSON])


FLAGS = Record("a policy for flags", "What changing a flag takes here.", (SECOND_PERSON,), _flags, may_be_empty=True)
