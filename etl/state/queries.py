"""What people ask of the state outside of runs: lists as DataFrames, repair of dead letters, erasure, sizes.

Rows of the state database as Arrow tables and DataFrames, with types that do not depend on what is in them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import sqlalchemy as sa

from etl.core.ids import words_of
from etl.state import dead_letters as letters
from etl.state.dialects import dialect_of
from etl.state.schema import Moment, dead_letters, labels, marks, runs, sent_log, sent_segments
from etl.state.sent_log import log as sentlog
from etl.state.sent_log import rows
from etl.state.sent_log.retention import erase_customer, prune
from etl.state.sent_log.rows import restored

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime, timedelta

    from etl.core.ports import HeldLetter
    from etl.state.database import Database


_TIMESTAMP = pa.timestamp("us", "UTC")


def as_table(connection: sa.Connection, query: sa.Select[Any]) -> pa.Table:
    """The rows of ``query``: int64, string, binary and ``timestamp[us, UTC]`` columns, texts as they were given."""
    columns = list(query.selected_columns)
    values = list(zip(*connection.execute(query), strict=True)) or [()] * len(columns)
    arrays = [_array(column, cells) for column, cells in zip(columns, values, strict=True)]
    return pa.table(arrays, [str(column.key) for column in columns])


def as_frame(connection: sa.Connection, query: sa.Select[Any]) -> pd.DataFrame:
    """The same as a DataFrame with Arrow types."""
    found: pd.DataFrame = as_table(connection, query).to_pandas(types_mapper=pd.ArrowDtype)
    return found


def _array(column: sa.ColumnElement[Any], cells: Iterable[Any]) -> pa.Array:
    match column.type:
        case Moment():
            return pa.array(cells, _TIMESTAMP)
        case sa.Text():
            return pa.array([None if cell is None else _valid(restored(cell)) for cell in cells], pa.string())
        case sa.LargeBinary():
            return pa.array([None if cell is None else bytes(cell) for cell in cells], pa.binary())
    return pa.array([None if cell is None else int(cell) for cell in cells], pa.int64())


def _valid(text: str) -> str:
    """Arrow's strings are UTF-8, which has no half surrogate pairs: shown as JSON would escape them."""
    return text.encode(errors="backslashreplace").decode()


_BATCH = 100_000
_UNBOUNDED = 1_000_000


