"""What telephone exchanges tell of calls."""

import sqlalchemy as sa
from alembic import op

from store.types import Instant, Json

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "call_event",
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("call", sa.String(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("facts", Json(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "call", "event", name=op.f("pk_call_event")),
    )
    op.create_index("ix_call_event_at", "call_event", ["at"])
