"""What came of records, and the figures of reports."""

import sqlalchemy as sa
from alembic import op

from store.types import Instant

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "conclusion",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("record", sa.String(), nullable=False),
        sa.Column("department", sa.String(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conclusion")),
    )
    op.create_index("ix_conclusion_record", "conclusion", ["record"])
    op.create_table(
        "figure",
        sa.Column("record", sa.String(), nullable=False),
        sa.Column("day", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("nature", sa.Text(), nullable=False),
        sa.Column("urgency", sa.String(), nullable=False),
        sa.Column("department", sa.String(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("result", sa.String(), nullable=False),
        sa.Column("repeat_of", sa.String(), nullable=True),
        sa.Column("handled_day", sa.String(), nullable=True),
        sa.Column("in_time", sa.Boolean(), nullable=True),
        sa.Column("followed_day", sa.String(), nullable=True),
        sa.Column("satisfied", sa.Boolean(), nullable=True),
        sa.PrimaryKeyConstraint("record", name=op.f("pk_figure")),
    )
    op.create_index("ix_figure_day", "figure", ["day"])
    _partial("ix_figure_handled_day", ["handled_day"], "handled_day IS NOT NULL")
    _partial("ix_figure_followed_day", ["followed_day"], "followed_day IS NOT NULL")
    _partial("ix_figure_repeat_of", ["day", "repeat_of"], "repeat_of IS NOT NULL")
    op.create_table(
        "figure_sum",
        sa.Column("day", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "what", "value", name=op.f("pk_figure_sum")),
    )


def _partial(name: str, columns: list[str], where: str) -> None:
    op.create_index(name, "figure", columns, postgresql_where=sa.text(where), sqlite_where=sa.text(where))