class Archive:
    """Reading makes no database where there is none: everything is empty then. Raises ``StateError``, ``ConfigError``."""

    database: Database
    _retention: timedelta
    _now: Callable[[], datetime]

    # ------------------------------------------------------------------------------------------- runs

    def runs(
        self, pipeline: str | None = None, account: str | None = None, *, limit: int | None = None
    ) -> pd.DataFrame:
        """The runs, newest first; ``counts`` is a dict (None before anything was recorded).

        ``status``: ``running``, ``complete``, ``stopped``, or ``abandoned`` (its process died, and a later run of the
        window noticed; until then it reads ``running``).
        """
        columns = [c for c in runs.c if c.name != "epoch"]
        mine = _conditions(runs, {"pipeline": pipeline, "account": account})
        query = sa.select(*columns).where(*mine).order_by(runs.c.epoch.desc()).limit(limit)
        with self.database.reading() as connection:
            frame = as_frame(connection, query)
        counts = [None if not isinstance(text, str) else orjson.loads(text) for text in frame["counts"]]
        return frame.assign(counts=np.array([*counts, None], object)[:-1])

    # ----------------------------------------------------------------------------------- dead letters

    def dead_letters(
        self,
        pipeline: str | None = None,
        *,
        status: str | None = "open",
        limit: int | None = None,
        **where: Any,
    ) -> pd.DataFrame:
        """Dead letters, oldest first, one column for each field of ``ports.DeadLetter`` and of its keeping.

        ``letter`` is the number to name it by, ``count`` how often it was seen, ``first_run``/``last_run`` run ids.
        ``where``: columns and the value, or list of values, they must have (``outcome="rejected"``,
        ``letter=[3, 4]``). ``status``: ``open``, ``resolved``, ``discarded`` or None for all.
        """
        first, last = runs.alias(), runs.alias()
        kept = [c for c in dead_letters.c if c.name not in ("same", "said", "first_run", "last_run")]
        query = sa.select(*kept, first.c.run_id.label("first_run"), last.c.run_id.label("last_run"))
        query = query.outerjoin_from(dead_letters, first, first.c.epoch == dead_letters.c.first_run)
        query = query.outerjoin(last, last.c.epoch == dead_letters.c.last_run)
        conditions = {"pipeline": pipeline, "status": status, **where}
        query = (
            query.where(*_conditions(dead_letters, conditions)).order_by(dead_letters.c.letter).limit(limit)
        )
        with self.database.reading() as connection:
            return as_frame(connection, query)

    def letter_counts(
        self, pipeline: str | None = None, account: str | None = None, *, status: str | None = "open"
    ) -> pd.DataFrame:
        """``subscription, outcome, stage, reason, letters, sightings``, the most frequent first."""
        columns = dead_letters.c
        by = [columns.subscription, columns.outcome, columns.stage, columns.reason]
        letters_of = sa.func.count().label("letters")
        query = sa.select(*by, letters_of, sa.func.sum(columns.count).label("sightings"))
        conditions = {"pipeline": pipeline, "account": account, "status": status}
        query = query.where(*_conditions(dead_letters, conditions))
        with self.database.reading() as connection:
            return as_frame(connection, query.group_by(*by).order_by(letters_of.desc(), *by))

    def letters_between(
        self, pipeline: str, account: str, outcome: str, since: datetime, until: datetime
    ) -> int:
        """How many open letters of ``outcome`` have a cursor in ``[since, until)``."""
        columns = dead_letters.c
        of = {"pipeline": pipeline, "account": account, "status": "open", "outcome": outcome}
        where = _conditions(dead_letters, of)
        where += [columns.cursor >= since, columns.cursor < until]
        with self.database.reading() as connection:
            query = sa.select(sa.func.count()).select_from(dead_letters).where(*where)
            return int(connection.execute(query).scalar_one())

    def oldest_letters(self, pipeline: str, account: str) -> dict[str, datetime]:
        """Outcome → when the longest open letter of it was first seen."""
        columns = dead_letters.c
        oldest = sa.func.min(columns.first_seen)
        query = sa.select(columns.outcome, oldest).group_by(columns.outcome)
        with self.database.reading() as connection:
            of = {"pipeline": pipeline, "account": account, "status": "open"}
            found = connection.execute(query.where(*_conditions(dead_letters, of))).all()
        return {str(outcome): moment for outcome, moment in found}

    def held(self, pipeline: str, account: str, due_before: datetime) -> list[HeldLetter]:
        """Held pairs that came due."""
        with self.database.reading() as connection:
            return list(letters.held(connection, pipeline, account, due_before))

    def resolve(self, numbers: Iterable[int], why: str | None = None) -> int:
        """The trouble is over (sent after a repair, or not billable any more); how many open letters were closed."""
        return self._close(numbers, "resolved", why)

    def say_new(self, pipeline: str, account: str) -> Counter[str]:
        """Open letters that no completed run has counted as new yet, by outcome; from now on one has."""
        with self.database.written() as connection:
            return letters.say(connection, pipeline, account, self._now())

    def discard(self, numbers: Iterable[int], why: str) -> int:
        """These are never to be billed; how many open letters were closed. Seen again, they stay closed."""
        return self._close(numbers, "discarded", why)

    def _close(self, numbers: Iterable[int], status: str, why: str | None) -> int:
        if not self.database.present:
            return 0
        with self.database.written() as connection:
            return letters.close(connection, numbers, status, self._now(), why=why)

    def erase(self, *, customer_id: str | None = None, message_id: str | None = None) -> dict[str, int]:
        """Forget a person or an event: ``{"dead_letters": n, "sent_log": n}`` rows that were changed.

        A dead letter loses its content and ids and is closed, and stays so when the event is seen again. The sent
        log loses the customer_id but keeps the transaction_id: without it the event could be billed twice.
        """
        erased = {"dead_letters": 0, "sent_log": 0}
        if not self.database.present or (customer_id is None and message_id is None):
            return erased
        with self.database.written() as connection:
            of = {"customer_id": customer_id, "message_id": message_id}
            erased["dead_letters"] = letters.erase(connection, of, self._now())
        if customer_id is not None:
            erased["sent_log"] = erase_customer(self.database, customer_id)
        return erased

    # --------------------------------------------------------------------------------------- sent log

    def sent_log(
        self,
        *,
        account: str | None = None,
        transaction_ids: Sequence[str] | None = None,
        run_id: str | None = None,
        customer_id: str | None = None,
        sent: tuple[datetime, datetime] | None = None,
        batch: int = _BATCH,
    ) -> Iterator[pa.Table]:
        """The sent log in the order of recording, ``batch`` rows at a time; at least one table, maybe empty.

        Columns: ``account, transaction_id, digest`` (binary), ``subscription, customer_id, event_type, event_time,
        pipeline, run_id, sent_at`` (times ``timestamp[us, UTC]``). ``sent``: half-open, on ``sent_at``.
        """
        conditions = _conditions(sent_segments, {"account": account})
        conditions += _conditions(runs, {"run_id": run_id})
        if customer_id is not None:
            conditions.append(sent_log.c.customer_id == rows.storable(customer_id))
        if sent is not None:
            at = sa.type_coerce(sent_log.c.sent_at, Moment())
            conditions += [at >= sent[0], at < sent[1]]
        last: int | None = 0
        with self.database.reading() as connection:
            if transaction_ids is not None:
                conditions.append(_with_ids(connection, transaction_ids))
            while last is not None:
                query = (
                    _SENT.where(*conditions, sent_log.c.number > last)
                    .order_by(sent_log.c.number)
                    .limit(batch)
                )
                found = as_table(connection, query)
                if found.num_rows or not last:
                    yield found.drop_columns("number")
                last = found["number"][-1].as_py() if found.num_rows == batch else None

    def sizes(self) -> dict[str, int]:
        """``sent_log`` rows, ``segments``, ``dead_letters``, ``runs``, ``marks`` and ``bytes`` on disk."""
        with self.database.reading() as connection:
            count = {str(table.name): _count(connection, table) for table in (dead_letters, runs, marks)}
            ids = connection.execute(
                sa.select(sa.func.coalesce(sa.func.sum(sent_segments.c.rows), 0))
            ).scalar_one()
            segments = _count(connection, sent_segments)
        return {"sent_log": int(ids), "segments": segments, **count, "bytes": self.database.size()}

    def prune(self) -> int:
        """Drop everything older than the retention now; how many rows of the sent log."""
        if not self.database.present:
            return 0
        self.database.prepare()
        with self.database.writing_engine.connect() as writer:
            return prune(self.database, writer, self._now(), self._retention, _UNBOUNDED)


