"""What somebody may not see is answered like what is not there, at every address that names a thing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar.handlers import HTTPRouteHandler

from andon.app.composition import compose
from andon.feedback.graphs.service import GraphsService
from andon.feedback.logs.service import LogsService
from andon.feedback.rollouts.service import RolloutService
from andon.feedback.webhooks.service import WebhookService
from andon.flow.configuration.sealing import FileSecretBox
from andon.flow.definition.contract import ReleaseDefinition, ReleaseStage, Strategy
from andon.flow.definition.reader import YamlDefinitionReader
from andon.flow.deployments.contract import DeploymentView
from andon.flow.deployments.contract.release import Candidate
from andon.flow.flags.model.flag import Step
from andon.flow.flags.model.wishes import wanted_of
from andon.flow.flags.places import DefinedPlaces
from andon.flow.flags.service.documents import Documents
from andon.flow.flags.service.flags import FlagService
from andon.flow.flags.service.segments import SegmentService
from andon.flow.sources.contract import Service
from andon.kernel.access import Grant, Principal, Role
from andon.kernel.access.people import PeopleDirectory
from andon.kernel.db import Database, open_engine
from andon.kernel.events import Facets, page
from tests.databases import Databases
from tests.flow.flags.conftest import SECOND_PERSON
from tests.flow.flags.test_service import SWITCH, share
from tests.flow.installation import PASSWORD, Installation
from tests.serving import Browser, quick_passwords, serving, settings_for

HIDDEN = "payroll"
FORM = {
    **dict.fromkeys(("confirm", "name", "value", "commit"), "word"),
    **{"by": "60", "ends": "2030-01-01T00:00:00Z", "role": "viewer", "version": "1", "ramp": "word", "wish": "pause"},
}
"""What the console's forms hold, all of them at once."""
NAMED_BY_THE_ASKER = {"host", "label", "tag", "trace"}
"""Parameters that name no thing of Andon's, but what to look for in telemetry: the store cuts the answer to what may be
seen (tests/feedback/telemetry/asking), and it is not asked here."""
MAKES = {("put", "/api/v1/dashboards/{name}"), ("put", "/dashboards/{name}")}
"""What makes a thing of the name that is given."""
PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")


