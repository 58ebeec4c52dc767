"""The tables of the road: envelopes, records, deliveries, events, and what ties them."""

import sqlalchemy as sa
from alembic import op

from store.types import Instant, Json

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "attachment",
        sa.Column("record", sa.String(), nullable=False),
        sa.Column("envelope", sa.String(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=True),
        sa.Column("content_id", sa.String(), nullable=True),
        sa.Column("omitted", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("record", "envelope", "n", name=op.f("pk_attachment")),
    )
    op.create_index("ix_attachment_sha256", "attachment", ["sha256"], unique=False)
    op.create_table(
        "attempt",
        sa.Column("delivery", sa.String(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("claim", sa.String(), nullable=False),
        sa.Column("phase", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("started_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("delivery", "n", name=op.f("pk_attempt")),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("verb", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("data", Json(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_table(
        "blob",
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("stored_at", Instant(), nullable=False),
        sa.Column("unused_since", Instant(), nullable=True),
        sa.Column("data", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_blob")),
    )
    op.create_index(
        "ix_blob_unused",
        "blob",
        ["unused_since"],
        unique=False,
        postgresql_where=sa.text("unused_since IS NOT NULL"),
        sqlite_where=sa.text("unused_since IS NOT NULL"),
    )
    op.create_table(
        "contact",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("company", sa.Text(), nullable=False),
        sa.Column("language", sa.String(), nullable=True),
        sa.Column("unreachable", Json(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact")),
    )
    op.create_table(
        "conversation",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("external_key", sa.String(), nullable=False),
        sa.Column("window_until", Instant(), nullable=True),
        sa.Column("quota", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversation")),
        sa.UniqueConstraint("channel", "external_key", name=op.f("uq_conversation_channel_external_key")),
    )
    op.create_table(
        "cursor",
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("value", Json(), nullable=True),
        sa.Column("pending", Json(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("last_ok_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("channel", name=op.f("pk_cursor")),
    )
    op.create_table(
        "delivery",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("order_key", sa.String(), nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("downstream", sa.Boolean(), nullable=False),
        sa.Column("record", sa.String(), nullable=True),
        sa.Column("envelope", sa.String(), nullable=True),
        sa.Column("address", sa.String(), nullable=True),
        sa.Column("domain", sa.String(), nullable=True),
        sa.Column("body", Json(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("next_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=True),
        sa.Column("claim", sa.String(), nullable=True),
        sa.Column("owner", sa.String(), nullable=True),
        sa.Column("claims", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("remote_id", sa.String(), nullable=True),
        sa.Column("settled_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
    )
    op.create_index("ix_delivery_address", "delivery", ["address", "created_at"], unique=False)
    op.create_index("ix_delivery_created", "delivery", ["created_at"], unique=False)
    op.create_index("ix_delivery_domain", "delivery", ["domain", "created_at"], unique=False)
    op.create_index(
        "ix_delivery_due",
        "delivery",
        ["target", "next_at", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
        sqlite_where=sa.text("state = 'waiting'"),
    )
    op.create_index(
        "ix_delivery_open_order",
        "delivery",
        ["order_key", "seq"],
        unique=False,
        postgresql_where=sa.text("state IN ('waiting','claimed','uncertain') AND order_key IS NOT NULL"),
        sqlite_where=sa.text("state IN ('waiting','claimed','uncertain') AND order_key IS NOT NULL"),
    )
    op.create_index("ix_delivery_record", "delivery", ["record"], unique=False)
    op.create_index(
        "ix_delivery_state",
        "delivery",
        ["state", "id"],
        unique=False,
        postgresql_where=sa.text("state NOT IN ('delivered','cancelled')"),
        sqlite_where=sa.text("state NOT IN ('delivered','cancelled')"),
    )
    op.create_index(
        "uq_delivery_in_flight",
        "delivery",
        ["order_key"],
        unique=True,
        postgresql_where=sa.text("state = 'claimed' AND order_key IS NOT NULL"),
        sqlite_where=sa.text("state = 'claimed' AND order_key IS NOT NULL"),
    )
    op.create_index("uq_delivery_key", "delivery", ["key"], unique=True)
    op.create_table(
        "envelope",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("order_key", sa.String(), nullable=True),
        sa.Column("received_at", Instant(), nullable=False),
        sa.Column("sent_at", Instant(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("claim", sa.String(), nullable=True),
        sa.Column("owner", sa.String(), nullable=True),
        sa.Column("claims", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("record", sa.String(), nullable=True),
        sa.Column("parent", sa.String(), nullable=True),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("blob", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.Column("meta", Json(), nullable=False),
        sa.Column("response", Json(), nullable=True),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_envelope")),
        sa.UniqueConstraint(
            "fingerprint", "source_id", "account", name=op.f("uq_envelope_fingerprint_source_id_account")
        ),
    )
    op.create_index("ix_envelope_blob", "envelope", ["blob"], unique=False)
    op.create_index(
        "ix_envelope_open_order",
        "envelope",
        ["order_key", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('waiting','claimed') AND order_key IS NOT NULL"),
        sqlite_where=sa.text("state IN ('waiting','claimed') AND order_key IS NOT NULL"),
    )
    op.create_index("ix_envelope_received", "envelope", ["received_at"], unique=False)
    op.create_index(
        "ix_envelope_record",
        "envelope",
        ["record"],
        unique=False,
        postgresql_where=sa.text("record IS NOT NULL"),
        sqlite_where=sa.text("record IS NOT NULL"),
    )
    op.create_index(
        "ix_envelope_state",
        "envelope",
        ["state", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('waiting','claimed','held','quarantined')"),
        sqlite_where=sa.text("state IN ('waiting','claimed','held','quarantined')"),
    )
    op.create_index(
        "uq_envelope_in_flight",
        "envelope",
        ["order_key"],
        unique=True,
        postgresql_where=sa.text("state = 'claimed' AND order_key IS NOT NULL"),
        sqlite_where=sa.text("state = 'claimed' AND order_key IS NOT NULL"),
    )
    op.create_index("uq_envelope_reference", "envelope", ["reference"], unique=True)
    op.create_table(
        "event",
        sa.Column(
            "position",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("record", sa.String(), nullable=True),
        sa.Column("reference", sa.String(), nullable=True),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("data", Json(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_event")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_event_record", "event", ["record", "position"], unique=False)
    op.create_index("uq_event_id", "event", ["id"], unique=True)
    op.create_table(
        "idempotency",
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("request_hash", sa.String(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("response", Json(), nullable=True),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "key", name=op.f("pk_idempotency")),
    )
    op.create_table(
        "identity",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("contact", sa.String(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("since", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "value", name=op.f("pk_identity")),
    )
    op.create_index("ix_identity_contact", "identity", ["contact"], unique=False)
    op.create_table(
        "lease",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
    )
    op.create_table(
        "meta",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", Json(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_meta")),
    )
    op.create_table(
        "record",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("envelope", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("conversation", sa.String(), nullable=True),
        sa.Column("contact", sa.String(), nullable=True),
        sa.Column("sent_at", Instant(), nullable=True),
        sa.Column("received_at", Instant(), nullable=False),
        sa.Column("registered_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("in_reply_to", sa.String(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("full_text", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=True),
        sa.Column("language", sa.String(), nullable=True),
        sa.Column("automatic", sa.String(), nullable=True),
        sa.Column("bounce", sa.Boolean(), nullable=False),
        sa.Column("nature", Json(), nullable=False),
        sa.Column("urgency", sa.String(), nullable=False),
        sa.Column("in_scope", sa.Boolean(), nullable=False),
        sa.Column("missing", Json(), nullable=False),
        sa.Column("department", sa.String(), nullable=True),
        sa.Column("deadlines", Json(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("repeat_of", sa.String(), nullable=True),
        sa.Column("raw_sha256", sa.String(), nullable=False),
        sa.Column("raw_size", sa.BigInteger(), nullable=False),
        sa.Column("reply_to", Json(), nullable=False),
        sa.Column("thread", Json(), nullable=False),
        sa.Column("rules", Json(), nullable=False),
        sa.Column("omissions", Json(), nullable=False),
        sa.Column("extra", Json(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_record")),
    )
    op.create_index("ix_record_channel", "record", ["channel", "id"], unique=False)
    op.create_index("ix_record_contact", "record", ["contact"], unique=False)
    op.create_index("ix_record_conversation", "record", ["conversation"], unique=False)
    op.create_index("ix_record_repeat_of", "record", ["repeat_of"], unique=False)
    op.create_index("ix_record_state", "record", ["state", "id"], unique=False)
    op.create_index("uq_record_reference", "record", ["reference"], unique=True)
    op.create_table(
        "sighting",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("envelope", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sighting")),
    )
    op.create_index("ix_sighting_at", "sighting", ["at"], unique=False)
    op.create_index("ix_sighting_envelope", "sighting", ["envelope"], unique=False)
    op.create_table(
        "tally",
        sa.Column("day", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("writer", sa.String(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "channel", "state", "writer", name=op.f("pk_tally")),
    )
    op.create_table(
        "thread_key",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("record", sa.String(), nullable=False),
        sa.Column("delivery", sa.String(), nullable=True),
        sa.Column("since", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_thread_key")),
    )
    op.create_index("ix_thread_key_record", "thread_key", ["record"], unique=False)
    op.create_table(
        "tombstone",
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("until", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_tombstone")),
    )
    op.create_index("ix_tombstone_until", "tombstone", ["until"], unique=False)
    op.create_table(
        "vault",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_vault")),
    )
