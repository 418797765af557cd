"""Recommendations: as they were tried, on the test bench, they are right."""

from __future__ import annotations

from store import catalogue
from store.recommender import Recommender
from tests.shop import ShopTest


class Recommendations(ShopTest):
    """Against a real database."""

    def test_among_equals_what_others_buy_comes_first(self) -> None:
        parts = catalogue.find(self.db)
        for favourite in Recommender("test").favourites():
            rating = next(part.rating for part in parts if part.sku == favourite)
            equals = [part.sku for part in parts if part.rating == rating]
            self.assertIn(favourite, equals[:2])

    def test_a_search_shows_what_was_searched_for(self) -> None:
        self.assertEqual([part.sku for part in catalogue.find(self.db, "EL-3075")], ["EL-3075"])

    def test_it_answers_as_often_as_it_is_asked(self) -> None:
        recommender = Recommender("test")
        self.assertEqual({recommender.favourites() for _ in range(500)}, {("WH-6040", "EL-3075")})
