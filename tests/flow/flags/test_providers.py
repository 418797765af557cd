"""Programs of others, and our own client, against the real server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import FlagNotFoundError, OpenFeatureError, TargetingKeyMissingError, TypeMismatchError
from openfeature.flag_evaluation import Reason

from andon.flow.definition.contract import EnvironmentDefinition
from andon.flow.flags.equipping import SOCKET, FlagFolders
from andon.kernel.access import SYSTEM
from andon_flags.client import Flags
from tests.databases import Databases
from tests.flow.flags.serving import FlagSite, create_flag, open_flag_site, set_flag
from tests.flow.installation import STORE

USER = EvaluationContext(targeting_key="u1", attributes={"email": "brent@parts.example"})
STAFF = {"when": [{"attribute": "email", "is": "ends-with", "values": ["@parts.example"]}], "serve": "on"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[FlagSite]:
    with open_flag_site(tmp_path_factory.mktemp("providers"), databases) as found:
        create_flag(found)
        set_flag(found, {"default": {"on": 30, "off": 70}, "rules": [STAFF]})
        create_flag(found, "banner", kind="string", variants={"blue": "#00f", "red": "#f00"}, off="blue")
        create_flag(found, "limit", kind="number", variants={"few": 10, "many": 20}, off="few")
        create_flag(found, "ratio", kind="number", variants={"whole": 1, "half": 0.5}, off="whole")
        create_flag(found, "layout", kind="object", variants={"old": {"columns": [1, 2]}, "new": {}}, off="old")
        yield found


@pytest.fixture(scope="module")
def provider(site: FlagSite) -> Iterator[OFREPProvider]:
    token = site.token(scope="evaluate")
    made = OFREPProvider(
        f"{site.serving.address}/ofrep/store/production",
        headers_factory=lambda: {"Authorization": f"Bearer {token}"},
    )
    yield made
    made.session.close()


def test_openfeatures_own_provider_gets_every_kind_of_value(provider: OFREPProvider) -> None:
    found = provider.resolve_boolean_details("new-checkout", False, USER)
    assert (found.value, found.variant, found.reason) == (True, "on", Reason.TARGETING_MATCH)
    assert found.flag_metadata["rule"] == "r1"
    assert provider.resolve_string_details("banner", "", USER).value == "#00f"
    assert provider.resolve_integer_details("limit", 0, USER).value == 10
    assert provider.resolve_float_details("ratio", 0.0, USER).value == 1.0
    assert provider.resolve_object_details("layout", {}, USER).value == {"columns": [1, 2]}


def test_openfeatures_own_provider_understands_what_goes_wrong(site: FlagSite, provider: OFREPProvider) -> None:
    with pytest.raises(FlagNotFoundError, match="no flag 'nothing'"):
        provider.resolve_boolean_details("nothing", False, USER)
    with pytest.raises(TargetingKeyMissingError, match="no targetingKey"):
        provider.resolve_boolean_details("new-checkout", False, EvaluationContext())
    with pytest.raises(TypeMismatchError):
        provider.resolve_string_details("new-checkout", "", USER)
    stranger = OFREPProvider(f"{site.serving.address}/ofrep/store/production")
    with pytest.raises(OpenFeatureError, match="unauthorized"):
        stranger.resolve_boolean_details("new-checkout", False, USER)
    stranger.session.close()


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
    return holds()


def test_our_own_client_follows_the_stream_with_a_token(site: FlagSite, tmp_path: Path) -> None:
    create_flag(site, "followed")
    flags = Flags(
        site.serving.address,
        site.token(scope="evaluate"),
        tmp_path / "flags.json",
        service="store",
        environment="production",
        variables={},
    )
    try:
        assert flags.ready(60)
        assert eventually(lambda: flags.boolean("followed", {"targetingKey": "u1"}, True) is False)
        set_flag(site, {"default": "on"}, "followed")
        assert eventually(lambda: flags.boolean("followed", {"targetingKey": "u1"}))
    finally:
        flags.close()


def test_our_own_client_follows_the_socket_of_its_environment_without_one(site: FlagSite) -> None:
    create_flag(site, "inside")
    with site.installation.database.transaction() as tx:
        site.installation.environments.ensure(tx, SYSTEM, STORE, EnvironmentDefinition(name="production"))
    path = FlagFolders(site.doors).folder(STORE, "production") / SOCKET
    assert eventually(path.exists)
    flags = Flags(f"unix:{path}", variables={})
    try:
        assert eventually(lambda: flags.boolean("inside", {"targetingKey": "u1"}, True) is False)
        set_flag(site, {"default": "on"}, "inside")
        assert eventually(lambda: flags.boolean("inside", {"targetingKey": "u1"}))
    finally:
        flags.close()
