"""Drafts of clerks, and who looks at which record."""

import sqlalchemy as sa
from alembic import op

from store.types import Instant

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "draft",
        sa.Column("record", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("record", "actor", name=op.f("pk_draft")),
    )
    op.create_table(
        "presence",
        sa.Column("record", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("record", "actor", name=op.f("pk_presence")),
    )
