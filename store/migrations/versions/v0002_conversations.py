"""Windows, reports, errands, and one person under several names."""

import sqlalchemy as sa
from alembic import op

from store.types import Instant

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("envelope", sa.Column("not_before", Instant(), nullable=True))
    op.add_column("conversation", sa.Column("last_at", Instant(), nullable=True))
    op.drop_column("conversation", "window_until")
    op.drop_column("conversation", "quota")
    op.add_column("contact", sa.Column("same_as", sa.String(), nullable=True))
    op.create_index(
        "ix_contact_same_as",
        "contact",
        ["same_as"],
        postgresql_where=sa.text("same_as IS NOT NULL"),
        sqlite_where=sa.text("same_as IS NOT NULL"),
    )
    op.create_index(
        "ix_delivery_remote_id",
        "delivery",
        ["remote_id"],
        postgresql_where=sa.text("remote_id IS NOT NULL"),
        sqlite_where=sa.text("remote_id IS NOT NULL"),
    )
    op.create_table(
        "opening",
        sa.Column("conversation", sa.String(), nullable=False),
        sa.Column("envelope", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("until", Instant(), nullable=False),
        sa.Column("messages", sa.Integer(), nullable=True),
        sa.Column("told_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("conversation", "envelope", name=op.f("pk_opening")),
    )
    op.create_index("ix_opening_until", "opening", ["until"])
    op.create_table(
        "errand",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("record", sa.String(), nullable=False),
        sa.Column("envelope", sa.String(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("next_at", Instant(), nullable=False),
        sa.Column("claim", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("settled_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_errand")),
        sa.UniqueConstraint("envelope", "what", "n", name=op.f("uq_errand_envelope_what_n")),
    )
    op.create_index(
        "ix_errand_due",
        "errand",
        ["channel", "next_at"],
        postgresql_where=sa.text("state = 'waiting'"),
        sqlite_where=sa.text("state = 'waiting'"),
    )
    op.create_index("ix_errand_record", "errand", ["record"])
    op.create_table(
        "link",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("contact", sa.String(), nullable=False),
        sa.Column("other", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("undone_at", Instant(), nullable=True),
        sa.Column("undone_by", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link")),
        sa.UniqueConstraint(
            "contact", "other", "kind", "value", name=op.f("uq_link_contact_other_kind_value")
        ),
    )
    op.create_index("ix_link_other", "link", ["other"])