_SUBSCRIPTION, _EVENT_TYPE = labels.alias("subscription"), labels.alias("event_type")
_SENT = (
    sa.select(
        sent_log.c.number,
        sent_segments.c.account,
        sent_log.c.transaction_id,
        sent_log.c.digest,
        _SUBSCRIPTION.c.text.label("subscription"),
        sent_log.c.customer_id,
        _EVENT_TYPE.c.text.label("event_type"),
        sa.type_coerce(sent_log.c.event_time, Moment()).label("event_time"),
        runs.c.pipeline,
        runs.c.run_id,
        sa.type_coerce(sent_log.c.sent_at, Moment()).label("sent_at"),
    )
    .join_from(sent_log, sent_segments, sent_segments.c.segment == sent_log.c.segment)
    .outerjoin(runs, runs.c.epoch == sent_log.c.run)
    .outerjoin(_SUBSCRIPTION, _SUBSCRIPTION.c.label == sent_log.c.subscription)
    .outerjoin(_EVENT_TYPE, _EVENT_TYPE.c.label == sent_log.c.event_type)
)


def _with_ids(connection: sa.Connection, transaction_ids: Sequence[str]) -> sa.ColumnElement[bool]:
    numbers = sentlog.numbers_of(connection, words_of(transaction_ids)[:, 0])
    stored = [rows.storable(i) for i in transaction_ids]
    dialect = dialect_of(connection)
    return sa.and_(
        dialect.among(sent_log.c.number, numbers.tolist()),
        dialect.among(sent_log.c.transaction_id, stored),
    )


def _conditions(table: sa.Table, where: dict[str, Any]) -> list[sa.ColumnElement[bool]]:
    """A column that is to be None is not asked about."""
    return [
        table.c[name].in_(value) if isinstance(value, list | tuple | set) else table.c[name] == value
        for name, value in where.items()
        if value is not None
    ]


def _count(connection: sa.Connection, table: sa.Table) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())
