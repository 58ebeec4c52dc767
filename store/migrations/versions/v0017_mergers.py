"""Records that were found to be one."""

import sqlalchemy as sa
from alembic import op

from store.types import Instant

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "merger",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("record", sa.String(), nullable=False),
        sa.Column("into", sa.String(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("state_before", sa.String(), nullable=False),
        sa.Column("undone_at", Instant(), nullable=True),
        sa.Column("undone_by", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_merger")),
    )
    op.create_index(
        "uq_merger_record",
        "merger",
        ["record"],
        unique=True,
        postgresql_where=sa.text("undone_at IS NULL"),
        sqlite_where=sa.text("undone_at IS NULL"),
    )
    op.create_index("ix_merger_into", "merger", ["into"])
