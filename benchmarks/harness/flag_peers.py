"""One client of flags, measured: ``python flag_peers.py NAME EVALUATIONS``. Runs where that client is installed.

Everybody has the same four flags among a thousand, the same 512 users, made ready in the form the client wants, and
nothing to send to anybody. What is printed: CPU time of one evaluation in µs by cell, with the process's other threads,
and how many of the users had it on.
"""

# mypy: disable-error-code="import-not-found,import-untyped"
# (the other clients are not installed where types are checked)

from __future__ import annotations

import gc
import hashlib
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

Setup = tuple[list[Any], dict[str, Any], str]
"""Users as the client wants them, what is asked in each cell, and how."""

USERS: list[dict[str, Any]] = [
    {
        "targetingKey": f"user-{at:05}",
        "country": ("DE", "FR", "DE", "US")[at % 4],
        "plan": "free" if at % 10 == 9 else "pro",
        "age": 28 + at % 50,
    }
    for at in range(512)
]
NAMED = [f"user-{at:05}" for at in range(0, 500, 5)]
COUNTRIES = ["DE", "FR"]
CELLS = ("a", "b", "c", "d")
FILLERS = [f"flag-{at}" for at in range(996)]
ROUNDS = 5


def floor(with_hash: Callable[[str, str], int] | None = None) -> Setup:
    """By hand: what somebody writes who needs four flags and nothing else, asked by name as all the others are."""
    on, named, countries, sha1 = {"a": True}, frozenset(NAMED), frozenset(COUNTRIES), hashlib.sha1

    def by_sha1(salt: str, unit: str) -> int:
        return int(sha1(f"{salt}:{unit}".encode()).hexdigest()[:8], 16) % 100_000

    bucket = with_hash or by_sha1

    def a(user: dict[str, Any]) -> bool:
        return on["a"]

    def b(user: dict[str, Any]) -> bool:
        return bucket("b", user["targetingKey"]) < 30_000

    def c(user: dict[str, Any]) -> bool:
        return (
            user["country"] in countries
            and user["plan"] == "pro"
            and user["age"] >= 30
            and bucket("c", user["targetingKey"]) < 50_000
        )

    def d(user: dict[str, Any]) -> bool:
        return user["targetingKey"] in named

    flags = {"a": a, "b": b, "c": c, "d": d}

    def is_on(name: str, user: dict[str, Any]) -> bool:
        return flags[name](user)

    return USERS, dict.fromkeys(CELLS, is_on), "{name}({cell!r}, user)"


def bare() -> Setup:
    """The floor without names: the four functions themselves."""
    users, asked, _ = floor()
    functions = asked["a"].__closure__[0].cell_contents
    return users, functions, "{name}(user)"


def floor_same_hash() -> Setup:
    """The same with the hash that andon-flags has, so that the hash is not the difference."""
    from andon_flags.buckets import bucket  # noqa: PLC0415 - each client is there only where it is measured

    return floor(bucket)


def document() -> dict[str, Any]:
    def flag(**more: Any) -> dict[str, Any]:
        return {
            "kind": "boolean",
            "variants": {"on": True, "off": False},
            "off": "off",
            "default": "off",
            **more,
        }

    three = [
        {"attribute": "country", "is": "in", "values": COUNTRIES},
        {"attribute": "plan", "is": "in", "values": ["pro"]},
        {"attribute": "age", "is": "at-least", "values": [30]},
    ]
    rules = [{"id": "r", "when": three, "serve": [[0, 50_000, "on"]]}]
    flags = {
        "a": flag(default="on"),
        "b": flag(default=[[0, 30_000, "on"], [30_000, 100_000, "off"]]),
        "c": flag(rules=rules),
        "d": flag(individuals=dict.fromkeys(NAMED, "on")),
        **{name: flag(rules=rules) for name in FILLERS},
    }
    return {"format": 1, "service": "store", "environment": "production", "revision": 1, "flags": flags}


def andon(counting: bool = False) -> Setup:
    from andon_flags import Flags  # noqa: PLC0415 - as above

    flags = Flags(document=document(), counting=counting, variables={})
    return USERS, dict.fromkeys(CELLS, flags), "{name}.boolean({cell!r}, user, default=False)"


def andon_counting() -> Setup:
    return andon(counting=True)


