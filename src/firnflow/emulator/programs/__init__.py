"""Programs that run in the account: blocks of statements, and procedures."""
