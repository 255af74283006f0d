"""Alembic's entry: it is always run by `taskflow.db.migrate`, which passes an open connection."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
