"""Which tickets of other systems hold our records, and what came back from them."""

import sqlalchemy as sa
from alembic import op

from store.types import Instant

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ticket",
        sa.Column("destination", sa.String(), nullable=False),
        sa.Column("remote_id", sa.String(), nullable=False),
        sa.Column("record", sa.String(), nullable=False),
        sa.Column("main", sa.String(), nullable=True),
        sa.Column("merged_into", sa.String(), nullable=True),
        sa.Column("gone_at", Instant(), nullable=True),
        sa.Column("since", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("destination", "remote_id", "record", name=op.f("pk_ticket")),
    )
    op.create_index("ix_ticket_record", "ticket", ["record"])
    op.create_index("uq_ticket_main", "ticket", ["destination", "main"], unique=True)
    op.create_index(
        "ix_ticket_merged_into",
        "ticket",
        ["destination", "merged_into"],
        postgresql_where=sa.text("merged_into IS NOT NULL"),
        sqlite_where=sa.text("merged_into IS NOT NULL"),
    )
    op.create_table(
        "returned",
        sa.Column("destination", sa.String(), nullable=False),
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("record", sa.String(), nullable=True),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("destination", "source_id", name=op.f("pk_returned")),
    )
    op.create_index("ix_returned_at", "returned", ["at"])
