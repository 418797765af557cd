-- Ratings have taken the place of the ranking kept by hand. Run this only when no version that sorts by it can return.

ALTER TABLE parts DROP COLUMN popularity;
