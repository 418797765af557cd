"""Finding parts."""

from __future__ import annotations

from store import catalogue, drawings
from tests.shop import ShopTest


class Catalogue(ShopTest):
    """What is on the shelves and how it is found."""

    def test_there_are_24_parts_on_six_shelves(self) -> None:
        self.assertEqual(len(catalogue.find(self.db)), 24)
        shelves = ["Body", "Brakes", "Electrical", "Engine", "Suspension", "Wheels"]
        self.assertEqual(catalogue.categories(self.db), shelves)

    def test_every_part_has_its_own_drawing(self) -> None:
        made = {part.drawing: drawings.svg(part.drawing) for part in catalogue.find(self.db)}
        self.assertEqual(len(set(made.values())), 24)
        self.assertNotIn(drawings.svg("nut"), made.values())

    def test_a_search_needs_every_word_and_ignores_case(self) -> None:
        self.assertEqual([part.sku for part in catalogue.find(self.db, "FILTER oil valve")], ["EN-2004"])
        self.assertEqual(catalogue.find(self.db, "filter helicopter"), [])

    def test_a_part_number_finds_its_part(self) -> None:
        self.assertEqual([part.name for part in catalogue.find(self.db, "WH-6040")], ["All-season tyre"])

    def test_wildcards_are_ordinary_characters(self) -> None:
        for typed in ("%", "_", "\\", "100%"):
            with self.subTest(typed):
                self.assertEqual(catalogue.find(self.db, typed), [])

    def test_quotes_do_no_harm(self) -> None:
        self.assertEqual(catalogue.find(self.db, "'; DROP TABLE parts; --"), [])
        self.assertEqual(catalogue.count(self.db), 24)

    def test_one_shelf(self) -> None:
        self.assertEqual({part.category for part in catalogue.find(self.db, category="Brakes")}, {"Brakes"})

    def test_an_unknown_part_is_none(self) -> None:
        self.assertIsNone(catalogue.get(self.db, "XX-0000"))