@dataclass(frozen=True)
class Secretive:
    """An installation with one service that ``asker`` may not see, though they may do everything on another one."""

    asker: httpx.Client
    addresses: tuple[tuple[str, str], ...]
    """Method and address, with parameters in braces, of every route outside the API."""
    hidden: Mapping[str, str]
    """What each parameter may be called by: a thing of the hidden service."""
    browser: Browser
    """Of somebody who may do everything, the hidden service's things too."""
    changing: tuple[tuple[str, str], ...]
    """Method and address of every route that is no question."""


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[Secretive]:
    data: Path = tmp_path_factory.mktemp("unseen") / "data"
    data.mkdir(mode=0o700)
    chosen = settings_for(data, databases.url("sqlite"))
    flow = Installation(Database(open_engine(chosen.database_url)), data)
    service = Service(HIDDEN)
    for name in (service, Service("store")):
        flow.create(name)
    commit = flow.built({"andon.yaml": SECOND_PERSON}, service=service)
    deployment = flow.deploy(commit, service=service)
    assert deployment.run is not None
    erik = flow.sign_up("Erik", Grant(Role.ADMINISTRATOR, "store"))
    brent = flow.sign_up("Brent", Grant(Role.ADMINISTRATOR, HIDDEN))
    flow.token(brent)
    flow.sign_up("Bill", Grant(Role.ADMINISTRATOR, None))
    with flow.database.reading() as reading:
        (job, *_) = flow.pipelines.jobs(reading, deployment.run)
        event = page(reading, Facets(service=HIDDEN), limit=1)[0].id
        token = page(reading, Facets(type="dev.andon.token.created.v1"), limit=1)[0].subject.partition(":")[2]
    assert brent.person is not None
    with flow.database.transaction() as tx:
        annotation = GraphsService(PeopleDirectory()).annotate(tx, brent, "payday", service=HIDDEN)
        counted = LogsService().count(tx, brent, HIDDEN, "salary.paid", "paid").id
        webhook, _ = WebhookService(FileSecretBox(data / "secrets.key")).add(
            tx, brent, url="https://hooks.example/", types=["*"], service=HIDDEN
        )
    hidden = {
        **released(flow, brent, deployment),
        "webhook": webhook.id,
        "service": HIDDEN,
        "name": HIDDEN,
        "environment": "production",
        "instance": "web-1",
        "run": deployment.run,
        "number": "1",
        "job": job.id,
        "deployment": deployment.id,
        "digest": deployment.digest,
        "event": event,
        "token": token,
        "person": brent.person,
        "reaction": "deployments.carry-out",
        "position": "1",
        "attempt": "1",
        "annotation": annotation,
        "count": counted,
    }
    secret = flow.token(erik)
    flow.database.close()
    composed = compose(chosen)
    with serving(chosen, composed.database, composed.rooms, quick_passwords(), composed.bell) as running:
        asker = running.api(secret)
        asker.base_url = httpx.URL(running.address)
        routes = tuple(
            (method, path)
            for room in composed.rooms
            for handler in room.handlers
            if isinstance(handler, HTTPRouteHandler)
            for path in handler.paths
            for method in handler.http_methods
            if method != "HEAD"
        )
        browser = running.browser()
        assert browser.sign_in("Bill", PASSWORD).status_code == 303
        yield Secretive(
            asker,
            tuple((method, path) for method, path in routes if names_a_thing(path) and not path.startswith("/api/")),
            hidden,
            browser,
            tuple((method, path) for method, path in routes if method not in {"GET", "OPTIONS"}),
        )


def released(flow: Installation, by: Principal, deployment: DeploymentView) -> dict[str, str]:
    """A flag with a change that waits and a ramp, a segment with an upload, a rollout: all of the hidden service."""
    service, documents = Service(HIDDEN), Documents()
    places = DefinedPlaces(flow.sources, YamlDefinitionReader(), flow.environments)
    flags = FlagService(documents, places)
    segments = SegmentService(documents, places)
    assert deployment.set is not None
    candidate = Candidate(
        deployment=deployment.id,
        service=service,
        environment="production",
        commit=deployment.commit,
        set=deployment.set,
        former=deployment.set,
        former_commit=deployment.commit,
        fence=1,
        release=ReleaseDefinition(strategy=Strategy.CANARY, stages=(ReleaseStage(name="few", parts=5_000),)),
        business=(),
    )
    with flow.database.transaction() as tx:
        flags.create(tx, by, service, "bonus", SWITCH)
        waiting = flags.change(tx, by, service, "production", "bonus", lambda _, old: share(5)(wanted_of(old)))
        ramp, _ = flags.ramp(tx, by, service, "acceptance", "bonus", variant="on", steps=(Step(percent=1),))
        segments.put(tx, by, service, "managers", when=())
        upload = segments.begin_upload(tx, by, "managers")
        rollout = RolloutService().begin(
            tx, candidate, watched=(), unwatched=(), smallest_harm="", proposal="", history=()
        )
    assert waiting.proposal is not None
    assert ramp is not None
    return {
        "flag": "bonus",
        "proposal": waiting.proposal,
        "ramp": ramp,
        "segment": "managers",
        "upload": str(upload),
        "rollout": rollout.id,
    }


def names_a_thing(path: str) -> bool:
    return bool(set(PARAMETER.findall(path)) - NAMED_BY_THE_ASKER)


def absent(value: str) -> str:
    """The name of nothing, of the same shape."""
    kind, underline, rest = value.partition("_")
    if underline and len(rest) == 26:
        return f"{kind}_{'0' * 26}"
    return "0" * 64 if len(value) == 64 else "999999" if value.isdigit() else "nothing"


