"""What the office waits for from customers."""

import sqlalchemy as sa
from alembic import op

from store.types import Instant, Json

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_OPEN = sa.text("state = 'open'")


def upgrade() -> None:
    op.create_table(
        "pause",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("record", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("missing", Json(), nullable=False),
        sa.Column("since", Instant(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("remind_at", Instant(), nullable=False),
        sa.Column("until", Instant(), nullable=False),
        sa.Column("reminded_at", Instant(), nullable=True),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.Column("why", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pause")),
    )
    op.create_index("ix_pause_record", "pause", ["record"])
    op.create_index(
        "uq_pause_open", "pause", ["record"], unique=True, postgresql_where=_OPEN, sqlite_where=_OPEN
    )
    op.create_table(
        "follow_up",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("record", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("ask_at", Instant(), nullable=False),
        sa.Column("asked_at", Instant(), nullable=True),
        sa.Column("close_at", Instant(), nullable=True),
        sa.Column("satisfied", sa.Boolean(), nullable=True),
        sa.Column("mark", sa.Integer(), nullable=True),
        sa.Column("remarks", sa.Text(), nullable=True),
        sa.Column("answered_at", Instant(), nullable=True),
        sa.Column("by", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_follow_up")),
    )
    op.create_index("ix_follow_up_record", "follow_up", ["record"])
    op.create_index("ix_follow_up_state", "follow_up", ["state", "ask_at"])
