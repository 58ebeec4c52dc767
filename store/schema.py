"""The tables, once for both engines (design: envelope and delivery carry their own claim).

Identifiers are UUIDv7 text made by the application, so that rows can be inserted in groups and tried again.
Later rooms add tables by migration; these do not change.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from store.care_tables import follow_up as follow_up
from store.care_tables import pause as pause
from store.case_tables import assignment as assignment
from store.case_tables import blocked as blocked
from store.desk_tables import draft as draft
from store.desk_tables import presence as presence
from store.escalation_tables import digest as digest
from store.escalation_tables import escalation as escalation
from store.merge_tables import merger as merger
from store.metadata import metadata
from store.report_tables import conclusion as conclusion
from store.report_tables import figure as figure
from store.report_tables import figure_sum as figure_sum
from store.review_tables import review as review
from store.surge_tables import surge as surge
from store.surge_tables import surge_answer as surge_answer
from store.surge_tables import surge_record as surge_record
from store.types import Instant, Json
from store.user_tables import user as user

# BIGINT that SQLite treats as its row number, so that it grows by itself on both engines.
_Position = BigInteger().with_variant(Integer, "sqlite")

#: Facts of this installation: instance id, keys, hold, the file that the database was when we last ran.
meta = Table(
    "meta",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", Json),
)

envelope = Table(
    "envelope",
    metadata,
    Column("id", String, primary_key=True),
    Column("account", String, nullable=False),
    Column("channel", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("source_id", String, nullable=False),
    Column("fingerprint", String, nullable=False),
    Column("order_key", String),
    Column("received_at", Instant, nullable=False),
    Column("sent_at", Instant),
    Column("state", String, nullable=False),
    Column("reason", Text),  # why it is held, quarantined, ignored or a duplicate
    Column("claim", String),  # fresh token of whoever works on it
    Column("owner", String),  # the process behind the claim
    Column("claims", Integer, nullable=False, server_default=text("0")),  # recovered from dead owners
    Column("record", String),
    Column("parent", String),  # the batch that this is a child of
    Column("reference", String, nullable=False),  # an alias when it joined another record
    Column("blob", String, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("media_type", String, nullable=False),
    Column("meta", Json, nullable=False),
    Column("response", Json),  # the answer at the door, for redeliveries
    Column("updated_at", Instant, nullable=False),
    Column("not_before", Instant),  # a report of a message whose receipt is not stored yet is looked at again
    # The fingerprint goes first, so that the same index finds equal content under other ids.
    UniqueConstraint("fingerprint", "source_id", "account"),
    Index("uq_envelope_reference", "reference", unique=True),
    Index(
        "ix_envelope_state",
        "state",
        "id",
        postgresql_where=text("state IN ('waiting','claimed','held','quarantined')"),
        sqlite_where=text("state IN ('waiting','claimed','held','quarantined')"),
    ),
    Index(
        "ix_envelope_record",
        "record",
        postgresql_where=text("record IS NOT NULL"),
        sqlite_where=text("record IS NOT NULL"),
    ),
    Index(
        "ix_envelope_recovered",
        "id",
        postgresql_where=text("state = 'waiting' AND claims > 0"),
        sqlite_where=text("state = 'waiting' AND claims > 0"),
    ),
    Index("ix_envelope_received", "received_at"),
    Index("ix_envelope_blob", "blob"),
    Index(
        "ix_envelope_open_order",
        "order_key",
        "id",
        postgresql_where=text("state IN ('waiting','claimed') AND order_key IS NOT NULL"),
        sqlite_where=text("state IN ('waiting','claimed') AND order_key IS NOT NULL"),
    ),
    Index(
        "uq_envelope_in_flight",
        "order_key",
        unique=True,
        postgresql_where=text("state = 'claimed' AND order_key IS NOT NULL"),
        sqlite_where=text("state = 'claimed' AND order_key IS NOT NULL"),
    ),
)

#: A repeat of an envelope that was already here.
sighting = Table(
    "sighting",
    metadata,
    Column("id", String, primary_key=True),
    Column("envelope", String, nullable=False),
    Column("channel", String, nullable=False),
    Column("at", Instant, nullable=False),
    Index("ix_sighting_envelope", "envelope"),
    Index("ix_sighting_at", "at"),
)

cursor = Table(
    "cursor",
    metadata,
    Column("channel", String, primary_key=True),
    Column("value", Json),
    Column("pending", Json, nullable=False),  # source handles that are not confirmed yet
    Column("epoch", BigInteger, nullable=False),
    Column("last_ok_at", Instant),
)

#: Counters per day, channel and state. `received` counts arrivals as they come; the other states hold what
#: purge and erasure moved here. `writer` spreads the rows, so that replicas do not wait for one another.
tally = Table(
    "tally",
    metadata,
    Column("day", String, primary_key=True),
    Column("channel", String, primary_key=True),
    Column("state", String, primary_key=True),
    Column("writer", String, primary_key=True),
    Column("n", BigInteger, nullable=False),
)

blob = Table(
    "blob",
    metadata,
    Column("sha256", String, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("place", String, nullable=False),  # row, file
    Column("stored_at", Instant, nullable=False),
    Column("unused_since", Instant),
    Column("data", LargeBinary),  # last, so that SQLite reads the others without it
    Index(
        "ix_blob_unused",
        "unused_since",
        postgresql_where=text("unused_since IS NOT NULL"),
        sqlite_where=text("unused_since IS NOT NULL"),
    ),
)

record = Table(
    "record",
    metadata,
    Column("id", String, primary_key=True),
    Column("reference", String, nullable=False),
    Column("envelope", String, nullable=False),
    Column("channel", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("source_id", String, nullable=False),
    Column("conversation", String),
    Column("contact", String),
    Column("sent_at", Instant),
    Column("received_at", Instant, nullable=False),
    Column("registered_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("in_reply_to", String),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("full_text", Text, nullable=False),
    Column("html", Text),
    Column("language", String),
    Column("automatic", String),  # why it counts as written by a machine
    Column("bounce", Boolean, nullable=False),
    Column("nature", Json, nullable=False),
    Column("urgency", String, nullable=False),
    Column("in_scope", Boolean, nullable=False),
    Column("missing", Json, nullable=False),
    Column("department", String),
    Column("deadlines", Json, nullable=False),
    Column("state", String, nullable=False),
    Column("repeat_of", String),  # record id
    Column("raw_sha256", String, nullable=False),
    Column("raw_size", BigInteger, nullable=False),
    Column("reply_to", Json, nullable=False),  # identities an answer can go to, preferred first
    Column("thread", Json, nullable=False),  # what the kind's sender needs to thread an answer
    Column("rules", Json, nullable=False),  # names of the rules that matched
    Column("omissions", Json, nullable=False),
    Column("extra", Json, nullable=False),
    Index("uq_record_reference", "reference", unique=True),
    Index("ix_record_contact", "contact"),
    Index("ix_record_conversation", "conversation"),
    Index("ix_record_state", "state", "id"),
    Index("ix_record_channel", "channel", "id"),
    Index("ix_record_repeat_of", "repeat_of"),
)

attachment = Table(
    "attachment",
    metadata,
    Column("record", String, primary_key=True),
    Column("envelope", String, primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("filename", Text, nullable=False),
    Column("media_type", String, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String),  # none when it was left out
    Column("content_id", String),
    Column("omitted", Text),
    Index("ix_attachment_sha256", "sha256"),
)

contact = Table(
    "contact",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", Text, nullable=False),
    Column("company", Text, nullable=False),
    Column("language", String),
    Column("unreachable", Json, nullable=False),  # identities that refused our messages
    Column("created_at", Instant, nullable=False),
    Column("same_as", String),  # the contact that it was found to be the same person as
    Index(
        "ix_contact_same_as",
        "same_as",
        postgresql_where=text("same_as IS NOT NULL"),
        sqlite_where=text("same_as IS NOT NULL"),
    ),
)

identity = Table(
    "identity",
    metadata,
    Column("kind", String, primary_key=True),
    Column("value", String, primary_key=True),
    Column("contact", String, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("since", Instant, nullable=False),
    Index("ix_identity_contact", "contact"),
    Index("ix_identity_value", "value"),
)

conversation = Table(
    "conversation",
    metadata,
    Column("id", String, primary_key=True),
    Column("channel", String, nullable=False),
    Column("external_key", String, nullable=False),
    Column("last_at", Instant),  # the customer's last message, where a burst of them is one record
    UniqueConstraint("channel", "external_key"),
)

#: What a customer did that lets us answer, for a time and a number of messages. Of the same name the latest
#: counts; those of other names stand beside it. Written with the envelope, changed by the outbox alone.
opening = Table(
    "opening",
    metadata,
    Column("conversation", String, primary_key=True),
    Column("envelope", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("at", Instant, nullable=False),  # the provider's time
    Column("until", Instant, nullable=False),
    Column("messages", Integer),  # how many more it carries; none: any number
    Column("told_at", Instant),  # when it was told that it closes soon
    Index("ix_opening_until", "until"),
)

#: What is fetched after registering: a file that a message only names, or who somebody is.
errand = Table(
    "errand",
    metadata,
    Column("id", String, primary_key=True),
    Column("what", String, nullable=False),  # file, profile
    Column("channel", String, nullable=False),
    Column("record", String, nullable=False),
    Column("envelope", String, nullable=False),
    Column("n", Integer, nullable=False),  # the attachment's number; 0 for a profile
    Column("reference", Text, nullable=False),  # what the connector takes
    Column("kind", String),  # of the identity, for a profile
    Column("state", String, nullable=False),  # waiting, done, given_up
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("created_at", Instant, nullable=False),
    Column("next_at", Instant, nullable=False),  # while it is claimed: when the claim ends
    Column("claim", String),
    Column("reason", String),
    Column("detail", Text),
    Column("settled_at", Instant),
    UniqueConstraint("envelope", "what", "n"),
    Index(
        "ix_errand_due",
        "channel",
        "next_at",
        postgresql_where=text("state = 'waiting'"),
        sqlite_where=text("state = 'waiting'"),
    ),
    Index("ix_errand_record", "record"),
)

#: Why two contacts, or a contact and an identity, are the same person, or may be. Undone ones stay.
link = Table(
    "link",
    metadata,
    Column("id", String, primary_key=True),
    Column("contact", String, nullable=False),  # the one that stays
    Column("other", String, nullable=False),  # the one that is the same person
    Column("kind", String, nullable=False),  # the identity that tells so
    Column("value", String, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("state", String, nullable=False),  # linked, proposed, undone, refused
    Column("at", Instant, nullable=False),
    Column("actor", String, nullable=False),
    Column("undone_at", Instant),
    Column("undone_by", String),
    UniqueConstraint("contact", "other", "kind", "value"),
    Index("ix_link_other", "other"),
)

#: Provider ids and tokens by which a later message finds its record, those of messages never seen included.
thread_key = Table(
    "thread_key",
    metadata,
    Column("key", String, primary_key=True),
    Column("record", String, nullable=False),
    Column("delivery", String),  # the message of ours that carries it
    Column("since", Instant, nullable=False),
    Index("ix_thread_key_record", "record"),
)

delivery = Table(
    "delivery",
    metadata,
    Column("id", String, primary_key=True),
    Column("key", String, nullable=False),
    Column("order_key", String),
    Column("seq", BigInteger, nullable=False),
    Column("purpose", String, nullable=False),
    Column("target", String, nullable=False),
    Column("downstream", Boolean, nullable=False),
    Column("record", String),
    Column("envelope", String),  # whose door may carry it
    Column("address", String),  # whom it goes to, for budgets and look-ups
    Column("domain", String),
    Column("body", Json, nullable=False),
    Column("state", String, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("created_at", Instant, nullable=False),
    Column("next_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("claim", String),
    Column("owner", String),
    Column("claims", Integer, nullable=False, server_default=text("0")),
    Column("reason", String),
    Column("detail", Text),
    Column("remote_id", String),
    Column("settled_at", Instant),
    Index("uq_delivery_key", "key", unique=True),
    Index(
        "ix_delivery_due",
        "target",
        "next_at",
        "id",
        postgresql_where=text("state = 'waiting'"),
        sqlite_where=text("state = 'waiting'"),
    ),
    Index(
        "ix_delivery_recovered",
        "target",
        "next_at",
        "id",
        postgresql_where=text("state = 'waiting' AND claims > 0"),
        sqlite_where=text("state = 'waiting' AND claims > 0"),
    ),
    Index(
        "ix_delivery_open_order",
        "order_key",
        "seq",
        postgresql_where=text("state IN ('waiting','claimed','uncertain') AND order_key IS NOT NULL"),
        sqlite_where=text("state IN ('waiting','claimed','uncertain') AND order_key IS NOT NULL"),
    ),
    Index(
        "uq_delivery_in_flight",
        "order_key",
        unique=True,
        postgresql_where=text("state = 'claimed' AND order_key IS NOT NULL"),
        sqlite_where=text("state = 'claimed' AND order_key IS NOT NULL"),
    ),
    Index("ix_delivery_record", "record"),
    Index("ix_delivery_created", "created_at"),
    Index(
        "ix_delivery_state",
        "state",
        "id",
        postgresql_where=text("state NOT IN ('delivered','cancelled')"),
        sqlite_where=text("state NOT IN ('delivered','cancelled')"),
    ),
    Index("ix_delivery_address", "address", "created_at"),
    Index("ix_delivery_domain", "domain", "created_at"),
    Index(
        "ix_delivery_remote_id",
        "remote_id",
        postgresql_where=text("remote_id IS NOT NULL"),
        sqlite_where=text("remote_id IS NOT NULL"),
    ),
)

attempt = Table(
    "attempt",
    metadata,
    Column("delivery", String, primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("claim", String, nullable=False),
    Column("phase", String, nullable=False),
    Column("outcome", String),
    Column("code", String),
    Column("detail", Text),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
)

#: Append-only timeline and feed. Positions are given in the order of commit.
event = Table(
    "event",
    metadata,
    Column("position", _Position, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False),
    Column("type", String, nullable=False),
    Column("record", String),
    Column("reference", String),
    Column("at", Instant, nullable=False),
    Column("actor", String, nullable=False),
    Column("data", Json, nullable=False),
    Index("ix_event_record", "record", "position"),
    Index(
        "ix_event_by_people",
        "at",
        "id",
        postgresql_where=text("actor NOT IN ('forebay', 'customer')"),
        sqlite_where=text("actor NOT IN ('forebay', 'customer')"),
    ),
    Index("uq_event_id", "id", unique=True),
    sqlite_autoincrement=True,  # else a purged last position would be given again, behind its readers' backs
)

lease = Table(
    "lease",
    metadata,
    Column("name", String, primary_key=True),
    Column("holder", String, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("expires_at", Instant, nullable=False),
)

#: Keyed hashes of purged or erased envelopes: when the source delivers them again they are duplicates.
tombstone = Table(
    "tombstone",
    metadata,
    Column("hash", String, primary_key=True),
    Column("until", Instant, nullable=False),
    Index("ix_tombstone_until", "until"),
)

#: First answers of our own API by the client's Idempotency-Key.
idempotency = Table(
    "idempotency",
    metadata,
    Column("scope", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("request_hash", String, nullable=False),
    Column("status", Integer),  # none while the first request is at work
    Column("response", Json),
    Column("expires_at", Instant, nullable=False),
)

#: What people did by the console, the API or the command line.
audit = Table(
    "audit",
    metadata,
    Column("id", String, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("actor", String, nullable=False),
    Column("verb", String, nullable=False),
    Column("target", String, nullable=False),
    Column("data", Json, nullable=False),
    Index("ix_audit_at", "at", "id"),
)

#: Tokens that must outlive the process (OAuth refresh tokens and the like).
vault = Table(
    "vault",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", Text, nullable=False),
    Column("updated_at", Instant, nullable=False),
)

TABLES = metadata.tables
