"""A million rows of twenty numbers, five times."""
