"""What alembic runs for each migration, on the connection that `migrate.upgrade` gives it."""

from __future__ import annotations

from alembic import context

from firnflow.stores.state.migrate import VERSION_TABLE
from firnflow.stores.state.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
