"""What is sent where, how it is signed, and where nothing is sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from andon.feedback.webhooks.model.addresses import checked_url, networks, refusal
from andon.feedback.webhooks.model.choosing import checked_types, matches
from andon.feedback.webhooks.model.pacing import GIVEN_UP_AFTER, is_given_up, pause
from andon.feedback.webhooks.model.signing import new_secret, signed
from andon.kernel.errors import Invalid

KNOWN = ("dev.andon.rollout.paused.v1", "dev.andon.flag.killed.v1")


def test_messages_are_signed_as_the_specification_shows_it() -> None:
    # the example that the libraries of Standard Webhooks are tested with
    found = signed(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert found["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert new_secret() != new_secret()


def test_a_pattern_takes_a_type_or_what_it_begins_with() -> None:
    assert checked_types(["dev.andon.rollout.*", " dev.andon.flag.killed.v1 ", "dev.andon.rollout.*"], KNOWN) == (
        "dev.andon.rollout.*",
        "dev.andon.flag.killed.v1",
    )
    assert matches(("dev.andon.rollout.*",), KNOWN[0])
    assert not matches(("dev.andon.rollout.*",), KNOWN[1])
    assert matches(("*",), KNOWN[1])


@pytest.mark.parametrize("types", [[], ["dev.andon.rolout.*"], ["%"], ["a" * 500]])
def test_types_that_never_happen_are_refused_when_they_are_said(types: list[str]) -> None:
    with pytest.raises(Invalid):
        checked_types(types, KNOWN)


def test_a_type_that_is_misspelt_is_answered_with_the_nearest() -> None:
    with pytest.raises(Invalid) as refused:
        checked_types(["dev.andon.rollout.pausd.v1"], KNOWN)
    assert KNOWN[0] in refused.value.remedy


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example/andon?key=1",
        "http://127.0.0.1:8080/",
        "http://localhost/x",
        "http://[::1]:9/x",
    ],
)
def test_https_goes_everywhere_and_http_to_this_machine(url: str) -> None:
    assert checked_url(url, plain_http=False) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/",
        "ftp://hooks.example/",
        "file:///etc/passwd",
        "https://",
        "https://user:word@hooks.example/",
        "https://hooks.example:0/",
        "https://hooks.example:99999/",
        "https://hooks.example/\r\nhost: other",
        "https://hooks.example/#x",
        "https://[fe80::1/",
        "https://hooks.example/" + "x" * 2000,
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(Invalid):
        checked_url(url, plain_http=False)


def test_http_leaves_this_machine_where_the_settings_say_so() -> None:
    assert checked_url("http://hooks.example/", plain_http=True)
    assert refusal(["10.1.2.3"], scheme="http", plain_http=True) == ""


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "fe80::1%eth0",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "100.100.100.200",
        "168.63.129.16",
        "fd00:ec2::254",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
    ],
)
def test_what_the_cloud_answers_is_never_asked_whatever_it_is_called(address: str) -> None:
    assert refusal([address], scheme="https", plain_http=True)
    assert refusal(["10.0.0.1", address], scheme="https", plain_http=True), "one of several is enough"


def test_a_name_for_this_machine_that_stands_for_another_one_gets_nothing_over_http() -> None:
    assert refusal(["127.0.0.1", "::1"], scheme="http", plain_http=False) == ""
    assert refusal(["192.168.1.4"], scheme="http", plain_http=False)
    assert refusal(["192.168.1.4"], scheme="https", plain_http=False) == ""
    assert refusal([], scheme="https", plain_http=False)


def test_pauses_grow_to_an_hour_and_are_never_shorter_than_was_asked_for() -> None:
    seconds = [pause(number, 0.0, None).total_seconds() for number in (1, 2, 3, 20, 1000)]
    assert seconds == [5, 10, 20, 3600, 3600]
    assert pause(1, 1.0, None).total_seconds() == 2.5
    assert pause(1, 0.0, 60.0).total_seconds() == 60
    assert pause(1, 0.0, 999_999.0).total_seconds() == 3600


def test_it_is_given_up_after_a_day_or_when_it_says_that_it_is_gone() -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    assert not is_given_up(503, now - GIVEN_UP_AFTER + timedelta(seconds=1), now)
    assert is_given_up(503, now - GIVEN_UP_AFTER, now)
    assert is_given_up(410, now, now)


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "172.16.9.9", "192.168.1.4", "100.64.0.1", "fd12::1", "::ffff:10.1.2.3", "64:ff9b::a01:203"]
)
def test_a_webhook_of_one_service_goes_into_private_networks_that_the_settings_name(address: str) -> None:
    def said(*ranges: str) -> str:
        return refusal(["93.184.215.14", address], scheme="https", plain_http=False, inside=networks(ranges))

    assert "`webhooks.private_networks`" in said("10.9.0.0/16", "fd13::/16"), "the refusal says what would let it"
    assert said("10.1.0.0/16", "172.16.0.0/12", "192.168.1.4", "100.64.0.0/10", "fd12::/16") == ""
    assert refusal([address], scheme="https", plain_http=False) == "", "of the whole installation"
    written = f"https://[{address}]/" if ":" in address else f"https://{address}/"
    assert checked_url(written, plain_http=False) == written
    assert checked_url(
        written,
        plain_http=False,
        elsewhere=True,
        inside=networks(["0.0.0.0/1", "64.0.0.0/2", "128.0.0.0/1", "f000::/4"]),
    )
    with pytest.raises(Invalid, match="private network") as refused:
        checked_url(written, plain_http=False, elsewhere=True)
    assert "`webhooks.private_networks`" in refused.value.remedy


def test_a_range_that_holds_the_clouds_own_addresses_does_not_open_them() -> None:
    for address in ("169.254.169.254", "100.100.100.200", "fd00:ec2::254"):
        said = refusal(
            [address], scheme="https", plain_http=True, inside=networks(["128.0.0.0/1", "100.64.0.0/10", "fd00::/8"])
        )
        assert "cloud" in said


def test_what_everybody_can_reach_is_no_private_network() -> None:
    assert refusal(["93.184.215.14", "2606:2800:21f::1"], scheme="https", plain_http=False, inside=()) == ""
