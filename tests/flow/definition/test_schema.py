"""The published schema and the reader come from one description; here they are held against each other."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from andon.flow.definition.contract import DefinitionInvalid
from andon.flow.definition.kinds import Json
from andon.flow.definition.reader import YamlDefinitionReader
from andon.flow.definition.reference import EXAMPLE, reference_markdown
from andon.flow.definition.schema import json_schema
from andon.flow.definition.shape import ROOT

SCHEMA = json.loads(json_schema())
VALIDATOR = Draft202012Validator(SCHEMA)
READER = YamlDefinitionReader()
PAGE = Path(__file__).parents[3] / "docs/reference/andon-yaml.md"


def faults(document: Json) -> list[str]:
    """What the reader says. JSON is YAML, so the document goes through the whole reader."""
    try:
        READER.read(json.dumps(document).encode())
    except DefinitionInvalid as invalid:
        return [str(fault) for fault in invalid.faults]
    return []


NAMES = st.sampled_from(["a", "b0", "build", "check", "deploy", "docs", "lint9", "prod", "qa", "store", "test", "zz"])


def names(least: int = 1, most: int = 2) -> st.SearchStrategy[list[str]]:
    return st.lists(NAMES, min_size=least, max_size=most, unique=True)


COMMANDS = st.sampled_from(["make test", "python3 -m store\n", "exec ./start --x='1: 2' # y", "é", "12 34"])
DURATIONS = st.sampled_from(["1s", "30s", "1.5m", "60000ms", "0.5h"])
SIZES = st.sampled_from(["64MiB", "1GiB", "20000000B", "0.5GB", "1TiB"])
GLOBS = st.sampled_from(["a", "a/b.txt", "**", "reports/*.xml", ".venv", "..x/y..", "a b/ü"])
GLOB_LISTS = st.lists(GLOBS, min_size=1, max_size=3, unique=True)
VARIABLES = st.sampled_from(["A", "_B", "LEVEL_2", "PATH", "ANDONX"])
TEXTS = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=10)
ENV = st.dictionaries(VARIABLES, st.one_of(TEXTS, st.integers(), st.booleans()), max_size=2)
NETWORK = st.sampled_from(["none", "host"])


def optional(**fields: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries({}, optional=fields)


RELEASES: list[object] = [
    None,
    {"strategy": "canary"},
    {"strategy": "canary", "stages": {"a": {"to": {"cookie": "x", "is": "y"}}, "b": {"share": "0.5%", "for": "1m"}}},
    {"mirror": {"steps": {"a": {"share": "1%", "requests": 9}, "b": {"share": "50%"}}, "differing": "1%"}},
    {"mirror": {"share": "9%", "ignore": {"fields": ["created_at"], "values": ["time", "number"]}}},
    {"mirror": {"share": "10%", "for": "1h", "methods": ["GET"]}, "sticky": "none", "watch": {"orders.placed": "fall"}},
]


@st.composite
def documents(draw: st.DrawFn) -> dict[str, object]:
    """A sound definition, as plain data."""
    services = draw(names(0))
    environments = draw(names(0))
    stage_names = draw(names(1, 3))
    stages: dict[str, object] = {}
    for index, stage in enumerate(stage_names):
        job_names = draw(names(1, 2))
        jobs: dict[str, object] = {}
        for position, job in enumerate(job_names):
            made: dict[str, object] = {"run": draw(COMMANDS)} | draw(
                optional(
                    env=ENV,
                    caches=GLOB_LISTS,
                    reports=GLOB_LISTS,
                    network=NETWORK,
                    timeout=DURATIONS,
                    memory=SIZES,
                    cpus=st.sampled_from([0.05, 1, 1.5, 1024]),
                    processes=st.integers(4, 32768),
                )
            )
            if position:
                made["needs"] = draw(st.lists(st.sampled_from(job_names[:position]), unique=True))
            if services:
                made["services"] = draw(st.lists(st.sampled_from(services), unique=True))
            jobs[job] = made
        body: dict[str, object] = {"jobs": jobs}
        if index and environments and draw(st.booleans()):
            body["environment"] = draw(st.sampled_from(environments))
            body |= draw(
                optional(when=st.sampled_from(["automatic", "manual"]), branches=st.just(["main", "release/*"]))
            )
            if draw(st.booleans()):
                del body["jobs"]
        stages[stage] = body
    processes = draw(names())
    run: dict[str, object] = {}
    for index, process in enumerate(processes):
        made = {"command": draw(COMMANDS)} | draw(
            optional(memory=SIZES, network=NETWORK, stop=DURATIONS, cpus=st.just(2), processes=st.integers(4, 99))
        )
        if index:
            made["routed"] = False
        else:
            made |= draw(
                st.sampled_from(
                    [{}, {"port": 80}, {"socket": "/run/andon/app.sock"}, {"health": {"path": "/health?x=1"}}]
                )
            )
        run[process] = made
    each = st.integers(1, 100)
    document: dict[str, object] = {
        "stages": stages,
        "services": {
            name: {"run": "a", "ready": "b", **draw(optional(within=DURATIONS, env=ENV))} for name in services
        },
        "package": {"files": draw(GLOB_LISTS), **draw(optional(run=COMMANDS, network=NETWORK, memory=SIZES))},
        "run": run,
        "environments": {
            name: draw(
                st.one_of(
                    st.none(),
                    optional(
                        instances=st.one_of(each, st.just({processes[0]: 2})),
                        keep_warm=st.integers(0, 10),
                        port=st.just(8000 + index),
                        config=ENV,
                        secrets=st.just(["PAYMENT_KEY"]),
                        ttl=st.just("7d"),
                        release=st.sampled_from(RELEASES),
                        flags=st.just({"second_person": True}),
                    ),
                )
            )
            for index, name in enumerate(environments)
        },
    }
    return document | draw(
        optional(
            smoke=st.just(
                {"front page": {"path": "/", "method": "POST", "body": "x"}, "1": {"command": "y", "cleanup": "z"}}
            ),
            migrations=st.sampled_from([{"expand": "x"}, {"contract": "y", "timeout": "5m"}]),
            on_newer_push=st.sampled_from(["keep", "supersede"]),
        )
    )


WORDS = ["", "x", "10m", "../x", "512MiB"]
JUNK: st.SearchStrategy[object] = st.one_of(
    *[st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.sampled_from(WORDS)],
    *[st.just([]), st.just({}), st.just(["x", "x"]), st.just({"x": "y"})],
)


def places(node: object) -> list[tuple[object, str | int]]:
    """Every container in the document with each of its keys."""
    found: list[tuple[object, str | int]] = []
    if isinstance(node, dict):
        for key, value in node.items():
            found += [(node, key), *places(value)]
    elif isinstance(node, list):
        for index, value in enumerate(node):
            found += [(node, index), *places(value)]
    return found


def mutate(draw: st.DrawFn, document: dict[str, object]) -> dict[str, object]:
    changed = copy.deepcopy(document)
    container, key = draw(st.sampled_from(places(changed)))
    match draw(st.sampled_from(["replace", "remove", "unknown", "rename"])):
        case "replace":
            container[key] = draw(JUNK)  # type: ignore[index]  # a list or a mapping
        case "remove":
            del container[key]  # type: ignore[attr-defined]  # a list or a mapping
        case "unknown" if isinstance(container, dict):
            container[draw(st.sampled_from(["timout", "Run", "x-y", "<<", "PORT", ""]))] = draw(JUNK)
        case "rename" if isinstance(container, dict):
            container[f"{key}s"] = container.pop(key)
    return changed


@st.composite
def mutants(draw: st.DrawFn) -> dict[str, object]:
    return mutate(draw, draw(documents()))


# the same documents every time: a fault found here is found again
@settings(max_examples=60, deadline=None, derandomize=True)
@given(documents())
def test_what_is_sound_passes_both(document: dict[str, object]) -> None:
    assert faults(document) == []  # type: ignore[arg-type]  # it is JSON
    VALIDATOR.validate(document)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(mutants())
def test_what_the_schema_refuses_the_reader_refuses(document: dict[str, object]) -> None:
    refused = not VALIDATOR.is_valid(document)
    event(f"the schema {'refuses' if refused else 'takes'} it")
    if refused:
        assert faults(document)  # type: ignore[arg-type]  # it is JSON


@pytest.mark.parametrize(
    "document",
    [
        {"stages": {"a": {"jobs": {"x": {"run": "y", "timout": "5m"}}}}},
        {"stages": {"a": {"jobs": {"x": {"run": ""}}}}},
        {"stages": {"a": {"jobs": {"x": {"run": "y", "caches": ["../x"]}}}}},
        {"stages": {"a": {"jobs": {"X": {"run": "y"}}}}},
        {"stages": {"a": {"jobs": {"x": {"run": "y", "env": {"ANDON_URL": "y"}}}}}},
        {"stages": {"a": {"jobs": {"x": {"run": "y", "memory": "512M"}}}}},
        {"stages": {"a": {}}},
        {"stages": {"a": {"jobs": {"x": {"run": "y"}}}}, "smoke": {"a": {"path": "/", "command": "y"}}},
        {"stages": {"a": {"jobs": {"x": {"run": "y"}}}}, "smoke": {"a": {"command": "y", "status": 200}}},
        {"stages": {"package": {"jobs": {"x": {"run": "y"}}}}},
    ],
)
def test_both_refuse(document: Json) -> None:
    assert not VALIDATOR.is_valid(document)
    assert faults(document)


def test_the_schema_is_one_and_explains_every_key() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert json.loads(json_schema(address="https://andon.test/andon.schema.json"))["$id"].startswith(
        "https://andon.test"
    )
    records = [SCHEMA, *SCHEMA["$defs"].values()]
    assert len(records) == len({record.slug() for record in ROOT.records()})
    for record in records:
        for key, schema in record["properties"].items():
            assert schema["description"], key
            assert "examples" in schema, key
            for example in schema["examples"]:
                VALIDATOR.evolve(schema=schema).validate(example)
    assert SCHEMA["$defs"]["job"]["properties"]["network"]["enum"] == ["none", "host"]
    assert SCHEMA["$defs"]["job"]["properties"]["timeout"]["default"] == "10m"


def test_the_example_of_the_reference_is_sound() -> None:
    READER.read(EXAMPLE.encode())
    VALIDATOR.validate(YAML(typ="safe", pure=True).load(EXAMPLE))


def test_the_reference_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference_markdown(), (
        "python -m andon.flow.definition.reference > docs/reference/andon-yaml.md"
    )


def test_the_reference_names_every_key() -> None:
    page = reference_markdown()
    for record in ROOT.records():
        for one in record.fields:
            assert f"| `{one.key}` |" in page
