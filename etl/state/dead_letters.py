"""Dead letters in the database: the same pair with the same trouble is one letter with a count, however often seen."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from etl.core.outcomes import HELD
from etl.core.ports import BrokenLetter, DeadLetter, HeldLetter
from etl.state.schema import dead_letters, take_numbers
from etl.state.sent_log.rows import restored, storable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

_TEXTS = (
    *("subscription", "outcome", "stage", "reason", "origin", "message_id", "transaction_id", "customer_id"),
    *("event", "body", "digest", "sent_digest"),
)
_FIELDS = (*_TEXTS, "row", "cursor", "due")
_AT_ONCE = 500


@dataclass(frozen=True)
class Sighting:
    """Who saw the letters: a run's number, its pipeline and account, and when."""

    pipeline: str
    account: str
    run: int
    now: datetime
    keep_events: bool


def same(pipeline: str, account: str, letter: DeadLetter) -> bytes:
    """16 bytes, equal for letters that are the same one.

    The pair (by message id, else by place) and what befell it; of a pair that was mapped the id and content say
    more than the wording of the reason, of one that was not the reason is all there is.
    """
    # In a warehouse the row is the place in a query's answer: only with the cursor it names one event.
    at = letter.cursor.isoformat() if letter.cursor else None
    # Rows of pairs counted from 0 once, and the letters of that time are to stay the same ones.
    row = letter.row if letter.outcome == "unreadable" else letter.row - 1
    place = [letter.message_id] if letter.message_id else [letter.origin, row, at]
    trouble = [letter.transaction_id, letter.digest]
    if letter.outcome in ("rejected", "unreadable", "broken"):
        trouble = [letter.stage, letter.reason, *([letter.digest] if letter.digest else [])]
    if letter.outcome == "late" and not letter.row:
        trouble = [letter.reason]
    content = [pipeline, account, letter.subscription, letter.outcome, *trouble, *place]
    text = "\n".join(storable(repr(part)) for part in content)
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def record(connection: sa.Connection, letters: Sequence[DeadLetter], seen: Sighting) -> Counter[str]:
    """Keep ``letters``; how many were new (or had been resolved before), by outcome. Needs the writer lock."""
    hashes = [same(seen.pipeline, seen.account, letter) for letter in letters]
    by_hash, sightings = dict(zip(hashes, letters, strict=True)), Counter(hashes)
    known = _statuses(connection, by_hash.keys())
    back = [h for h in by_hash if known.get(h) == "resolved" and not _billed(by_hash[h])]
    _see_again(connection, [h for h in known if h not in back], sightings, seen)
    _open_again(connection, back, sightings, seen)
    new = [h for h in by_hash if h not in known]
    _insert(connection, {h: by_hash[h] for h in new}, sightings, seen)
    return Counter(by_hash[h].outcome for h in (*new, *back))


def _billed(resolved: DeadLetter) -> bool:
    """Whether a resolved letter's pair is in the sent log, however often its version goes on rejecting it.

    Rejected pairs are resolved by a retry that sent them; a place that has no message id may hold another event.
    """
    return resolved.outcome == "rejected" and resolved.message_id is not None


def _statuses(connection: sa.Connection, hashes: Collection[bytes]) -> dict[bytes, str]:
    found: dict[bytes, str] = {}
    for part in parts(list(hashes)):
        query = sa.select(dead_letters.c.same, dead_letters.c.status).where(dead_letters.c.same.in_(part))
        found |= {bytes(row[0]): row[1] for row in connection.execute(query)}
    return found


def _see_again(
    connection: sa.Connection, hashes: list[bytes], sightings: Counter[bytes], seen: Sighting
) -> None:
    _touch(connection, hashes, sightings, seen, {})


def _open_again(
    connection: sa.Connection, hashes: list[bytes], sightings: Counter[bytes], seen: Sighting
) -> None:
    _touch(connection, hashes, sightings, seen, {"status": "open", "closed": None, "why": None, "said": None})


def _touch(
    connection: sa.Connection,
    hashes: list[bytes],
    sightings: Counter[bytes],
    seen: Sighting,
    more: dict[str, Any],
) -> None:
    if not hashes:
        return
    columns = dead_letters.c
    update = dead_letters.update().where(columns.same == sa.bindparam("hash"))
    values = {
        "count": columns.count + sa.bindparam("times"),
        "last_run": seen.run,
        "last_seen": seen.now,
        **more,
    }
    connection.execute(update.values(values), [{"hash": h, "times": sightings[h]} for h in hashes])


def _insert(
    connection: sa.Connection, new: dict[bytes, DeadLetter], sightings: Counter[bytes], seen: Sighting
) -> None:
    if not new:
        return
    first = take_numbers(connection, "letter", len(new))
    by_run = {
        "pipeline": seen.pipeline, "account": seen.account, "status": "open",
        "first_run": seen.run, "last_run": seen.run, "first_seen": seen.now, "last_seen": seen.now,
    }  # fmt: skip
    connection.execute(
        dead_letters.insert(),
        [
            {"letter": number, "same": h, "count": sightings[h], **by_run, **_row(letter, seen.keep_events)}
            for number, (h, letter) in enumerate(new.items(), first)
        ],
    )


