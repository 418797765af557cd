"""Reviews and ratings."""

from __future__ import annotations

from dataclasses import replace

from store import catalogue, database, migrate, reviews
from store.reviews import ReviewRefused
from tests.shop import ShopTest

FUSES = "EL-3075"


class Reviews(ShopTest):
    """Against a real database."""

    def _add(self, stars: str = "4", text: str = "Clear bodies, as they say.", key: str = "key-0001") -> None:
        with database.writing(self.db) as db:
            reviews.add(db, sku=FUSES, name="Ada", stars=stars, text=text, request_key=key)

    def _rating(self) -> float | None:
        part = catalogue.get(self.db, FUSES)
        assert part is not None
        return part.rating

    def test_a_part_nobody_reviewed_has_no_rating(self) -> None:
        self.assertIsNone(self._rating())
        self.assertEqual(reviews.of(self.db, FUSES), [])

    def test_the_rating_is_the_average(self) -> None:
        self._add("4", key="key-0001")
        self._add("5", key="key-0002")
        self.assertEqual(self._rating(), 4.5)
        self.assertEqual([review.stars for review in reviews.of(self.db, FUSES)], [5, 4])

    def test_the_same_key_counts_once(self) -> None:
        self._add("1")
        self._add("5")
        self.assertEqual(self._rating(), 1.0)

    def test_nonsense_is_refused(self) -> None:
        for wrong in ({"stars": "6"}, {"stars": ""}, {"text": " "}, {"text": "a" * 501}, {"key": "short"}):
            with self.subTest(wrong), self.assertRaises(ReviewRefused):
                self._add(**wrong)
        self.assertIsNone(self._rating())

    def test_best_rated_comes_first_and_unrated_last(self) -> None:
        ratings = [part.rating for part in catalogue.find(self.db)]
        rated = [rating for rating in ratings if rating is not None]
        self.assertEqual(ratings, sorted(rated, reverse=True) + [None] * (24 - len(rated)))

    def test_a_review_is_written_and_shown(self) -> None:
        client = self.open_shop()
        form = {"name": "<b>Ada</b>", "stars": "4", "text": "Good.", "request_key": "key-0001"}
        sent = client.post_form(f"/parts/{FUSES}/reviews", **form)
        self.assertEqual((sent.status, sent.headers["location"]), (303, f"/parts/{FUSES}"))
        page = client.get(f"/parts/{FUSES}")
        self.assertIn("&lt;b&gt;Ada&lt;/b&gt;", page.text)
        self.assertIn("4.0 of 5", page.text)

    def test_a_refused_review_says_why(self) -> None:
        client = self.open_shop()
        self.assertEqual(client.post_form(f"/parts/{FUSES}/reviews", name="Ada").status, 422)
        self.assertEqual(client.post_form("/parts/XX-0000/reviews", name="Ada").status, 404)

    def test_everything_works_after_the_contract(self) -> None:
        self.assertIn("0001-drop-popularity", migrate.run(self.db, "contract"))
        self.config = replace(self.config, region="eu")
        client = self.open_shop()
        self.assertEqual(client.get("/health").status, 200)
        self.assertEqual(client.get("/").text.count("<article"), 24)
