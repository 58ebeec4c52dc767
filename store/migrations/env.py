"""Alembic's entry: migrates on the connection that `store.migrate` hands in."""

from alembic import context

from store.metadata import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata)
context.run_migrations()
