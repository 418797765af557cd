"""The command line against a live server, as a process with its real exit codes."""

from __future__ import annotations

import stat
from dataclasses import asdict
from pathlib import Path

import pytest

from andon.app.commands import Started, greeting
from andon.kernel.access.contract import OPERATOR, TokenCreated
from andon.kernel.events import ANDON, append
from andon.kernel.events.seal import SealingKey, seal_next
from andon.kernel.events.storage import seals
from andon.web.terminal.whereabouts import Whereabouts, note
from tests.app.conftest import Terminal, people_and_record
from tests.databases import Databases
from tests.serving import PASSWORD, Serving


def test_on_the_same_machine_nothing_needs_to_be_set_up(andon: Terminal) -> None:
    said = andon("whoami")
    assert (said.code, said.err) == (0, "")
    assert "operator" in said.out
    assert andon("whoami", "--json").json["roles"][0]["role"] == "administrator"


def test_the_running_one_is_found_through_its_data_directory_whatever_its_port(
    tmp_path: Path, andon: Terminal, server: Serving
) -> None:
    data = tmp_path / "elsewhere"
    data.mkdir(mode=0o700)
    (data / "operator.token").write_text((server.settings.data / "operator.token").read_text())
    (data / "settings.toml").write_text("[web]\nport = 1\n")
    down = andon("whoami", ANDON_DATA=str(data), ANDON_URL="")
    assert (down.code, "http://127.0.0.1:1:" in down.err) == (7, True), down.err
    note(data, Whereabouts(server.address, "https://andon.example"))
    assert andon("whoami", ANDON_DATA=str(data), ANDON_URL="").code == 0
    told = andon("whoami", ANDON_DATA=str(data), ANDON_URL="", ANDON_WEB_PORT="2")
    assert "http://127.0.0.1:2:" in told.err, "what is said aloud goes before"
    nowhere = andon("whoami", ANDON_DATA="/nowhere", ANDON_URL="")
    assert "no Andon of yours in /nowhere. ANDON_DATA names" in nowhere.err


def test_who_starts_it_elsewhere_is_told_what_other_terminals_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANDON_DATA", "/srv/known")
    assert "export" not in greeting(Started(address="http://localhost:7777", data="/srv/known"))
    told = greeting(Started(address="http://localhost:7777", data="/srv/a b"))
    assert told.endswith("\n  export ANDON_DATA='/srv/a b'")


def test_signing_in_keeps_a_token_for_its_owner_only(andon: Terminal, server: Serving) -> None:
    server.administrator()
    wrong = andon("login", server.address, "--name", "Maxine", typed="wrong\n", ANDON_DATA="/nowhere")
    assert wrong.code == 4
    assert "name or the password is wrong" in wrong.err
    right = andon("login", server.address, "--name", "Maxine", typed=f"{PASSWORD}\n", ANDON_DATA="/nowhere")
    assert right.code == 0, right.err
    assert PASSWORD not in right.out + right.err
    file = andon.home / "config" / "andon" / "config.toml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert PASSWORD not in file.read_text()
    me = andon("whoami", "--json", ANDON_URL="", ANDON_DATA="/nowhere")
    assert me.json["name"] == "Maxine"
    token = file.read_text().partition('token = "')[2].partition('"')[0]
    assert andon("logout", ANDON_URL="", ANDON_DATA="/nowhere").code == 0
    assert token not in file.read_text()
    assert server.api(token).get("/me").status_code == 401
    nobody = andon("whoami", ANDON_URL="", ANDON_DATA="/nowhere")
    assert nobody.code == 4
    assert "andon login" in nobody.err


def test_a_token_is_made_used_and_revoked(andon: Terminal) -> None:
    made = andon("token", "create", "ci", "--scope", "read", "--days", "1", "--json")
    secret = made.json["secret"]
    assert made.json["token"]["scopes"] == ["read"]
    assert "ci" in andon("token", "list").out
    assert secret not in andon("token", "list", "--json").out
    refused = andon("person", "list", ANDON_TOKEN=secret)
    assert refused.code == 4
    assert "scope 'administer'" in refused.err
    assert andon("token", "revoke", made.json["token"]["prefix"]).code == 0
    assert andon("whoami", ANDON_TOKEN=secret).code == 4


def test_people_are_invited_given_roles_and_erased(andon: Terminal) -> None:
    link = andon("person", "invite", "Brent Geller", "--email", "brent@example.org", "--json").json
    assert "/welcome?token=" in link["link"]
    assert andon("role", "grant", "brent geller", "operator", "-s", "store", "-e", "staging").code == 0
    listed = andon("person", "list", "--json").json["people"]
    (brent,) = [one for one in listed if one["id"] == link["person"]]
    assert brent["roles"] == [{"role": "operator", "service": "store", "environment": "staging"}]
    assert andon("role", "revoke", "brent@example.org", "operator", "-s", "store").code == 3
    assert andon("role", "revoke", "brent@example.org", "operator", "-s", "store", "-e", "staging").code == 0
    asked = andon("person", "erase", "Brent Geller", typed="n\n")
    assert asked.code == 1
    alone = andon("person", "erase", "Brent Geller")
    assert (alone.code, ":\nerror: Nobody is there to answer." in alone.err, "--yes" in alone.err) == (2, True, True)
    assert "Brent Geller" in andon("person", "list").out
    assert andon("person", "erase", "Brent Geller", "--yes").code == 0
    assert "Brent" not in andon("person", "list", "--json").out
    again = andon("person", "erase", "Brent Geller", "--yes")
    assert again.code == 3
    assert "andon person list" in again.err


