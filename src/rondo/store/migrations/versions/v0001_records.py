"""The append-only table of records."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

SQLITE = tuple(
    f"create trigger records_no_{verb} before {verb} on records "
    "begin select raise(abort, 'the ledger is append-only'); end"
    for verb in ("update", "delete")
)
POSTGRESQL = (
    "create function records_append_only() returns trigger language plpgsql as "
    "$$ begin raise exception 'the ledger is append-only'; end $$",
    "create trigger records_no_change before update or delete or truncate on records "
    "for each statement execute function records_append_only()",
)


def upgrade() -> None:
    """Makes `records`, its indexes and triggers, and `objects`."""
    op.create_table(
        "records",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("version", sa.Integer),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("written", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False, quote=True),
        sa.Column("body", sa.JSON, nullable=False),
    )
    op.create_index("records_by_kind", "records", ["kind", "seq", "at"])
    op.create_index("records_by_name", "records", ["kind", "name", "seq", "at"])
    op.create_index("records_by_version", "records", ["kind", "name", "version", "seq", "at"])
    op.create_table(
        "objects",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("definition", sa.Text, nullable=False),
    )
    for statement in SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRESQL:
        op.execute(sa.text(statement))
