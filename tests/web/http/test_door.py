"""Coming in and going out through a browser."""

from __future__ import annotations

import html
from datetime import timedelta

import pytest
import sqlalchemy as sa

from andon.kernel.access.signing_in import PER_ACCOUNT_AND_ADDRESS
from andon.kernel.access.storage import sessions
from tests.serving import PASSWORD, Serving


def test_the_first_administrator_comes_in_by_the_link_and_only_once(fresh: Serving) -> None:
    assert fresh.browser().get(fresh.welcome).headers["cache-control"] == "no-store"
    browser = fresh.administrator()
    assert "You are Maxine" in browser.get("/account").text
    again = fresh.browser().get(fresh.welcome)
    assert again.status_code == 404
    assert "used already" in again.text


def test_a_stranger_is_sent_to_the_door_and_back(server: Serving) -> None:
    server.administrator()
    browser = server.browser()
    sent = browser.get("/notes/store?say=a+b")
    assert sent.status_code == 303
    door = browser.get(sent.headers["location"])
    assert 'value="/notes/store?say=a+b"' in html.unescape(door.text)
    came_in = browser.submit(
        sent.headers["location"], "/login", name="Maxine", password=PASSWORD, next="/notes/store?say=a+b"
    )
    assert (came_in.status_code, came_in.headers["location"]) == (303, "/notes/store?say=a+b")
    assert browser.get("/notes/store").status_code == 200


@pytest.mark.parametrize("next", ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:x", ""])
def test_the_way_back_never_leads_elsewhere(server: Serving, next: str) -> None:
    server.administrator()
    answer = server.browser().submit("/login", "/login", name="Maxine", password=PASSWORD, next=next)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_the_session_cookie_is_out_of_reach_for_scripts_and_other_sites(server: Serving) -> None:
    server.administrator()
    cookies = server.browser().sign_in("Maxine").headers.get_list("set-cookie")
    (session,) = [cookie for cookie in cookies if cookie.startswith("andon-session-")]
    assert {"httponly", "samesite=lax", "path=/"} <= {part.strip().lower() for part in session.split(";")}


def test_a_wrong_password_says_so_and_nothing_more(server: Serving) -> None:
    server.administrator()
    browser = server.browser()
    wrong, unknown = browser.sign_in("Maxine", "not it"), browser.sign_in("nobody at all", "not it")
    assert wrong.status_code == unknown.status_code == 401
    assert "The name or the password is wrong" in wrong.text
    assert "not it" not in wrong.text
    assert browser.get("/account").status_code == 303


def test_the_door_closes_after_too_many_tries(fresh: Serving) -> None:
    fresh.administrator()
    browser = fresh.browser()
    for _ in range(PER_ACCOUNT_AND_ADDRESS):
        assert browser.sign_in("Maxine", "wrong").status_code == 401
    refused = browser.sign_in("Maxine")
    assert refused.status_code == 429
    assert "Too many failed attempts" in refused.text
    api = fresh.api("x")
    answer = api.post("/sign-in", json={"name": "Maxine", "password": PASSWORD}, headers={"authorization": ""})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["retry_after"] > 0


def test_signing_out_ends_the_session_for_good(server: Serving) -> None:
    browser = server.administrator()
    copied = dict(browser.cookies)
    assert browser.submit("/account", "/logout").status_code == 303
    browser.cookies.update(copied)
    assert browser.get("/account").status_code == 303


def test_a_session_that_is_over_opens_nothing(fresh: Serving) -> None:
    browser = fresh.administrator()
    database = fresh.database
    with database.transaction() as tx:
        tx.connection.execute(sa.update(sessions).values(expires_at=tx.now - timedelta(seconds=1)))
    sent = browser.get("/account")
    assert (sent.status_code, sent.headers["location"]) == (303, "/login?next=/account")
    assert browser.get("/palette.json").status_code == 401


def test_hostile_names_are_only_text(fresh: Serving) -> None:
    name = "<script>alert(1)</script>\"'"
    browser = fresh.administrator(name)
    for page in ("/account", "/record", "/notes/store?say=%3Cimg+src=x+onerror=alert(1)%3E"):
        text = browser.get(page).text
        assert "<script>alert" not in text
        assert "<img src=x" not in text
    assert html.escape("<script>alert(1)</script>") in browser.get("/account").text
    typed = fresh.browser().submit("/login", "/login", name='"><script>x</script>', password="y")
    assert "<script>x" not in typed.text


def test_a_password_is_changed_by_whoever_knows_it(fresh: Serving) -> None:
    browser, other = fresh.administrator(), fresh.browser()
    assert other.sign_in("Maxine").status_code == 303
    new = "a rather different sentence"
    wrong = browser.submit("/account", "/account/password", current="no", password=new, again=new)
    assert wrong.status_code == 400
    right = browser.submit("/account", "/account/password", current=PASSWORD, password=new, again=new)
    assert right.status_code == 200
    assert "other sessions have ended" in right.text
    assert other.get("/account").status_code == 303
    assert browser.get("/account").status_code == 200
    assert fresh.browser().sign_in("Maxine", new).status_code == 303


def test_a_token_made_on_the_account_page_is_shown_once_and_works(server: Serving) -> None:
    browser = server.administrator()
    made = browser.submit("/account", "/account/tokens", label="ci", scope=["read"], days="never")
    secret = made.text.partition("andon_")[2][:43]
    assert len(secret) == 43
    assert secret not in browser.get("/account").text
    api = server.api(f"andon_{secret}")
    me = api.get("/me").json()
    assert (me["name"], me["scopes"], me["expires_at"]) == ("Maxine", ["read"], None)
    token = api.get("/tokens").json()["tokens"][0]["id"]
    assert browser.submit("/account", f"/account/tokens/{token}/revoke").status_code == 303
    assert api.get("/me").status_code == 401


def test_weak_passwords_and_different_ones_keep_the_link(fresh: Serving) -> None:
    browser, secret = fresh.browser(), fresh.welcome.partition("=")[2]
    for password, again in (("short", "short"), (PASSWORD, "another")):
        answer = browser.submit(fresh.welcome, "/welcome", token=secret, name="Maxine", password=password, again=again)
        assert answer.status_code == 400
    fresh.administrator()
