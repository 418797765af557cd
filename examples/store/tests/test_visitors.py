"""Visitors, and the new checkout that a flag lets out to them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from unittest import mock

from store import visitors
from store.server import Request, Response
from tests.shop import ShopTest

PART = "/parts/WH-6040"
SHORT = "More than one?"


class Ending(AbstractContextManager["Ending"]):
    """How one request ended."""

    def __init__(self, ends: list[bool]) -> None:
        self._ends = ends
        self._good = True

    def failed(self) -> None:
        """It has."""
        self._good = False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.append(self._good and kind is None)


class Flags:
    """Stands in for `andon_flags`, which is not there outside of Andon's sandboxes: on for those who are named."""

    def __init__(self, *on: str) -> None:
        self.on = set(on)
        self.asked: list[str] = []
        self.ends: list[bool] = []

    def boolean(self, name: str, context: Mapping[str, str], default: bool = False) -> bool:
        """Whether it is on for whom `context` tells of."""
        assert name == "new-checkout"
        self.asked.append(context["targetingKey"])
        return context["targetingKey"] in self.on

    def outcome(self) -> Ending:
        """Around one request."""
        return Ending(self.ends)


class Visitors(ShopTest):
    """Through the server, with the flag and without it."""

    def _page(self, visitor: str = "", flags: Flags | None = None) -> tuple[str, str]:
        """The page of a part, and the cookie that comes with it."""
        headers = {"cookie": f"theme=dark; visitor={visitor}; more=1"} if visitor else {}
        with mock.patch.object(visitors, "flags", flags):
            answer = self._app(Request("GET", PART, headers=headers))
        return answer.body.decode(), dict(answer.headers).get("Set-Cookie", "")

    def setUp(self) -> None:
        super().setUp()
        self.client = self.open_shop()
        self._app = self.server._handler

    def test_whoever_has_no_cookie_gets_one_of_their_own(self) -> None:
        cookies = [self._page()[1] for _ in range(2)]
        self.assertNotEqual(*cookies)
        for cookie in cookies:
            self.assertRegex(cookie, r"^visitor=[0-9a-f]{32}; Path=/; Max-Age=\d+; HttpOnly; SameSite=Lax$")
        self.assertIn("visitor=", self.client.get(PART).headers["set-cookie"])

    def test_whoever_has_one_keeps_it_and_nonsense_is_exchanged(self) -> None:
        self.assertEqual(self._page("a" * 32)[1], "")
        for wrong in ("a" * 31, "a" * 33, "A" * 32, "a" * 31 + '"'):
            with self.subTest(wrong):
                self.assertIn("visitor=", self._page(wrong)[1])

    def test_the_flag_is_asked_for_the_visitor_and_decides_on_the_form(self) -> None:
        flags = Flags("a" * 32)
        self.assertIn(SHORT, self._page("a" * 32, flags)[0])
        self.assertNotIn(SHORT, self._page("b" * 32, flags)[0])
        _, cookie = self._page("", flags)
        self.assertEqual(flags.asked, ["a" * 32, "b" * 32, cookie.removeprefix("visitor=")[:32]])

    def test_without_anybody_to_ask_the_form_is_the_old_one(self) -> None:
        page, _ = self._page("a" * 32, None)
        self.assertNotIn(SHORT, page)
        self.assertIn("Place the order", page)

    def test_both_forms_send_the_same_order(self) -> None:
        flags = Flags("a" * 32)
        for visitor in ("a" * 32, "b" * 32):
            with self.subTest(visitor):
                names = set(re.findall(r' name="(\w+)"', self._page(visitor, flags)[0]))
                self.assertLessEqual({"sku", "request_key", "quantity", "customer"}, names)

    def test_a_refused_order_comes_back_on_the_form_it_was_typed_into(self) -> None:
        form = b"sku=WH-6040&quantity=99&customer=ada%40example.org&request_key=a-key-of-mine"
        flags = Flags("a" * 32)
        with mock.patch.object(visitors, "flags", flags):
            for visitor, short in (("a" * 32, True), ("b" * 32, False)):
                answer = self._app(Request("POST", "/orders", headers={"cookie": f"visitor={visitor}"}, body=form))
                self.assertEqual((answer.status, SHORT in answer.body.decode()), (422, short))
                self.assertEqual("<details open>" in answer.body.decode(), short)
        self.assertEqual(flags.asked, ["a" * 32, "b" * 32])

    def test_how_requests_end_is_told(self) -> None:
        flags = Flags()
        answers = {200: Response(200), 404: Response(404), 500: Response(500)}
        with mock.patch.object(visitors, "flags", flags):
            told = visitors.telling(lambda request: answers[int(request.path)])
            for status in (200, 404, 500):
                self.assertEqual(told(Request("GET", str(status))).status, status)
            with self.assertRaises(KeyError):
                told(Request("GET", "418"))
        self.assertEqual(flags.ends, [True, True, False, False])

    def test_without_anybody_to_tell_nothing_is_in_between(self) -> None:
        with mock.patch.object(visitors, "flags", None):
            self.assertIs(visitors.telling(self._app), self._app)
