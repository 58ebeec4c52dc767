"""What was claimed before and waits again is found without looking at all that waits."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_WHICH = sa.text("state = 'waiting' AND claims > 0")


def upgrade() -> None:
    op.create_index("ix_envelope_recovered", "envelope", ["id"], postgresql_where=_WHICH, sqlite_where=_WHICH)
    columns = ["target", "next_at", "id"]
    op.create_index(
        "ix_delivery_recovered", "delivery", columns, postgresql_where=_WHICH, sqlite_where=_WHICH
    )
