"""Who logs in at the desk, and an order by time for what people did."""

import sqlalchemy as sa
from alembic import op

from store.types import Instant, Json

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_PEOPLE = sa.text("actor NOT IN ('forebay', 'customer')")


def upgrade() -> None:
    op.create_table(
        "user",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("departments", Json(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("changed_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_user")),
    )
    op.create_index("ix_audit_at", "audit", ["at", "id"])
    op.create_index(
        "ix_event_by_people", "event", ["at", "id"], postgresql_where=_PEOPLE, sqlite_where=_PEOPLE
    )
