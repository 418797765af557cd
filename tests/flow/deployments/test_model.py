from __future__ import annotations

import pytest

from andon.flow.definition.contract import Definition
from andon.flow.definition.reader import YamlDefinitionReader
from andon.flow.deployments.model import is_rehearsal

DEFINITION = b"""\
stages:
  first: {jobs: {build: {run: "true"}}}
  trial: {environment: trial}
  acceptance: {environment: acceptance, jobs: {ask: {run: "true"}}}
  production: {environment: production, jobs: {look: {run: "true"}}}
package: {files: [page.html]}
run:
  web: {command: exec python3 -m http.server 8000, port: 8000}
environments: {trial: {}, acceptance: {}, production: {}, own: {}}
"""


@pytest.fixture
def definition() -> Definition:
    return YamlDefinitionReader().read(DEFINITION)


def test_what_jobs_ask_before_another_environment_is_a_rehearsal(definition: Definition) -> None:
    assert is_rehearsal(definition, "acceptance")


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        ("production", "nothing comes behind: here are the customers"),
        ("trial", "no job asks it: the watch of the deployment is all there is"),
        ("own", "no stage deploys there"),
    ],
)
def test_everything_else_is_watched(definition: Definition, environment: str, why: str) -> None:
    assert not is_rehearsal(definition, environment), why