def andon_openfeature() -> Setup:
    from andon_flags import Flags  # noqa: PLC0415 - as above
    from andon_flags.openfeature import AndonProvider  # noqa: PLC0415 - as above

    return _openfeature(AndonProvider(Flags(document=document(), counting=False, variables={})))


def _openfeature(provider: Any) -> Setup:
    from openfeature import api  # noqa: PLC0415 - as above
    from openfeature.evaluation_context import EvaluationContext  # noqa: PLC0415 - as above

    api.set_provider_and_wait(provider)
    users = [EvaluationContext(user["targetingKey"], user) for user in USERS]
    return users, dict.fromkeys(CELLS, api.get_client()), "{name}.get_boolean_value({cell!r}, False, user)"


def openfeature() -> Setup:
    """The SDK with its own provider in memory, which asks the floor's functions."""
    from openfeature.flag_evaluation import FlagResolutionDetails, Reason  # noqa: PLC0415 - as above
    from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider  # noqa: PLC0415 - as above

    _, functions, _ = bare()

    def evaluator(function: Any) -> Any:
        return lambda _flag, context: FlagResolutionDetails(
            function(context.attributes), reason=Reason.TARGETING_MATCH, variant="on"
        )

    flags = {name: InMemoryFlag("on", {"on": True}, context_evaluator=evaluator(functions[name])) for name in CELLS}
    flags.update({name: InMemoryFlag("on", {"on": True}) for name in FILLERS})
    return _openfeature(InMemoryProvider(flags))


def _growthbook_features() -> dict[str, Any]:
    three = {"country": {"$in": COUNTRIES}, "plan": "pro", "age": {"$gte": 30}}
    c = {"defaultValue": False, "rules": [{"condition": three, "coverage": 0.5, "hashAttribute": "id", "force": True}]}
    return {
        "a": {"defaultValue": True},
        "b": {"defaultValue": False, "rules": [{"coverage": 0.3, "hashAttribute": "id", "force": True}]},
        "c": c,
        "d": {"defaultValue": False, "rules": [{"condition": {"id": {"$in": NAMED}}, "force": True}]},
        **dict.fromkeys(FILLERS, c),
    }


def growthbook() -> Setup:
    """As its guide has it for a web request, but with one instance for all of them."""
    from growthbook import GrowthBook  # noqa: PLC0415 - as above

    made = GrowthBook(attributes={}, features=_growthbook_features())
    users = [{**user, "id": user["targetingKey"]} for user in USERS]
    return users, dict.fromkeys(CELLS, made), "({name}.set_attributes(user), {name}.is_on({cell!r}))[1]"


def growthbook_core() -> Setup:
    """Its evaluator alone, with a context of each user made ready: less than a program can call by its guide."""
    from growthbook import GrowthBook  # noqa: PLC0415 - as above
    from growthbook.common_types import EvaluationContext, StackContext, UserContext  # noqa: PLC0415 - as above
    from growthbook.core import eval_feature  # noqa: PLC0415 - as above

    made = GrowthBook(attributes={}, features=_growthbook_features())
    users = [
        EvaluationContext(
            user=UserContext(attributes={**user, "id": user["targetingKey"]}),
            global_ctx=made._global_ctx,
            stack=StackContext(evaluated_features=set()),
        )
        for user in USERS
    ]
    return (
        users,
        dict.fromkeys(CELLS, eval_feature),
        "(user.stack.evaluated_features.clear(), {name}({cell!r}, user).on)[1]",
    )


