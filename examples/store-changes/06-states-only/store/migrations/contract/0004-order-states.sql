-- Every order has a state, and no version that may come back reads this any more.

ALTER TABLE orders DROP COLUMN cancelled_at;
