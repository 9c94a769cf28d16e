"""The tables of the state database, the same in every kind of database. Times are int64 microseconds since 1970, UTC.

``docs/state.md`` says what each table is for and what always holds between them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

#: The version of this schema; ``migrations`` brings older databases up to it.
VERSION = 5

#: Options for the execution of a query whose answer is mostly bytes: filters, and parts of indexes.
IN_BINARY = {"in_binary": True}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


class Moment(TypeDecorator[datetime]):
    """An aware UTC datetime, kept as microseconds since 1970."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - SQLAlchemy's signature
        """To microseconds."""
        return None if value is None else microseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """From microseconds."""
        return None if value is None else _EPOCH + value * _MICROSECOND


class Number(BigInteger):
    """The number that a table's rows are known by; a dialect may spell it in its own way."""


def _number(name: str) -> Column[int]:
    return Column(name, Number, primary_key=True, autoincrement=False)


metadata = MetaData()

state_version = Table("state_version", metadata, Column("version", Integer, nullable=False))

#: The last number given out, by what is numbered: ``run``, ``label``, ``segment``, ``row``, ``letter``.
numbers = Table(
    "numbers", metadata, Column("name", Text, primary_key=True), Column("value", BigInteger, nullable=False)
)

#: Texts that repeat in the sent log: names of subscriptions and event types.
labels = Table("labels", metadata, _number("label"), Column("text", Text, nullable=False, unique=True))

#: One row for each run. ``epoch`` is the run's number and its fence: only the run with this epoch may write for it,
#: and only while ``status`` is ``running``. Then ``complete``, ``stopped`` or ``abandoned`` (its process died).
runs = Table(
    "runs",
    metadata,
    _number("epoch"),
    Column("run_id", Text, nullable=False, unique=True),
    Column("pipeline", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("since", Moment, nullable=False),
    Column("until", Moment, nullable=False),
    Column("started", Moment, nullable=False),
    Column("ended", Moment),
    Column("status", Text, nullable=False),
    Column("counts", Text),
    Column("error", Text),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Index("runs_of_pipeline", "pipeline", "status"),
)

#: One row for each confirmed usage event. Append-only; ``number`` rises. The account is the segment's.
sent_log = Table(
    "sent_log",
    metadata,
    _number("number"),
    Column("segment", Integer, nullable=False),
    Column("transaction_id", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("subscription", Integer, nullable=False),
    Column("customer_id", Text),
    Column("event_type", Integer),
    Column("event_time", BigInteger),
    Column("run", BigInteger, nullable=False),
    Column("sent_at", BigInteger, nullable=False),
)

#: The sent log is cut into segments; a run appends to one that no other running run appends to. ``bloom`` and
#: ``sent_keys`` hold the keys of the rows up to number ``stored_upto``; the rest up to ``last_number`` is read from the
#: rows.
sent_segments = Table(
    "sent_segments",
    metadata,
    _number("segment"),
    Column("account", Text, nullable=False),
    Column("owner", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("first_number", BigInteger, nullable=False),
    Column("last_number", BigInteger, nullable=False),
    Column("first_sent", Moment, nullable=False),
    Column("last_sent", Moment, nullable=False),
    Column("stored_upto", BigInteger, nullable=False),
    Column("bloom", LargeBinary),
    Index("sent_segments_of_account", "account"),
)

#: The index of the sent log by key, the first 8 bytes of an id's key (``etl.core.ids``); see ``keyindex``.
#: ``part``: 64 times the segment's number, and the key's six highest bits.
sent_keys = Table(
    "sent_keys",
    metadata,
    _number("part"),
    Column("entries", LargeBinary, nullable=False),
)

#: What is complete counts for one account: what was billed to another is billed nowhere else.
intervals = Table(
    "intervals",
    metadata,
    Column("pipeline", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("subscription", Text, primary_key=True),
    Column("since", Moment, primary_key=True),
    Column("until", Moment, nullable=False),
)

subscription_versions = Table(
    "subscription_versions",
    metadata,
    Column("pipeline", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("since", Moment),
    Column("until", Moment),
    Column("starts", Moment),
    Column("trigger_text", Text, nullable=False),
    Column("mapping", Text, nullable=False),
    Column("first_run", BigInteger, nullable=False),
    Column("last_run", BigInteger, nullable=False),
)

#: The windows in which a version may have billed events, merged; kept before the first of them is sent.
touches = Table(
    "touches",
    metadata,
    Column("pipeline", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("since", Moment, primary_key=True),
    Column("until", Moment, nullable=False),
)

#: What the config said that decides what the rest means, or that is to be said or done once; ``etl.state.inputs``.
inputs = Table(
    "inputs",
    metadata,
    Column("pipeline", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("input", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

token_fingerprints = Table(
    "token_fingerprints",
    metadata,
    Column("fingerprint", Text, primary_key=True),
    Column("account", Text, nullable=False),
    Column("first_seen", Moment, nullable=False),
)

#: Parts of the source that were read whole: a run of the same scope, which names the account too, need not read them
#: again.
marks = Table(
    "marks",
    metadata,
    Column("pipeline", Text, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("mark", Text, primary_key=True),
    Column("until", Moment, nullable=False),
    Column("recorded", Moment, nullable=False),
)

#: ``same`` is a hash of what makes two letters the same one. ``status``: ``open``, ``resolved`` or ``discarded``.
#: ``said``: when a run that completed counted it as new; null until then, whatever runs stopped meanwhile.
dead_letters = Table(
    "dead_letters",
    metadata,
    _number("letter"),
    Column("same", LargeBinary, nullable=False),
    Column("pipeline", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("subscription", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("row", BigInteger, nullable=False),
    Column("cursor", Moment),
    Column("message_id", Text),
    Column("transaction_id", Text),
    Column("customer_id", Text),
    Column("event", Text),
    Column("body", Text),
    Column("digest", Text),
    Column("sent_digest", Text),
    Column("due", Moment),
    Column("count", Integer, nullable=False),
    Column("first_run", BigInteger, nullable=False),
    Column("last_run", BigInteger, nullable=False),
    Column("first_seen", Moment, nullable=False),
    Column("last_seen", Moment, nullable=False),
    Column("status", Text, nullable=False),
    Column("why", Text),
    Column("closed", Moment),
    Column("said", Moment),
    UniqueConstraint("same"),
    Index("dead_letters_of_pipeline", "pipeline", "status", "outcome"),
    Index("dead_letters_of_message", "message_id"),
    Index("dead_letters_said", "said"),
)


def take_numbers(connection: sa.Connection, name: str, count: int = 1) -> int:
    """The first of ``count`` consecutive numbers never given out before; needs the writer lock."""
    update = numbers.update().where(numbers.c.name == name).values(value=numbers.c.value + count)
    last = connection.execute(update.returning(numbers.c.value)).scalar_one_or_none()
    if last is None:
        connection.execute(numbers.insert().values(name=name, value=count))
        last = count
    return int(last) - count + 1
