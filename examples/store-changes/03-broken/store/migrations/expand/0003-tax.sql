-- What of an order's total is tax. Empty in orders that were placed before there was any.

ALTER TABLE orders ADD COLUMN tax_cents INTEGER;
