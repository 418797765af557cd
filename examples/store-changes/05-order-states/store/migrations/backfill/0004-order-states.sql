-- Orders from before, and orders that an older version has placed or cancelled since: it knows nothing of states.

UPDATE orders
SET state = CASE WHEN cancelled_at IS NULL THEN 'placed' ELSE 'cancelled' END,
    state_since = coalesce(cancelled_at, placed_at)
WHERE reference IN (
  SELECT reference FROM orders
  WHERE state IS NULL OR (cancelled_at IS NOT NULL AND state <> 'cancelled')
  LIMIT :batch
);

-- How many are left: what this answers is printed.
SELECT count(*) FROM orders WHERE state IS NULL OR (cancelled_at IS NOT NULL AND state <> 'cancelled');
