"""Answers that a second person looks at before they leave."""

import sqlalchemy as sa
from alembic import op

from store.types import Instant, Json

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "review",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("record", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=True),
        sa.Column("files", Json(), nullable=False),
        sa.Column("channel", sa.String(), nullable=True),
        sa.Column("cc", Json(), nullable=False),
        sa.Column("expects_answer", sa.Boolean(), nullable=False),
        sa.Column("decided_at", Instant(), nullable=True),
        sa.Column("decided_by", sa.String(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review")),
    )
    op.create_index("uq_review_key", "review", ["record", "key"], unique=True)
    op.create_index(
        "uq_review_waiting",
        "review",
        ["record"],
        unique=True,
        postgresql_where=sa.text("state IN ('waiting', 'approved')"),
        sqlite_where=sa.text("state IN ('waiting', 'approved')"),
    )
    op.create_index("ix_review_state", "review", ["state", "at"])
