"""Senders whose messages are set aside."""

import sqlalchemy as sa
from alembic import op

from store.types import Instant

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "blocked",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("contact", sa.String(), nullable=False),
        sa.Column("since", Instant(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "value", name=op.f("pk_blocked")),
    )
    op.create_index("ix_blocked_contact", "blocked", ["contact"])
