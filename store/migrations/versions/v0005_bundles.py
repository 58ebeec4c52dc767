"""Bundles of printed messages."""

import sqlalchemy as sa
from alembic import op

from store.types import Instant

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bundle",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("ready_at", Instant()),
        sa.Column("posted_at", Instant()),
        sa.Column("posted_by", sa.String()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bundle")),
    )
    op.create_index("uq_bundle_name", "bundle", ["channel", "name"], unique=True)
    op.create_index("ix_bundle_state", "bundle", ["state"])
    op.create_table(
        "bundled",
        sa.Column("bundle", sa.String(), nullable=False),
        sa.Column("delivery", sa.String(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("pages", sa.Integer()),
        sa.Column("left_at", Instant()),
        sa.PrimaryKeyConstraint("bundle", "delivery", name=op.f("pk_bundled")),
    )
    op.create_index("ix_bundled_delivery", "bundled", ["delivery"])
