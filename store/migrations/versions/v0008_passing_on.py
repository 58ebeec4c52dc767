"""Records in the hands of departments."""

import sqlalchemy as sa
from alembic import op

from store.types import Instant

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_OPEN = sa.text("ended_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "assignment",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("record", sa.String(), nullable=False),
        sa.Column("department", sa.String(), nullable=False),
        sa.Column("lead", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("suggestion", sa.Text(), nullable=False),
        sa.Column("due_at", Instant(), nullable=True),
        sa.Column("given_at", Instant(), nullable=False),
        sa.Column("given_by", sa.String(), nullable=False),
        sa.Column("taken_at", Instant(), nullable=True),
        sa.Column("taken_by", sa.String(), nullable=True),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.Column("ended_by", sa.String(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assignment")),
    )
    op.create_index("ix_assignment_record", "assignment", ["record"])
    op.create_index(
        "uq_assignment_open",
        "assignment",
        ["record", "department"],
        unique=True,
        postgresql_where=_OPEN,
        sqlite_where=_OPEN,
    )
    op.create_index(
        "ix_assignment_department",
        "assignment",
        ["department", "due_at"],
        postgresql_where=_OPEN,
        sqlite_where=_OPEN,
    )
