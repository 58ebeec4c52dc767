"""Matters that many customers bring at once, with the one answer to all of them."""

import sqlalchemy as sa
from alembic import op

from store.types import Instant, Json

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "surge",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("opened_at", Instant(), nullable=False),
        sa.Column("last_at", Instant(), nullable=False),
        sa.Column("dissolved_at", Instant(), nullable=True),
        sa.Column("dissolved_by", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_surge")),
    )
    op.create_index("ix_surge_last_at", "surge", ["last_at"])
    op.create_table(
        "surge_record",
        sa.Column("record", sa.String(), nullable=False),
        sa.Column("surge", sa.String(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("urgency_before", sa.String(), nullable=True),
        sa.Column("out_at", Instant(), nullable=True),
        sa.Column("out_by", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("record", name=op.f("pk_surge_record")),
    )
    op.create_index("ix_surge_record_surge", "surge_record", ["surge", "record"])
    op.create_table(
        "surge_answer",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("surge", sa.String(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("records", Json(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("refused", Json(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_surge_answer")),
    )
    op.create_index("ix_surge_answer_surge", "surge_answer", ["surge"])
    op.create_index("ix_surge_answer_state", "surge_answer", ["state"])