def test_the_record_is_read_filtered_and_checked(andon: Terminal) -> None:
    andon("token", "create", "for the record")
    lines = andon("events", "--json", "--type", "dev.andon.token.*").out.splitlines()
    assert lines
    assert all('"specversion":"1.0"' in line for line in lines)
    assert "operator (by token) made a token" in andon("events", "-n", "500").out
    for short in (("--type", "token"), ("--type", "token.created"), ("--since", "2h"), ("--since", "2026-01-05")):
        assert "made a token" in andon("events", *short).out, short
    assert andon("events", "--type", "deployment", "--until", "2h").out.strip() == "Nothing matches."
    when = andon("events", "--since", "yesterday")
    assert (when.code, "'yesterday' is no moment." in when.err, "2h" in when.err) == (2, True, True)
    assert andon("events", "--type", "nothing.at.all").out.strip() == "Nothing matches."
    checked = andon("events", "verify", "--json")
    assert (checked.code, checked.json["sound"]) == (0, True)
    assert andon("events", "dead-letters").code == 0


def test_a_value_that_is_no_choice_is_told_in_words(andon: Terminal) -> None:
    told = andon("runs", "--state", "fialed")
    assert told.code == 2
    assert "Invalid value for '--state': 'fialed' is not one of 'queued', 'running'" in told.err


def test_a_broken_chain_is_an_error(tmp_path: Path, databases: Databases) -> None:
    with people_and_record(tmp_path / "data", databases) as server:
        andon = Terminal(tmp_path, server.settings.data, server.address)
        key = SealingKey.at(server.settings.data / "keys" / "record.pem")
        with server.database.transaction() as tx:
            sealed = seal_next(tx, key)
        assert sealed is not None
        assert andon("events", "verify", "--json").json["seals"] == 1
        andon("token", "create", "after the seal")
        with server.database.transaction() as tx:
            forged = seal_next(tx, key)
            assert forged is not None
            tx.connection.execute(
                seals.insert().values({**asdict(forged), "number": forged.number + 1, "previous": "0" * 64})
            )
        broken = andon("events", "verify", "--json")
    assert broken.code == 1
    assert "does not follow the one before it" in broken.json["fault"]
    assert "does not follow the one before it" in broken.err


def test_a_chain_sealed_with_a_foreign_key_is_an_error(tmp_path: Path, databases: Databases) -> None:
    with people_and_record(tmp_path / "data", databases) as server:
        andon = Terminal(tmp_path, server.settings.data, server.address)
        with server.database.transaction() as tx:
            assert seal_next(tx, SealingKey.at(tmp_path / "foreign.pem")) is not None
        forged = andon("events", "verify", "--json")
        page = server.administrator().get("/record/verify").text
    assert forged.code == 1
    assert "a key that is not this installation" in forged.json["fault"]
    assert "a key that is not this installation" in page


def test_following_shows_what_happens_next(andon: Terminal) -> None:
    process = andon.start("events", "--follow", "--json", "--type", "dev.andon.token.created*", "-n", "1")
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        made = andon("token", "create", "followed", "--json").json["token"]["id"]
        second = process.stdout.readline()
    finally:
        process.kill()
        process.communicate()
    assert made not in first
    assert made in second


def test_following_cannot_steer_the_terminal(andon: Terminal, server: Serving) -> None:
    made = TokenCreated(
        token="tok_\x1b[2J", person=OPERATOR, scopes=None, services=("\x1b]0;\x9b2J\n",), expires_at=None
    )
    with server.database.transaction() as tx:
        append(tx, made, by=ANDON)
    process = andon.start("events", "--follow", "--type", "dev.andon.token.created*", "-n", "1")
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
    finally:
        process.kill()
        process.communicate()
    assert "made a token" in line
    assert line.removesuffix("\n").isprintable()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("nonsense",), 2),
        (("events", "--limit", "0"), 2),
        (("events", "--since", "yesterday"), 2),
        (("events", "--commit", "ab"), 2),
        (("role", "grant", "nobody", "viewer"), 3),
        (("events", "retry", "nothing", "1"), 3),
        (("login", "not an address"), 2),
        (("--version",), 0),
    ],
)
def test_exit_codes(andon: Terminal, arguments: tuple[str, ...], code: int) -> None:
    answer = andon(*arguments)
    assert answer.code == code, answer
    assert "Traceback" not in answer.err


def test_a_server_that_does_not_answer(andon: Terminal) -> None:
    silent = andon("whoami", ANDON_URL="http://127.0.0.1:1", ANDON_TOKEN="x")
    assert silent.code == 7
    assert "andon up" in silent.err
    as_json = andon("whoami", "--json", ANDON_URL="http://127.0.0.1:1", ANDON_TOKEN="x")
    assert as_json.out == ""
    assert '"code":"andon.unavailable"' in as_json.err


def test_a_broken_configuration_is_named(andon: Terminal) -> None:
    file = andon.home / "config" / "andon" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text("current = ")
    broken = andon("whoami")
    assert broken.code == 2
    assert str(file) in broken.err


def test_names_cannot_steer_the_terminal(andon: Terminal) -> None:
    andon("token", "create", "plain", "--json")
    refused = andon("token", "create", "a\x1b[31mb")
    assert refused.code == 2
    assert "\x1b" not in refused.err


def test_the_operators_token_is_out_of_reach_for_others(server: Serving) -> None:
    file = Path(server.settings.data) / "operator.token"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