def filled(path: str, values: Mapping[str, str]) -> str:
    return PARAMETER.sub(lambda found: values[found[1]], path)


def least(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Any:
    """The smallest body that a schema takes, with a word in every text."""
    if "$ref" in schema:
        return least(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    for several in ("oneOf", "anyOf"):
        if several in schema:
            return least(schema[several][0], document)
    if "enum" in schema:
        return schema["enum"][0]
    kind = str(schema.get("type"))
    if kind == "object" and isinstance(more := schema.get("additionalProperties"), dict):
        return {"word": least(more, document)}
    if kind == "object":
        return {name: least(schema["properties"][name], document) for name in schema.get("required", ())}
    values: Mapping[str, object] = {"string": "word", "integer": 1, "number": 1, "boolean": False, "array": []}
    return values.get(kind)


def answers(one: Secretive, method: str, path: str, **body: Any) -> tuple[httpx.Response, str, str]:
    """The answer for what may not be seen, as text, and for what is not there: each name as its parameter's."""
    told, first = [], None
    for values in (one.hidden, {name: absent(value) for name, value in one.hidden.items()}):
        answer = one.asker.request(method, filled(path, values), **body)
        first = first or answer
        text = answer.text
        for name in PARAMETER.findall(path):
            text = text.replace(values[name], f"<{name}>")
        told.append(f"{answer.status_code} {re.sub(r'(csrf|nonce|token)[^<>]*', '', text)}")
    assert first is not None
    return first, told[0], told[1]


def test_no_address_of_the_api_tells_what_is_there(installation: Secretive) -> None:
    document = installation.asker.get("/api/v1/openapi.json").json()
    asked = 0
    for path, operations in document["paths"].items():
        if not names_a_thing(path):
            continue
        for method, operation in operations.items():
            if (method, path) in MAKES:
                continue
            content: Mapping[str, Any] = operation.get("requestBody", {}).get("content", {})
            schemas = [one["schema"] for one in content.values()]
            body: dict[str, Any] = {"json": least(schemas[0], document)} if schemas else {}
            asked_for = [one for one in operation.get("parameters", ()) if one["in"] == "query" and one.get("required")]
            body["params"] = {one["name"]: "word" for one in asked_for}
            address = path if path.startswith("/api/") else f"/api/v1{path}"
            answer, unseen, missing = answers(installation, method.upper(), address, **body)
            assert answer.status_code in {403, 404}, f"{method} {path} was not asked rightly: {answer.text}"
            assert unseen == missing, f"{method} {path}"
            if "{service}" not in path and "{name}" not in path:
                assert HIDDEN not in answer.text, f"{method} {path}"
            asked += 1
    assert asked > 30


def test_no_page_and_no_deed_tells_what_is_there(installation: Secretive) -> None:
    asked = 0
    for method, path in installation.addresses:
        body = {} if method == "GET" else {"data": FORM}
        answer, unseen, missing = answers(installation, method, path, **body)
        assert answer.status_code in {403, 404}, f"{method} {path} was not asked rightly: {answer.text[:500]}"
        assert unseen == missing, f"{method} {path}"
        asked += 1
    assert asked > 20


def test_no_deed_is_done_for_a_page_that_is_not_ours(installation: Secretive) -> None:
    """A stranger's page can make a browser send its cookie, but it knows no token."""
    names = {**dict.fromkeys(NAMED_BY_THE_ASKER, "word"), **installation.hidden}
    for method, path in installation.changing:
        bodies: tuple[dict[str, Any], ...] = ({"data": FORM}, {"json": {}})
        for body in bodies:
            answer = installation.browser.request(method, filled(path, names), **body)
            assert answer.status_code == 403, f"{method} {path}: {answer.text[:500]}"
            assert "This form is out of date" in answer.text, f"{method} {path}"
    assert len(installation.changing) > 40
