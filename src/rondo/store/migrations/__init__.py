"""Alembic's scripts for the ledger, one a schema version."""
