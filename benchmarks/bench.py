"""``make bench``: the job, what could be written instead of it, and what is promised of the two."""

from __future__ import annotations

import json
import sys
import tempfile
from statistics import median
from typing import TYPE_CHECKING

from benchmarks import transform
from benchmarks.data import Data, events
from benchmarks.figures import HEADER, Case, Goal, compared, record, show
from benchmarks.idle import help_seconds, idle
from benchmarks.job import DEFAULT, NESTED, Ran, Workplace
from benchmarks.measured import measure
from benchmarks.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS, FEW = 1_000_000, 100_000
_REFERENCE = 5_000
_BESIDE = "the job beside (a) and (c), typed Parquet"


def main(rounds: int = 3) -> int:
    """Everything; 0 if every goal is met."""
    with Sink() as sink:
        print(f"sink: {sink.kind}; {ROWS:,} rows, {rounds} rounds; each pair is measured in turn", flush=True)
        typed, text, few = events(ROWS), events(ROWS, "json"), events(FEW)
        cases = end_to_end(sink, typed, text, rounds)
        small = scripts(sink, typed, few, rounds)
        alone, notes = transforms(typed, text, rounds)
        shares = stages(sink, typed)
        everything = {**cases, **small, **alone}
        goals = promised(everything, idle(typed, sink, 10_000_000, rounds), help_seconds(5))
    show("end to end, from Parquet to SQLite", [HEADER, *(case.line() for case in cases.values())])
    show("instead of it", [HEADER, *(case.line() for case in small.values())])
    show("the transform alone", [HEADER, *(case.line() for case in alone.values()), *notes])
    show("CPU time by stage", [f"{name:<44}{share:>8.1%}" for name, share in shares.items()])
    show("held against", [goal.line() for goal in goals])
    show("changed by more than a fifth since it was last recorded", compared("bench", goals) or ["nothing"])
    path = record("bench", list(everything.values()), goals, stages=shares, sink=sink.kind)
    print(f"\nrecorded in {path}")
    return 0 if all(goal.met for goal in goals) else 1


# -------------------------------------------------------------------------------------------- cases


def end_to_end(sink: Sink, typed: Data, text: Data, rounds: int) -> dict[str, Case]:
    """The job and the script by hand, in turn."""
    nested = [{"name": "nested", **NESTED}]
    ways: dict[str, Callable[[], Ran]] = {
        "the job, typed Parquet": lambda: _job(sink, typed),
        "(b) by hand, typed Parquet": lambda: _by_hand(sink, typed),
        "the job, nested mapping, three conditions": lambda: _job(sink, typed, nested),
        "the job, JSON text": lambda: _job(sink, text),
        "(b) by hand, JSON text": lambda: _by_hand(sink, text),
    }
    return _in_turn(ways, rounds)


def scripts(sink: Sink, typed: Data, few: Data, rounds: int) -> dict[str, Case]:
    """The job and the slower ways, in turn; those on fewer events."""
    ways: dict[str, Callable[[], Ran]] = {
        _BESIDE: lambda: _job(sink, typed),
        "(a) pandas rows and Metronome's SDK": lambda: _script(sink, few, "sdk", str(FEW)),
        "(c) dlt with a custom destination": lambda: _dlt(sink, few),
    }
    return _in_turn(ways, rounds)


def transforms(typed: Data, text: Data, rounds: int) -> tuple[dict[str, Case], list[str]]:
    """Ours, the reference and Segment's, in turn; and notes on what was left out."""
    lines = transform.texts(typed, FEW)
    few = transform.parsed(lines[:_REFERENCE])
    segment = transform.Segment()
    cases: dict[str, Case] = {}
    held = {"typed": transform.batches(typed), "JSON text": transform.batches(text)}
    for _ in range(rounds):
        for name, subscription in (("default", DEFAULT), ("nested", NESTED)):
            for kind, batches in held.items():
                _add(cases, f"transform, {kind}, {name}", transform.ours(batches, subscription))
            _add(cases, f"the plain reference, {name}", transform.reference(few, subscription))
            if not segment.missing:
                _add(cases, f"(d) Segment's packages, {name}", segment.run(lines, subscription))
    return cases, [f"(d) was left out: {segment.missing}"] if segment.missing else []


