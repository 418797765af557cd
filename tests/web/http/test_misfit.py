"""A request that does not fit is answered in words: which field, and what was expected."""

from __future__ import annotations

import pytest

from tests.serving import Serving

BODY = "Send a JSON object with `label`, `scopes` (may be left out), `services` (may be left out)"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"label": "x", "lable": "y"}', "`lable` is not a field of the body; known are `label`, `scopes` (may be"),
        (b'{"days": 1}', "`label` is missing from the body."),
        (b'{"label": 1}', "`label` should be text, not a whole number."),
        (b'{"label": "x", "services": [1]}', "should be text, not a whole number."),
        (b'{"label": "x", "scopes": ["fly"]}', "Invalid enum value 'fly'."),
        (b"[]", "The body should be an object, not a list."),
        (b"", f"The body is missing. {BODY}"),
        (b"null", "The body should be an object, not null."),
        (b"{", f"The body is not valid JSON. {BODY}"),
    ],
)
def test_a_body_that_does_not_fit(server: Serving, body: bytes, words: str) -> None:
    answer = server.api().post("/tokens", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["code"] == "andon.invalid"
    assert words in answer.json()["remedy"]


def test_a_field_inside_a_field_is_named(server: Serving) -> None:
    answer = server.api().post("/people", json={"name": "Wes", "roles": [{"role": "viewer", "servce": "store"}]})
    assert answer.status_code == 400
    assert "`servce` is not a field of `roles" in answer.json()["remedy"]
    assert "known are `role`, `service` (may be left out)" in answer.json()["remedy"]


def test_a_question_that_does_not_fit(server: Serving) -> None:
    answer = server.api().get("/events?limit=many")
    assert answer.status_code == 400
    assert answer.json()["remedy"] == "`limit` should be a whole number, not text."
