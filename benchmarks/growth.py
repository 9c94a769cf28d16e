"""``make bench-growth``: what happens when there is more of it. No time limit; the largest sizes take tens of minutes.

``python -m benchmarks.growth [WHAT …]``: any of ``events``, ``log``, ``postgres``, ``subscriptions``, ``properties``,
``chunks``; all of them unless told. ``--most N``: leave out sizes beyond N events or ids.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING, Any

import pandas as pd
import psycopg
import pyarrow as pa

from benchmarks.data import events
from benchmarks.figures import HEADER, Case, Goal, record, show
from benchmarks.filled import copy_filled, fill, filled
from benchmarks.job import DEFAULT, Ran, Workplace
from benchmarks.sink import Sink
from etl.core.subscription import DEFAULT_MAPPING
from etl.metronome.client import Metronome
from etl.pipeline.chunks import chunks
from tests.support.postgres import Cluster

if TYPE_CHECKING:
    from collections.abc import Callable

MILLION = 1_000_000
SIZES = (1, 10, 50)
_NAME = "{:<14} {:>6}"


def main(arguments: list[str]) -> int:
    """Each asked-for growth; 0 if every goal is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth")
    parser.add_argument("what", nargs="*", choices=[*GROWTHS, []], default=[])
    parser.add_argument("--most", type=int, default=50 * MILLION)
    asked = parser.parse_args(arguments)
    goals: list[Goal] = []
    cases: dict[str, Case] = {}
    with Sink() as sink:
        for what in asked.what or GROWTHS:
            found, held = GROWTHS[what](sink, asked.most)
            show(f"growth of {what}", [HEADER, *(case.line() for case in found.values())])
            cases |= found
            goals += held
    show("held against", [goal.line() for goal in goals])
    print(f"\nrecorded in {record('growth-' + '-'.join(asked.what or ['all']), list(cases.values()), goals)}")
    return 0 if all(goal.met for goal in goals) else 1


def of_events(sink: Sink, most: int) -> tuple[dict[str, Case], list[Goal]]:
    """1 to 50 million events in one run: time grows with them, memory does not."""
    runs = {}
    for size in SIZES:
        if size * MILLION <= most:
            with Workplace(events(size * MILLION), sink) as place:
                runs[size] = place.run_checked()
    cases = {f"{size} M": _case(_NAME.format("events", f"{size} M"), ran) for size, ran in runs.items()}
    goals = [
        Goal(f"peak memory at {size} M events, MB", ran.measured.peak, 600, most=True)
        for size, ran in runs.items()
    ]
    goals += [
        Goal(
            f"peak memory at {size} M events / at 1 M",
            ran.measured.peak / runs[1].measured.peak,
            1.1,
            most=True,
        )
        for size, ran in runs.items()
        if size > 1
    ]
    if 10 in runs:
        goals.append(
            Goal(
                "time at 10 M events / at 1 M", runs[10].measured.wall / runs[1].measured.wall, 12, most=True
            )
        )
    return cases, goals


def of_log(sink: Sink, most: int) -> tuple[dict[str, Case], list[Goal]]:
    """0 to 50 million ids already in a SQLite sent log."""
    data = events(MILLION)

    def run(ids: int) -> Ran:
        with Workplace(data, sink) as place:
            if ids:
                copy_filled(ids, place.database)
            return place.run()

    cases, goals = _with_logs("SQLite", run, most)
    for size in SIZES:
        if size * MILLION <= most:
            size_in_mb = filled(size * MILLION).stat().st_size / 2**20 / size
            goals.append(Goal(f"MB for a million ids, SQLite, {size} M", size_in_mb, 200, most=True))
    return cases, goals


def of_postgres(sink: Sink, most: int) -> tuple[dict[str, Case], list[Goal]]:
    """The same in PostgreSQL."""
    data = events(MILLION)
    with Cluster() as cluster:

        def run(ids: int) -> Ran:
            url = cluster.create_database()
            if ids:
                fill(url, ids)
                _settle(url)
            with Workplace(data, sink, state=url) as place:
                return place.run()

        return _with_logs("PostgreSQL", run, most)


def _settle(url: str) -> None:
    """What the server still has to do after so many rows, it does now."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")


def _with_logs(database: str, run: Callable[[int], Ran], most: int) -> tuple[dict[str, Case], list[Goal]]:
    empty = run(0)
    cases = {f"{database} 0": _case(_NAME.format(database, "0"), empty)}
    goals = []
    for size, least in ((10, 0.8), (50, 0.6)):
        if size * MILLION <= most:
            # Each next to a run with an empty log, as the machine's mood changes within minutes.
            ran, empty = run(size * MILLION), run(0)
            cases[f"{database} {size}"] = _case(_NAME.format(database, f"{size} M"), ran)
            cases[f"{database} 0"].add(empty.rate, empty.measured.cpu / empty.sent * 1e6, empty.measured.peak)
            goals.append(Goal(f"{database}, {size} M ids in the log / none", ran.rate / empty.rate, least))
    return cases, goals


def of_subscriptions(sink: Sink, most: int) -> tuple[dict[str, Case], list[Goal]]:
    """1 to 50 subscriptions, each of which matches every event: the rates are of usage events."""
    data = events(min(100_000, most))
    cases = {}
    for count in (1, 10, 50):
        with Workplace(data, sink, [_with_ids_of_its_own(number) for number in range(count)]) as place:
            cases[f"subscriptions {count}"] = _case(_NAME.format("subscriptions", count), place.run())
    return cases, []


def _with_ids_of_its_own(number: int) -> dict[str, Any]:
    mapping = {**DEFAULT_MAPPING, "transaction_id": {"@template": f"{{{{messageId}}}}-{number}"}}
    return {**DEFAULT, "name": f"number {number}", "mapping": mapping}


def of_properties(sink: Sink, most: int) -> tuple[dict[str, Case], list[Goal]]:
    """8 to 200 properties an event."""
    cases = {}
    for count in (8, 50, 200):
        with Workplace(events(min(200_000, most), properties=count), sink) as place:
            cases[f"properties {count}"] = _case(_NAME.format("properties", count), place.run())
    return cases, []


def of_chunks(sink: Sink, most: int) -> tuple[dict[str, Case], list[Goal]]:
    """Requests of 1 to 100 events: the delivery alone."""
    body = '{"transaction_id":"' + "x" * 380 + '"}'
    column = pd.Series(pa.array([body] * min(100_000, most)), dtype=pd.ArrowDtype(pa.string()))
    cases = {}
    for size in (1, 10, 100):
        frame = pd.DataFrame({"body": column[: size * 1000]})
        case = Case(_NAME.format("a request", size))
        with Metronome(sink.url, lambda: "bench", events_per_second=1e9).open() as delivery:
            began = time.perf_counter()
            for chunk in chunks(frame, max_events=size):
                while not delivery.offer([chunk]):
                    delivery.ready()
            delivery.drain()
            case.add(len(frame) / (time.perf_counter() - began))
        cases[f"chunks {size}"] = case
    return cases, []


def _case(name: str, ran: Ran) -> Case:
    case = Case(name)
    case.add(ran.rate, ran.measured.cpu / ran.sent * 1e6, ran.measured.peak)
    return case


GROWTHS = {
    "events": of_events,
    "log": of_log,
    "postgres": of_postgres,
    "subscriptions": of_subscriptions,
    "properties": of_properties,
    "chunks": of_chunks,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