def launchdarkly() -> Setup:
    import ldclient  # noqa: PLC0415 - as above
    from ldclient.config import Config  # noqa: PLC0415 - as above
    from ldclient.context import Context  # noqa: PLC0415 - as above
    from ldclient.integrations import Files  # noqa: PLC0415 - as above

    def flag(key: str, **more: Any) -> dict[str, Any]:
        return {
            "key": key, "version": 1, "on": True, "variations": [True, False], "offVariation": 1, "salt": key,
            "fallthrough": {"variation": 1}, "targets": [], "rules": [], "prerequisites": [], **more,
        }  # fmt: skip

    def share(on: int) -> dict[str, Any]:
        return {"rollout": {"variations": [{"variation": 0, "weight": on}, {"variation": 1, "weight": 100_000 - on}]}}

    three = [
        {"attribute": "country", "op": "in", "values": COUNTRIES},
        {"attribute": "plan", "op": "in", "values": ["pro"]},
        {"attribute": "age", "op": "greaterThanOrEqual", "values": [30]},
    ]
    rules = [{"id": "r", "clauses": three, **share(50_000)}]
    flags = {
        "a": flag("a", fallthrough={"variation": 0}),
        "b": flag("b", fallthrough=share(30_000)),
        "c": flag("c", rules=rules),
        "d": flag("d", targets=[{"variation": 0, "values": NAMED}]),
        **{name: flag(name, rules=rules) for name in FILLERS},
    }
    path = _written({"flags": flags})
    source = Files.new_data_source(paths=[path])
    ldclient.set_config(Config("sdk-key", update_processor_class=source, send_events=False, diagnostic_opt_out=True))
    client = ldclient.get()
    users = []
    for user in USERS:
        builder = Context.builder(user["targetingKey"])
        for name in ("country", "plan", "age"):
            builder.set(name, user[name])
        users.append(builder.build())
    return users, dict.fromkeys(CELLS, client), "{name}.variation({cell!r}, user, False)"


def unleash() -> Setup:
    from UnleashClient import UnleashClient  # noqa: PLC0415 - as above
    from UnleashClient.cache import FileCache  # noqa: PLC0415 - as above

    def feature(name: str, strategy: dict[str, Any]) -> dict[str, Any]:
        return {"name": name, "type": "release", "enabled": True, "strategies": [strategy]}

    def share(name: str, percent: int, constraints: list[dict[str, Any]] | None = None) -> dict[str, Any]:
        parameters = {"rollout": str(percent), "stickiness": "userId", "groupId": name}
        return {"name": "flexibleRollout", "parameters": parameters, "constraints": constraints or []}

    three: list[dict[str, Any]] = [
        {"contextName": "country", "operator": "IN", "values": COUNTRIES},
        {"contextName": "plan", "operator": "IN", "values": ["pro"]},
        {"contextName": "age", "operator": "NUM_GTE", "value": "30"},
    ]
    features = [
        feature("a", {"name": "default", "parameters": {}}),
        feature("b", share("b", 30)),
        feature("c", share("c", 50, three)),
        feature("d", {"name": "userWithId", "parameters": {"userIds": ",".join(NAMED)}}),
        *(feature(name, share(name, 50, three)) for name in FILLERS),
    ]
    cache = FileCache("flags", directory=tempfile.mkdtemp(prefix="andon-bench-"))
    cache.bootstrap_from_dict({"version": 2, "features": features})
    client = UnleashClient(
        "http://127.0.0.1:9/api", "bench", cache=cache, disable_metrics=True, disable_registration=True
    )
    client.initialize_client(fetch_toggles=False)
    users = [
        {"userId": user["targetingKey"], "properties": {key: str(user[key]) for key in ("country", "plan", "age")}}
        for user in USERS
    ]
    return users, dict.fromkeys(CELLS, client), "{name}.is_enabled({cell!r}, user)"


