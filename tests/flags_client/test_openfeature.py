"""The provider, behind OpenFeature's own SDK."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import EventDetails, ProviderEvent
from openfeature.exception import ErrorCode, ProviderNotReadyError
from openfeature.flag_evaluation import Reason
from openfeature.provider import ProviderStatus

from andon_flags import Flags
from andon_flags.openfeature import AndonProvider
from benchmarks.harness.flag_stream import FlagStream
from tests.flags_client.documents import document, switch, when

GERMANS = [{"id": "germans", "when": [when("country", "in", "DE")], "serve": "on"}]
FLAGS: dict[str, Any] = {
    "checkout": switch(rules=GERMANS),
    "split": switch(default=[[0, 50_000, "on"], [50_000, 100_000, "off"]]),
    "color": switch(kind="string", variants={"on": "blue", "off": "red"}),
    "whole": switch(kind="number", variants={"off": 3}),
    "half": switch(kind="number", variants={"off": 0.5}),
    "layout": switch(kind="object", variants={"off": {"columns": [1, 2]}}),
    "list": switch(kind="object", variants={"off": [1, 2]}),
    "disabled": switch(enabled=False, default="on"),
}
GERMAN = EvaluationContext("u1", {"country": "DE"})


@pytest.fixture
def client() -> Iterator[OpenFeatureClient]:
    api.set_provider_and_wait(AndonProvider(Flags(document=document(FLAGS), variables={})))
    yield api.get_client()
    api.clear_providers()


def test_each_kind_is_answered(client: OpenFeatureClient) -> None:
    assert client.get_boolean_value("checkout", False, GERMAN) is True
    assert client.get_string_value("color", "none") == "red"
    assert client.get_integer_value("whole", 0) == 3
    assert client.get_float_value("whole", 0.0) == 3.0
    assert client.get_float_value("half", 0.0) == 0.5
    assert client.get_object_value("layout", {}) == {"columns": [1, 2]}
    assert client.get_object_value("list", []) == [1, 2]


def test_details_are_openfeatures(client: OpenFeatureClient) -> None:
    found = client.get_boolean_details("checkout", False, GERMAN)
    assert (found.variant, found.reason, found.flag_metadata) == ("on", Reason.TARGETING_MATCH, {"rule": "germans"})
    assert client.get_boolean_details("checkout", True).reason == Reason.DEFAULT
    assert client.get_boolean_details("disabled", True).reason == Reason.DISABLED
    assert client.get_boolean_details("split", True, GERMAN).reason == Reason.SPLIT
    assert client.get_string_details("color", "").reason == Reason.STATIC


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        (lambda client: client.get_boolean_details("nothing", True), ErrorCode.FLAG_NOT_FOUND),
        (lambda client: client.get_boolean_details("color", True), ErrorCode.TYPE_MISMATCH),
        (lambda client: client.get_integer_details("half", True), ErrorCode.TYPE_MISMATCH),
        (lambda client: client.get_boolean_details("split", True), ErrorCode.TARGETING_KEY_MISSING),
    ],
)
def test_what_cannot_be_told_is_the_default_with_a_code(
    client: OpenFeatureClient, ask: Callable[[OpenFeatureClient], Any], code: ErrorCode
) -> None:
    found = ask(client)
    assert (found.value, found.error_code, found.reason) == (True, code, Reason.ERROR)
    assert found.error_message


def test_changes_are_events_of_openfeature() -> None:
    heard: list[list[str] | None] = []

    def changed(details: EventDetails) -> None:
        heard.append(details.flags_changed)

    handled = threading.Event()

    class Ready(threading.Event):
        """Whoever waits for the first flags has gone on before anybody is told of them."""

        def set(self) -> None:
            super().set()
            handled.wait(60)

    with FlagStream(document(FLAGS)) as server, Flags(server.url, variables={}) as flags:
        flags._has_document = Ready()
        api.set_provider_and_wait(AndonProvider(flags, wait=60))
        client = api.get_client()
        client.add_handler(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, changed)
        handled.set()
        server.publish(document({**FLAGS, "color": switch()}, revision=2))
        for _ in range(1200):
            if heard:
                break
            time.sleep(0.05)
        assert heard == [["color"]]
        api.clear_providers()
        assert flags.boolean("checkout", {"country": "DE"})  # they are not the provider's to close


def listening(heard: list[str], name: str) -> Callable[[EventDetails], None]:
    def listen(_: EventDetails) -> None:
        heard.append(name)

    return listen


def test_a_provider_turns_stale_and_ready_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("andon_flags.following.GRACE", 0.5)
    heard: list[str] = []

    def wait_for(*events: str) -> None:
        for _ in range(1200):
            if tuple(heard) == events:
                return
            time.sleep(0.05)
        raise AssertionError(heard)

    with FlagStream(document(FLAGS)) as server, Flags(server.url, variables={}) as flags:
        api.set_provider_and_wait(AndonProvider(flags, wait=60))
        client = api.get_client()
        for event in ProviderEvent:
            client.add_handler(event, listening(heard, event.name))
        wait_for("PROVIDER_READY")  # a handler for what is already so is called at once
        server.down()
        wait_for("PROVIDER_READY", "PROVIDER_STALE")
        assert client.get_provider_status() is ProviderStatus.STALE
        assert client.get_string_value("color", "none") == "red"
        server.up()
        wait_for("PROVIDER_READY", "PROVIDER_STALE", "PROVIDER_READY")
        assert client.get_provider_status() is ProviderStatus.READY
        api.clear_providers()


def test_a_provider_without_flags_is_ready_once_they_come() -> None:
    with FlagStream(document(FLAGS)) as server:
        server.down()
        with Flags(server.url, variables={}) as flags:
            with pytest.raises(ProviderNotReadyError):
                api.set_provider_and_wait(AndonProvider(flags, wait=0.1))
            client = api.get_client()
            assert client.get_provider_status() is ProviderStatus.ERROR
            server.up()
            for _ in range(1200):
                if client.get_provider_status() is ProviderStatus.READY:
                    break
                time.sleep(0.05)
            assert client.get_provider_status() is ProviderStatus.READY
            api.clear_providers()


def test_without_flags_the_provider_is_not_ready() -> None:
    with pytest.raises(ProviderNotReadyError, match=r"no flags after 0\.1 s"):
        api.set_provider_and_wait(AndonProvider(Flags(variables={}), wait=0.1))
    assert api.get_client().get_boolean_value("checkout", True, GERMAN) is True
    api.clear_providers()
