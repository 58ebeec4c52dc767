"""Who ended our messages by a word."""

import sqlalchemy as sa
from alembic import op

from store.types import Instant

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "opt_out",
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("since", Instant(), nullable=False),
        sa.Column("until", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("digest", "kind", name=op.f("pk_opt_out")),
    )
    op.create_index("ix_opt_out_since", "opt_out", ["since"])
