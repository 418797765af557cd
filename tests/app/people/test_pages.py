"""The console's pages of people: who sees them, what they say, and what is done there."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from andon.app.people.pages.listing import SHOWN
from andon.app.people.room import people_room
from andon.app.record.room import record_room
from andon.kernel.access import Grant, PersonId, Principal, Role, people, tokens
from andon.kernel.access.people import PeopleDirectory
from andon.kernel.access.signing_in import person_actor
from andon.kernel.clock import SettableClock
from andon.kernel.db import Database, open_engine
from andon.kernel.events import ANDON, Facets
from andon.kernel.events import page as page_of
from tests.app.conftest import people_and_record
from tests.databases import Databases
from tests.serving import PASSWORD, Browser, Serving, quick_passwords, serving, settings_for

PLACES = {"store": ("acceptance", "production"), "payment": ()}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[tuple[Serving, SettableClock]]:
    settings = settings_for(tmp_path_factory.mktemp("andon"), databases.url("sqlite"))
    passwords, clock = quick_passwords(), SettableClock()
    rooms = (
        record_room(PeopleDirectory(), settings.data / "keys" / "record.pem"),
        people_room(settings, passwords, places=lambda reading: PLACES),
    )
    with serving(settings, Database(open_engine(settings.database_url), clock), rooms, passwords) as running:
        yield running, clock


@pytest.fixture
def fresh_server(tmp_path: Path, databases: Databases) -> Iterator[Serving]:
    with people_and_record(tmp_path / "andon", databases) as running:
        yield running


@pytest.fixture
def server(shared: tuple[Serving, SettableClock]) -> Serving:
    return shared[0]


@pytest.fixture
def boss(server: Serving) -> Browser:
    return server.administrator()


def invited(server: Serving, name: str, *roles: Grant, email: str | None = None) -> str:
    """Somebody who was invited and has not come; returns their id."""
    with server.database.transaction() as tx:
        link = people.invite(tx, name=name, email=email, roles=roles, by=ANDON)
    return str(link.person)


def id_of(server: Serving, name: str) -> str:
    with server.database.reading() as reading:
        return str(people.find_person(reading, name))


def heading(text: str) -> str:
    found = re.search(r"<h1>(.*?)</h1>", text, re.DOTALL)
    assert found
    return html.unescape(re.sub(r"<svg.*?</svg>|<[^>]+>", "", found[1], flags=re.DOTALL)).strip()


def links_in(answer: httpx.Response) -> set[str]:
    return set(re.findall(r"/welcome\?token=([\w-]+)", answer.text))


def roles_of(server: Serving, person: str) -> set[Grant]:
    with server.database.reading() as reading:
        return next(set(one.grants) for one in people.all_people(reading) if one.id == person)


def test_the_list_says_who_is_here_and_who_administers(server: Serving, boss: Browser) -> None:
    server.person("Brent Geller", [{"role": "administrator"}])
    invited(server, "Shannon Law", Grant(Role.OPERATOR, "store", "production"), email="shannon@example.org")
    text = boss.get("/people").text
    assert re.fullmatch(r"\d+ people; \d+ invitations? (is|are) open; .*Brent Geller.* administer Andon", heading(text))
    assert "shannon@example.org" in text
    assert "<strong>Operator</strong> on production of store" in text
    assert "<strong>Administrator</strong> everywhere" in text
    assert ">invited</span>" in text
    assert "seen <time" in text
    found = boss.get("/people?q=shannon+production").text
    assert "Shannon Law" in found
    assert "Brent Geller" not in found
    assert heading(boss.get("/people?q=nobody-of-this-name").text).startswith("0 people found")
    assert "Brent Geller" not in boss.get("/people?which=invited").text
    assert "Shannon Law" not in boss.get("/people?which=administrators").text


def test_an_invitation_that_ran_out_says_so(
    shared: tuple[Serving, SettableClock], boss: Browser, server: Serving
) -> None:
    person = invited(server, "Late Larry")
    shared[1].advance(8 * 24 * 3600)
    boss.sign_in("Maxine")
    assert "run out" in heading(boss.get("/people?which=invited").text) or "ran out" in boss.get("/people").text
    assert "but the link has run out" in heading(boss.get(f"/people/{person}").text)


def test_the_list_goes_on_by_cursor_and_counts_honestly(server: Serving, boss: Browser) -> None:
    for number in range(SHOWN + 5):
        invited(server, f"Crowd {number:03}")
    address, seen = "/people?q=crowd", []
    while address:
        text = boss.get(address).text
        seen += re.findall(r">(Crowd \d+)</a>", text)
        assert f"of {SHOWN + 5} people" in text
        further = re.search(r'rel="next" href="([^"]+)"', text)
        address = html.unescape(further[1]) if further else ""
    assert seen == [f"Crowd {number:03}" for number in range(SHOWN + 5)]
    assert boss.get("/people?q=crowd&after=nobody").status_code == 200


def test_an_invitation_link_is_shown_once_and_lets_in_once(server: Serving, boss: Browser) -> None:
    sent = boss.submit(
        "/people/invite",
        "/people/invite",
        name="Patty McKee",
        email="patty@example.org",
        role="viewer",
        service="store",
    )
    assert sent.status_code == 200, "the link is in the answer itself: an address would keep it"
    assert sent.headers["cache-control"] == "no-store"
    assert "location" not in sent.headers
    (secret,) = links_in(sent)
    assert "Copy it now" in sent.text
    person = id_of(server, "Patty McKee")
    assert roles_of(server, person) == {Grant(Role.VIEWER, "store")}
    for page in ("/people", f"/people/{person}", "/people/invite", "/record", f"/record?subject=person%3A{person}"):
        assert secret not in boss.get(page).text, page
    assert secret not in server.api().get("/events").text
    again = boss.submit("/people/invite", "/people/invite", name="Patty McKee")
    assert again.status_code == 409
    assert "exists already" in again.text
    assert 'value="Patty McKee"' in again.text
    assert not links_in(again)
    visitor = server.browser()
    fields = {"token": secret, "password": PASSWORD, "again": PASSWORD}
    assert visitor.submit(f"/welcome?token={secret}", "/welcome", **fields).status_code == 303
    assert server.browser().get(f"/welcome?token={secret}").status_code == 404


def test_a_new_link_makes_the_old_one_worthless(server: Serving, boss: Browser) -> None:
    (first,) = links_in(boss.submit("/people/invite", "/people/invite", name="John Pesche"))
    person = id_of(server, "John Pesche")
    answer = boss.submit(f"/people/{person}", f"/people/{person}/invite")
    (second,) = links_in(answer)
    assert answer.headers["cache-control"] == "no-store"
    assert server.browser().get(f"/welcome?token={first}").status_code == 404
    assert server.browser().get(f"/welcome?token={second}").status_code == 200


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"name": ""}, "1 to 100 printable"),
        ({"name": "Nameless", "email": "not an address"}, "not an e-mail address"),
        ({"name": "Nameless", "role": "king"}, "no role"),
        ({"name": "Nameless", "role": "viewer", "environment": "production"}, "needs its service"),
        ({"name": "Nameless", "role": "viewer", "service": "a b"}, "can be called like that"),
        ({"name": "Nameless", "role": "viewer", "service": "x" * 81}, "can be called like that"),
    ],
)
def test_a_form_with_a_mistake_comes_back_and_invites_nobody(
    server: Serving, boss: Browser, fields: dict[str, str], says: str
) -> None:
    answer = boss.submit("/people/invite", "/people/invite", **fields)
    assert answer.status_code == 400
    assert says in html.unescape(answer.text)
    assert ">Nameless</a>" not in boss.get("/people").text


def test_a_role_is_granted_revoked_and_given_back(server: Serving, boss: Browser) -> None:
    person = invited(server, "Bill Palmer")
    page, wanted = f"/people/{person}", Grant(Role.OPERATOR, "store", "production")
    fields = {"role": "operator", "service": "store", "environment": "production"}
    sent = boss.submit(page, f"{page}/roles", **fields)
    assert sent.status_code == 303
    assert roles_of(server, person) == {wanted}
    shown = boss.get(sent.headers["location"]).text
    assert "Bill Palmer is now operator on production of store" in shown
    assert "Granted by Maxine <a" in shown
    assert boss.submit(page, f"{page}/roles", **fields).status_code == 409, "granted twice is told, not done"
    sent = boss.submit(page, f"{page}/roles/revoke", **fields)
    assert roles_of(server, person) == set()
    shown = boss.get(sent.headers["location"]).text
    assert "is no longer operator on production of store" in shown
    toast = shown.partition("data-toast>")[2]
    assert f'action="{page}/roles"' in toast
    assert boss.submit(page, f"{page}/roles", **fields).status_code == 303
    assert roles_of(server, person) == {wanted}


def test_what_was_done_is_told_by_the_record_and_not_by_the_address(server: Serving, boss: Browser) -> None:
    person = invited(server, "Wes Davis", Grant(Role.VIEWER))
    with server.database.reading() as reading:
        # Andon's own grant, which is not the reader's to undo
        newest = str(page_of(reading, Facets(type="dev.andon.role.*"), limit=1)[0].position)
    for done in (newest, "1", "x", "-1", "9" * 19, "9" * 30, ""):
        assert "data-toast>" not in boss.get(f"/people/{person}?done={done}").text, done


def test_a_role_on_what_is_not_there_says_so(server: Serving, boss: Browser) -> None:
    person = invited(
        server,
        "Kurt Reznick",
        Grant(Role.VIEWER, "stroe"),
        Grant(Role.VIEWER, "payment", "qa"),
        Grant(Role.VIEWER, "store"),
    )
    text = boss.get(f"/people/{person}").text
    assert "there is no service stroe yet" in text
    assert "payment has no environment qa yet" in text
    assert "no service store yet" not in text


def test_the_last_administrator_cannot_go(fresh_server: Serving) -> None:
    boss = fresh_server.administrator()
    person = id_of(fresh_server, "Maxine")
    page = f"/people/{person}"
    assert boss.get(page).text.count("The last administrator stays") == 2
    for answer in (
        boss.submit("/people/invite", f"{page}/roles/revoke", role="administrator", confirm="administrator"),
        boss.submit("/people/invite", f"{page}/erase", confirm="Maxine"),
    ):
        assert answer.status_code == 409
        assert "last administrator" in answer.text
    assert roles_of(fresh_server, person) == {Grant(Role.ADMINISTRATOR)}


def test_giving_up_ones_own_administration_asks_first(fresh_server: Serving) -> None:
    boss = fresh_server.administrator()
    fresh_server.person("Brent", [{"role": "administrator"}])
    person = id_of(fresh_server, "Maxine")
    revoke = f"/people/{person}/roles/revoke"
    assert boss.submit(f"/people/{person}", revoke, role="administrator").status_code == 400
    assert roles_of(fresh_server, person) == {Grant(Role.ADMINISTRATOR)}
    sent = boss.submit(f"/people/{person}", revoke, role="administrator", confirm="administrator")
    assert sent.status_code == 303
    after = boss.get(sent.headers["location"])
    assert after.status_code == 403
    assert heading(after.text).endswith("looked after by Brent")


def test_erasing_asks_for_the_name_and_leaves_the_id(server: Serving, boss: Browser) -> None:
    person = invited(server, "Steve Masters", Grant(Role.VIEWER), email="steve@example.org")
    page = f"/people/{person}"
    assert boss.submit(page, f"{page}/erase", confirm="Steve").status_code == 400
    assert "Steve Masters" in boss.get(page).text
    sent = boss.submit(page, f"{page}/erase", confirm="Steve Masters")
    assert (sent.status_code, sent.headers["location"]) == (303, page)
    shown = boss.get(page).text
    assert "was erased" in heading(shown)
    assert person in shown
    for address in (page, "/people", "/people?which=erased"):
        assert "Steve" not in boss.get(address).text
        assert "steve@" not in boss.get(address).text
    assert 'href="/people/' + person in boss.get("/people?which=erased").text
    for deed in ("roles", "invite", "erase"):
        assert (
            boss.submit("/people/invite", f"{page}/{deed}", role="viewer", confirm="erased person").status_code == 404
        )


def test_a_token_of_somebody_is_seen_and_revoked(server: Serving, boss: Browser) -> None:
    brent = server.person("Brent Two", [{"role": "developer", "service": "store"}])
    made = brent.submit("/account", "/account/tokens", label="release robot", days="30", scope="push")
    secret = re.search(r"andon_[\w-]{20,}", made.text)
    assert secret
    person = id_of(server, "Brent Two")
    page = f"/people/{person}"
    shown = boss.get(page).text
    assert "release robot" in shown
    assert "only push" in shown
    assert secret[0] not in shown
    (token,) = server.api().get(f"/people/{person}/tokens").json()["tokens"]
    revoke = f"{page}/tokens/{token['id']}/revoke"
    assert boss.submit(page, revoke, confirm="something else").status_code == 400
    assert server.api(secret[0]).get("/me").status_code == 200
    assert boss.submit(page, revoke, confirm="release robot").status_code == 303
    assert server.api(secret[0]).get("/me").status_code == 401
    assert boss.submit(page, revoke, confirm="release robot").status_code == 404
    other = server.api().post("/tokens", json={"label": "mine"}).json()["token"]["id"]
    assert boss.submit(page, f"{page}/tokens/{other}/revoke", confirm="mine").status_code == 404


def test_whoever_does_not_administer_is_told_whom_to_ask(server: Serving, boss: Browser) -> None:
    person = invited(server, "Somebody Private", email="private@example.org")
    visitor = server.person("Plain Viewer", [{"role": "operator", "service": "store"}])
    for address in ("/people", "/people/invite", f"/people/{person}", "/people/person_of_nobody"):
        answer = visitor.get(address)
        assert answer.status_code == 403, address
        assert "looked after by" in heading(answer.text)
        assert "Maxine" in heading(answer.text)
        assert "Operator on store" in answer.text
        assert "Somebody Private" not in answer.text
        assert "private@" not in answer.text
        assert 'href="/people' not in answer.text, "neither rail nor menu leads there"
    assert "Somebody Private" not in visitor.get("/palette.json").text
    assert "Somebody Private" in boss.get("/palette.json").text
    assert boss.get("/account").text.count('href="/people"') == 2, "in the rail and in the menu"
    page = f"/people/{person}"
    for deed, fields in (
        ("/people/invite", {"name": "A friend"}),
        (f"{page}/invite", {}),
        (f"{page}/roles", {"role": "administrator"}),
        (f"{page}/roles/revoke", {"role": "viewer"}),
        (f"{page}/erase", {"confirm": "Somebody Private"}),
        (f"{page}/tokens/token_x/revoke", {}),
    ):
        refused = visitor.submit("/account", deed, **fields)
        assert refused.status_code == 403, deed
        assert not links_in(refused)
    assert roles_of(server, person) == set()
    assert "A friend" not in boss.get("/people").text


def test_a_token_bound_to_a_service_sees_nobody(server: Serving, boss: Browser) -> None:
    made = server.api().post("/tokens", json={"label": "bound", "services": ["store"]}).json()["secret"]
    answer = httpx.get(
        f"{server.address}/people", headers={"authorization": f"Bearer {made}", "accept": "text/html"}, timeout=30
    )
    assert answer.status_code == server.api(made).get("/people").status_code == 403


def test_a_stranger_is_sent_to_the_door(server: Serving) -> None:
    for address in ("/people", "/people/invite", "/people/x"):
        assert server.browser().get(address).headers["location"].startswith("/login")


def test_a_form_from_another_page_changes_nothing(server: Serving, boss: Browser) -> None:
    person = invited(server, "Careful Carol")
    page = f"/people/{person}"
    for deed in ("/people/invite", f"{page}/invite", f"{page}/roles", f"{page}/roles/revoke", f"{page}/erase"):
        fields = {"name": "Forged", "role": "administrator", "confirm": "Careful Carol", "_csrf_token": "0" * 64}
        answer = boss.post(deed, data=fields)
        assert answer.status_code == 403, deed
        assert not links_in(answer)
    assert roles_of(server, person) == set()
    assert "Careful Carol" in boss.get(page).text
    assert "Forged" not in boss.get("/people").text


def test_hostile_names_are_only_text(server: Serving, boss: Browser) -> None:
    name = "<script>alert(1)</script>\"'"
    person = invited(server, name)
    with server.database.transaction() as tx:
        who = PersonId(person)
        asker = Principal(actor=person_actor(who), person=who, grants=())
        tokens.create_token(tx, asker, label="<b>robot</b>")
    (_,) = links_in(boss.submit(f"/people/{person}", f"/people/{person}/invite"))
    for address in ("/people", f"/people/{person}", "/people?q=%3Cscript%3Ealert", "/people?which=%3Cscript%3Ealert"):
        text = boss.get(address).text
        assert "<script>alert" not in text, address
        assert "<b>robot" not in text
    assert html.escape("<script>alert(1)</script>") in boss.get("/people").text
    wrong = boss.submit("/people/invite", "/people/invite", name='"><script>x</script>', role='"><script>y</script>')
    assert "<script>x" not in wrong.text
    assert "<script>y" not in wrong.text


def test_the_operator_of_the_machine_is_nobody_to_change(server: Serving, boss: Browser) -> None:
    assert boss.get("/people/operator").status_code == 404
    api = server.api()
    for method, path, body in (
        ("POST", "/people/operator/invite", None),
        ("POST", "/people/operator/roles", {"role": "viewer"}),
        ("POST", "/people/operator/roles/revoke", {"role": "administrator"}),
        ("DELETE", "/people/operator", None),
    ):
        assert api.request(method, path, json=body).status_code == 403, path
    assert api.get("/people").status_code == 200
