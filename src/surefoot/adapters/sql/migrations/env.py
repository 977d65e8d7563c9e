"""Run by Alembic: applies the revisions on the connection it is given, in that connection's own transaction."""

from alembic import context

from surefoot.adapters.sql.schema import METADATA

# Logging is the application's business, so nothing is configured here.
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    # SQLite's DDL is transactional when the driver does not commit by itself, and engine.py sees to that.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
