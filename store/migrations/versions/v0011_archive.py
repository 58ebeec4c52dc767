"""The index of the archive: a row for each record that there is, to be read in by the daemon."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_INDEX = (
    "CREATE VIRTUAL TABLE archive_index USING fts5("
    "terms, content='archive', content_rowid='n', detail=none, columnsize=0, tokenize='ascii')"
)
_MERGES = "INSERT INTO archive_index(archive_index, rank) VALUES ('automerge', 8)"


def upgrade() -> None:
    op.create_table(
        "archive",
        sa.Column("n", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("record", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("terms", postgresql.TSVECTOR().with_variant(sa.Text(), "sqlite"), nullable=True),
        sa.PrimaryKeyConstraint("n", name=op.f("pk_archive")),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_archive_record", "archive", ["record"], unique=True)
    op.create_index(
        "ix_archive_unread",
        "archive",
        ["n"],
        postgresql_where=sa.text("terms IS NULL"),
        sqlite_where=sa.text("terms IS NULL"),
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(_INDEX)
        op.execute(_MERGES)
    else:
        op.create_index("ix_archive_terms", "archive", ["terms"], postgresql_using="gin")
    op.create_index("ix_identity_value", "identity", ["value"])  # whoever is sought has no kind
    op.execute("INSERT INTO archive (record) SELECT id FROM record ORDER BY id")