def _add(cases: dict[str, Case], name: str, done: transform.Pass) -> None:
    cases.setdefault(name, Case(name)).add(done.rate)


def stages(sink: Sink, data: Data) -> dict[str, float]:
    """The share of each stage in the job's CPU time."""
    with Workplace(data, sink) as place:
        window = (data.since.isoformat(), data.until.isoformat())
        command = [sys.executable, "-m", "benchmarks.stages", str(place.config), *window]
        seconds = json.loads(measure(command, BENCH_TOKEN="bench").output)["seconds"]
    total = sum(seconds.values())
    return {name: round(spent / total, 3) for name, spent in sorted(seconds.items(), key=lambda s: -s[1])}


# -------------------------------------------------------------------------------------------- goals


def promised(cases: dict[str, Case], idle_cpu: float, help_wall: float) -> list[Goal]:
    """What must hold."""

    def ratio(one: str, other: str) -> float:
        return cases[one].rate / cases[other].rate if other in cases else float("nan")

    job, hand = cases["the job, typed Parquet"], "(b) by hand, typed Parquet"
    enough = max(ratio(job.name, hand) / 0.6, job.rate / 100_000)
    runs = [case for name, case in cases.items() if name.startswith("the job")]
    goals = [
        Goal("typed: of 100,000 events/s or of 0.6 (b), whichever is nearer", enough, 1),
        Goal("nested mapping, three conditions / (b)", ratio(runs[1].name, hand), 0.4),
        Goal("JSON text / (b)", ratio("the job, JSON text", hand), 0.4),
        Goal("typed / (a)", ratio(_BESIDE, "(a) pandas rows and Metronome's SDK"), 20),
        Goal("typed / (c)", ratio(_BESIDE, "(c) dlt with a custom destination"), 6),
        *(
            Goal(f"transform, {kind}, {name} / the reference", ratio(f"transform, {kind}, {name}", f"the plain reference, {name}"), least)
            for name in ("default", "nested")
            for kind, least in (("typed", 10), ("JSON text", 3))
        ),
        Goal("peak memory of the job, MB", max(median(case.peaks) for case in runs), 600, most=True),
        Goal("CPU seconds of an idle scheduled run, 10 M ids in the log", idle_cpu, 2, most=True),
        Goal("seconds of `etl --help`", help_wall, 0.3, most=True),
    ]  # fmt: skip
    if "(d) Segment's packages, default" in cases:
        goals += [
            Goal(f"transform, typed, {name} / (d)", ratio(f"transform, typed, {name}", f"(d) Segment's packages, {name}"), 5)
            for name in ("default", "nested")
        ]  # fmt: skip
    return goals


# -------------------------------------------------------------------------------------------- runs


def _in_turn(ways: dict[str, Callable[[], Ran]], rounds: int) -> dict[str, Case]:
    cases = {name: Case(name) for name in ways}
    for number in range(1, rounds + 1):
        for name, way in ways.items():
            ran = way()
            cases[name].add(ran.rate, ran.measured.cpu / ran.sent * 1e6, ran.measured.peak)
            print(f"  round {number}: {name}: {ran.rate:,.0f} events/s", flush=True)
    return cases


def _job(sink: Sink, data: Data, subscriptions: list[dict[str, object]] | None = None) -> Ran:
    with Workplace(data, sink, subscriptions) as place:
        return place.run_checked()


def _by_hand(sink: Sink, data: Data) -> Ran:
    return _script(sink, data, "by_hand")


def _dlt(sink: Sink, data: Data) -> Ran:
    with tempfile.TemporaryDirectory() as folder:
        return _script(sink, data, "dlt_pipeline", folder)


def _script(sink: Sink, data: Data, module: str, *arguments: str) -> Ran:
    sink.forget()
    command = [sys.executable, "-m", f"benchmarks.baselines.{module}", str(data.file), sink.url, *arguments]
    measured = measure(command, RUNTIME__DLTHUB_TELEMETRY="false")
    got = sink.got()
    if got.requests < data.tracks // 100:
        raise RuntimeError(f"{module} sent {got.requests:,} requests for {data.tracks:,} events")
    return Ran(measured, data.tracks, got.requests, got.bytes)