def _row(letter: DeadLetter, keep_events: bool) -> dict[str, Any]:
    row = asdict(letter)
    row |= {name: None if row[name] is None else storable(row[name]) for name in _TEXTS}
    if not keep_events:
        # A held usage event is still to be sent, and its row may never be read again: its body stays until then.
        row |= {"event": None, "body": row["body"] if letter.outcome in HELD else None}
    return row


def letter_of(row: Any) -> DeadLetter:
    """The letter a row of the table holds."""
    values = {name: getattr(row, name) for name in _FIELDS}
    values |= {name: None if values[name] is None else restored(values[name]) for name in _TEXTS}
    return DeadLetter(**values)


def held(
    connection: sa.Connection, pipeline: str, account: str, due_before: datetime
) -> Iterator[HeldLetter]:
    """Open held letters that may be sent by now, the earliest first."""
    columns = dead_letters.c
    query = sa.select(dead_letters).where(
        columns.pipeline == pipeline, columns.account == account, columns.status == "open",
        columns.outcome.in_(HELD), columns.due <= due_before,
    )  # fmt: skip
    for row in connection.execute(query.order_by(columns.due, columns.letter)):
        yield HeldLetter(row.letter, letter_of(row))


def discarded(connection: sa.Connection, pipeline: str, account: str) -> frozenset[tuple[str, str]]:
    """(subscription, transaction_id) of the held letters that somebody discarded."""
    columns = dead_letters.c
    query = sa.select(columns.subscription, columns.transaction_id).where(
        columns.pipeline == pipeline, columns.account == account, columns.status == "discarded",
        columns.outcome.in_(HELD), columns.transaction_id.is_not(None),
    )  # fmt: skip
    return frozenset((restored(name), restored(id_)) for name, id_ in connection.execute(query))


def broken_parts(connection: sa.Connection, pipeline: str, account: str) -> list[BrokenLetter]:
    """Letters of parts of the source that could not be read: open, or discarded."""
    columns = dead_letters.c
    query = sa.select(dead_letters).where(
        columns.pipeline == pipeline, columns.account == account, columns.status.in_(("open", "discarded")),
        columns.outcome == "broken",
    )  # fmt: skip
    return [
        BrokenLetter(
            row.letter, restored(row.origin), restored(row.reason), row.digest, row.status == "discarded"
        )
        for row in connection.execute(query)
    ]


def close(
    connection: sa.Connection, letters: Iterable[int], status: str, now: datetime, *,
    why: str | None, drop_body: bool = False,
) -> int:  # fmt: skip
    """Mark open letters ``resolved`` or ``discarded``; how many. ``drop_body`` drops the event content too."""
    values: dict[str, Any] = {"status": status, "why": why, "closed": now}
    if drop_body:
        values |= {"event": None, "body": None}
    columns = dead_letters.c
    closed = 0
    for part in parts(sorted(set(letters))):
        where = columns.letter.in_(part) & (columns.status == "open")
        closed += connection.execute(dead_letters.update().where(where).values(values)).rowcount
    return closed


def say(connection: sa.Connection, pipeline: str, account: str, now: datetime) -> Counter[str]:
    """Open letters that no completed run has counted as new yet, by outcome; from now on one has."""
    columns = dead_letters.c
    unsaid = (columns.pipeline == pipeline) & (columns.account == account) & columns.said.is_(None)
    unsaid &= columns.status == "open"
    query = sa.select(columns.outcome, sa.func.count()).where(unsaid).group_by(columns.outcome)
    found = Counter({outcome: int(number) for outcome, number in connection.execute(query)})
    if found:
        connection.execute(dead_letters.update().where(unsaid).values(said=now))
    return found


def erase(connection: sa.Connection, of: Mapping[str, str | None], now: datetime) -> int:
    """Close the letters with these ids and drop everything in them that is of the event; how many."""
    columns = dead_letters.c
    mine = [columns[name] == storable(value) for name, value in of.items() if value is not None]
    gone = dict.fromkeys(("message_id", "transaction_id", "customer_id", "event", "body"))
    values = {**gone, "status": "discarded", "why": "erased on request", "closed": now}
    return int(connection.execute(dead_letters.update().where(*mine).values(values)).rowcount)


def forget(connection: sa.Connection, run: int) -> Counter[str]:
    """Drop the letters that only this run saw and that nobody has dealt with; how many, by outcome."""
    columns = dead_letters.c
    only = (columns.first_run == run) & (columns.last_run == run) & (columns.status == "open")
    told = sa.select(columns.outcome, sa.func.count()).where(only).group_by(columns.outcome)
    gone = Counter({outcome: int(number) for outcome, number in connection.execute(told)})
    connection.execute(dead_letters.delete().where(only))
    return gone


def parts(items: list[Any]) -> Iterator[list[Any]]:
    """``items`` in parts that fit into one statement's parameters."""
    return (items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE))
