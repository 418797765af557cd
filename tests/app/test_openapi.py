"""The API does what its OpenAPI document says, whatever is sent to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from andon.app.composition import compose
from andon.app.tables import load_all_tables
from tests.serving import Serving, quick_passwords, serving, settings_for


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Everything Andon is, on a port of this machine; no worker."""
    data: Path = tmp_path_factory.mktemp("whole") / "data"
    data.mkdir(mode=0o700)
    chosen = settings_for(data, f"sqlite:///{data / 'andon.db'}")
    installation = compose(chosen)
    load_all_tables().create_all(installation.database.engine)
    with serving(chosen, installation.database, installation.rooms, quick_passwords(), installation.bell) as running:
        running.api().post("/repositories", json={"name": "store"})
        yield running


@pytest.fixture(scope="module")
def document(whole: Serving) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_url(f"{whole.address}/api/v1/openapi.json")


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_the_api_keeps_to_its_document(mode: GenerationMode, document: schemathesis.BaseSchema, whole: Serving) -> None:
    tried = 0
    for found in document.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        tried += 1

        @settings(
            max_examples=8,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def keeps_to_it(case: schemathesis.Case[Any]) -> None:
            answer = case.call(headers={"Authorization": f"Bearer {whole.operator}"})
            checks = [status_code_conformance, content_type_conformance, response_schema_conformance]
            # there is no telemetry process here: what asks it says so, in the form that the document promises
            if not (answer.status_code == 503 and "telemetry" in answer.text):
                checks.append(not_a_server_error)
            case.validate_response(answer, checks=checks)

        keeps_to_it()
    assert tried > 10


def test_every_operation_is_described(whole: Serving) -> None:
    described = whole.api().get("/openapi.json").json()
    bare = [
        f"{method} {path}"
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
        if not operation.get("description") or not operation.get("operationId")
    ]
    assert not bare
    assert len(described["paths"]) > 10


def test_no_body_takes_fields_that_are_not_known(whole: Serving) -> None:
    """A misspelt field would else be taken for one left out, and something else be done than was asked for."""
    api = whole.api()
    bodies = [
        (method, path.removeprefix("/api/v1"))
        for path, operations in api.get("/openapi.json").json()["paths"].items()
        for method, operation in operations.items()
        if "requestBody" in operation
    ]
    assert len(bodies) > 10
    for method, path in bodies:
        answer = api.request(method, re.sub(r"{\w+}", "store", path), json={"nonesuch": 1})
        assert answer.status_code == 400, (method, path, answer.text)
        assert "`nonesuch` is not a field of the body; known are `" in answer.json()["remedy"], path


def test_what_may_be_left_out_needs_no_body_and_a_deployment_does(whole: Serving) -> None:
    api = whole.api()
    place = "/services/store/environments/production"
    for deed in ("rollback", "contract"):
        answer = api.post(f"{place}/{deed}")
        assert answer.json()["code"] != "andon.invalid", answer.text
        assert answer.status_code in {404, 409}, answer.text
    bare = api.post(f"{place}/deployments")
    assert (bare.status_code, bare.json()["remedy"].split(".")[0]) == (400, "The body is missing")
    misspelt = api.post(f"{place}/deployments", json={"revison": "3f2a91c"})
    assert misspelt.status_code == 400
    assert "`revison` is not a field of the body; known are `revision`" in misspelt.json()["remedy"]