def _flagd_provider() -> Any:
    from openfeature.contrib.provider.flagd import FlagdProvider  # noqa: PLC0415 - as above
    from openfeature.contrib.provider.flagd.config import ResolverType  # noqa: PLC0415 - as above

    def flag(targeting: dict[str, Any] | None, default: str = "off") -> dict[str, Any]:
        more = {"targeting": targeting} if targeting else {}
        return {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": default, **more}

    conditions = [
        {"in": [{"var": "country"}, COUNTRIES]},
        {"==": [{"var": "plan"}, "pro"]},
        {">=": [{"var": "age"}, 30]},
    ]
    c = flag({"if": [{"and": conditions}, {"fractional": [["on", 50], ["off", 50]]}, "off"]})
    flags = {
        "a": flag(None, "on"),
        "b": flag({"fractional": [["on", 30], ["off", 70]]}),
        "c": c,
        "d": flag({"if": [{"in": [{"var": "targetingKey"}, NAMED]}, "on", "off"]}),
        **dict.fromkeys(FILLERS, c),
    }
    return FlagdProvider(resolver_type=ResolverType.FILE, offline_flag_source_path=_written({"flags": flags}))


def flagd() -> Setup:
    """Its provider, evaluating in the process, behind the SDK, as it is meant to be used."""
    return _openfeature(_flagd_provider())


def flagsmith() -> Setup:
    """Evaluating in the process from an environment document. It evaluates all flags for a user, then one is asked."""
    from flagsmith import Flagsmith  # noqa: PLC0415 - as above
    from flagsmith.offline_handlers import LocalFileHandler  # noqa: PLC0415 - as above

    def state(at: int, name: str, on: bool, segment: bool = False) -> dict[str, Any]:
        made: dict[str, Any] = {
            "enabled": on, "feature_state_value": None, "feature": {"id": at, "name": name, "type": "STANDARD"},
            "featurestate_uuid": f"00000000-0000-4000-8000-{at:012}", "multivariate_feature_state_values": [],
            "django_id": at, "identity": None, "feature_segment": None,
        }  # fmt: skip
        return {**made, "feature_segment": {"priority": 0}} if segment else made

    def segment(at: int, name: str, conditions: list[dict[str, Any]]) -> dict[str, Any]:
        rule = {"type": "ALL", "rules": [{"type": "ALL", "rules": [], "conditions": conditions}], "conditions": []}
        states = [state(at, name, True, segment=True)]
        return {"id": at, "name": f"segment-{name}", "rules": [rule], "feature_states": states}

    def condition(operator: str, name: str, value: str) -> dict[str, Any]:
        return {"operator": operator, "property_": name, "value": value}

    three = [
        condition("IN", "country", ",".join(COUNTRIES)),
        condition("EQUAL", "plan", "pro"),
        condition("GREATER_THAN_INCLUSIVE", "age", "30"),
        condition("PERCENTAGE_SPLIT", "", "50"),
    ]
    names = [*CELLS, *FILLERS]
    found = {
        "api_key": "key", "name": "production", "identity_overrides": [], "updated_at": "2026-01-01T00:00:00+00:00",
        "feature_states": [state(at, name, name == "a") for at, name in enumerate(names, 1)],
        "project": {"segments": [
            segment(2, "b", [condition("PERCENTAGE_SPLIT", "", "30")]),
            segment(3, "c", three),
            segment(4, "d", [condition("IN", "id", ",".join(NAMED))]),
        ]},
    }  # fmt: skip
    made = Flagsmith(offline_mode=True, offline_handler=LocalFileHandler(_written(found)))
    users = [
        (user["targetingKey"], {"id": user["targetingKey"], **{key: user[key] for key in ("country", "plan", "age")}})
        for user in USERS
    ]
    return users, dict.fromkeys(CELLS, made), "{name}.get_identity_flags(*user).is_feature_enabled({cell!r})"


def _written(what: dict[str, Any]) -> str:
    with tempfile.NamedTemporaryFile("w", suffix=".json", prefix="andon-bench-", delete=False) as file:
        json.dump(what, file)
    return file.name


PEERS: dict[str, Callable[[], Setup]] = {
    one.__name__: one
    for one in (
        floor, floor_same_hash, bare, andon, andon_counting, andon_openfeature, growthbook, growthbook_core,
        launchdarkly, unleash, flagd, flagsmith, openfeature,
    )
}  # fmt: skip


def main(name: str, evaluations: int) -> None:
    logging.disable()
    users, asked, expression = PEERS[name]()
    cells = {}
    for cell in CELLS:
        call = expression.format(name="asked", cell=cell)
        program = (
            "def run(times, users=users, asked=asked):\n"
            "    for _ in range(times):\n"
            "        for user in users:\n"
            f"            {call}\n"
            f"def on(users=users, asked=asked):\n    return sum(bool({call}) for user in users)\n"
        )
        scope: dict[str, Any] = {"users": users, "asked": asked[cell]}
        exec(program, scope)
        on = scope["on"]()
        began = time.process_time()
        scope["run"](1)
        # a slow one is measured for about as long as a fast one
        once = max(time.process_time() - began, 1e-9)
        times = max(1, min(evaluations // len(users), int(evaluations * 1e-6 / once)))
        taken = []
        gc.collect()
        for _ in range(ROUNDS):
            began = time.process_time()
            scope["run"](times)
            taken.append((time.process_time() - began) / times / len(users) * 1e6)
        cells[cell] = {"us": sorted(taken)[len(taken) // 2], "on": on}
    print(json.dumps(cells), flush=True)
    os._exit(0)  # some leave threads that do not end


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
