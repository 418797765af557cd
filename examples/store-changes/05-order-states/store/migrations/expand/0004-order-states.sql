-- What has become of an order, and since when. Both stay empty until this version, or the backfill, fills them.

ALTER TABLE orders ADD COLUMN state TEXT;

ALTER TABLE orders ADD COLUMN state_since TEXT;
