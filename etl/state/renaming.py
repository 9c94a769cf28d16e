"""Renamed subscriptions and pipelines keep their books: all of it goes on under the new name.

Only what was sent, and the counts of runs, stay under the subscription name that they were sent and counted under.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from etl.core.windows import Window, merge
from etl.state.dead_letters import letter_of, parts, same
from etl.state.schema import dead_letters, inputs, intervals, runs, subscription_versions, touches
from etl.state.sent_log.rows import storable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etl.core.ports import RunPlan


def rename(connection: sa.Connection, plan: RunPlan) -> None:
    """Take over the pipeline ``plan.takes_over``, then let everything under a name of ``plan.renames`` have its new one.

    All at once, so that two can swap theirs; what a new name has of its own stays, joined with it. The new pipeline has
    nothing yet. Needs the writer lock.
    """
    if not (plan.renames or plan.takes_over):
        return
    for table in (runs, intervals, touches, subscription_versions, inputs) if plan.takes_over else ():
        where = (table.c.pipeline == plan.takes_over) & (table.c.account == plan.account)
        connection.execute(table.update().where(where).values(pipeline=plan.pipeline))
    _move_windows(connection, plan, intervals, "subscription")
    _move_windows(connection, plan, touches, "name")
    _move_versions(connection, plan)
    _move_letters(connection, plan)


def _taken(
    connection: sa.Connection, plan: RunPlan, table: sa.Table, column: str
) -> Sequence[Mapping[str, Any]]:
    """Rows of every name that takes part, under the names they are to have; taken out of the table."""
    names = {*plan.renames, *plan.renames.values()}
    where = _mine(plan, table) & table.c[column].in_(sorted(names))
    rows = [dict(row) for row in connection.execute(sa.select(table).where(where)).mappings()]
    connection.execute(table.delete().where(where))
    return [{**row, column: plan.renames.get(row[column], row[column])} for row in rows]


def _mine(plan: RunPlan, table: sa.Table) -> sa.ColumnElement[bool]:
    return (table.c.pipeline == plan.pipeline) & (table.c.account == plan.account)


def _move_windows(connection: sa.Connection, plan: RunPlan, table: sa.Table, column: str) -> None:
    found: dict[tuple[tuple[str, Any], ...], list[Window]] = {}
    for row in _taken(connection, plan, table, column):
        of = tuple((key, value) for key, value in row.items() if key not in ("since", "until"))
        found.setdefault(of, []).append(Window(row["since"], row["until"]))
    rows = [
        {**dict(of), "since": window.since, "until": window.until}
        for of, windows in found.items()
        for window in merge(windows)
    ]
    if rows:
        connection.execute(table.insert(), rows)


def _move_versions(connection: sa.Connection, plan: RunPlan) -> None:
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for row in _taken(connection, plan, subscription_versions, "name"):
        key = (row["name"], row["version"])
        found[key] = _joined(found[key], row) if key in found else row
    if found:
        connection.execute(subscription_versions.insert(), list(found.values()))


def _joined(one: Mapping[str, Any], other: Mapping[str, Any]) -> Mapping[str, Any]:
    """A version that both names have had: as it was last seen, from where either began."""
    newer = max(one, other, key=lambda row: int(row["last_run"]))
    starts = [row["starts"] for row in (one, other) if row["starts"]]
    first = min(one["first_run"], other["first_run"])
    return {**newer, "starts": min(starts, default=None), "first_run": first}


def _move_letters(connection: sa.Connection, plan: RunPlan) -> None:
    """Under hashes of the new name. The letter of a pair that has one there already stays behind, resolved."""
    columns = dead_letters.c
    where = (columns.pipeline == (plan.takes_over or plan.pipeline)) & (columns.account == plan.account)
    if not plan.takes_over:
        where &= columns.subscription.in_(sorted(map(storable, plan.renames)))
    numbers = list(connection.execute(sa.select(columns.letter).where(where)).scalars())
    moves: list[dict[str, Any]] = []
    for some in parts(numbers):
        rows = connection.execute(sa.select(dead_letters).where(columns.letter.in_(some)))
        moves += [_moved(plan, row) for row in rows]
    if not moves:
        return
    change = dead_letters.update().where(columns.letter == sa.bindparam("number"))
    # No two letters have one hash, not even on the way: where names are swapped, the old ones go first.
    connection.execute(
        change.values(same=sa.bindparam("hash")),
        [{"number": m["number"], "hash": b"moving %d" % m["number"]} for m in moves],
    )
    taken = _letters_of(connection, [m["hash"] for m in moves])
    free = [m for m in moves if m["hash"] not in taken]
    if free:
        values = {"same": sa.bindparam("hash"), "subscription": sa.bindparam("to"), "pipeline": plan.pipeline}
        connection.execute(change.values(values), free)
    met = [
        {"number": m["number"], "hash": m["old"], "why": _met(m, taken)} for m in moves if m["hash"] in taken
    ]
    if met:
        values = {"same": sa.bindparam("hash"), "status": "resolved", "why": sa.bindparam("why")}
        connection.execute(change.values(values), met)


def _moved(plan: RunPlan, row: Any) -> dict[str, Any]:
    letter = letter_of(row)
    new = plan.renames.get(letter.subscription, letter.subscription)
    return {
        "number": row.letter,
        "old": bytes(row.same),
        "hash": same(plan.pipeline, plan.account, replace(letter, subscription=new)),
        "to": storable(new),
    }


def _letters_of(connection: sa.Connection, hashes: list[bytes]) -> dict[bytes, int]:
    found: dict[bytes, int] = {}
    for some in parts(hashes):
        query = sa.select(dead_letters.c.same, dead_letters.c.letter).where(dead_letters.c.same.in_(some))
        found |= {bytes(row.same): row.letter for row in connection.execute(query)}
    return found


def _met(move: Mapping[str, Any], taken: Mapping[bytes, int]) -> str:
    return f"the subscription was renamed to {move['to']!r}, where letter {taken[move['hash']]} is of the same pair"
