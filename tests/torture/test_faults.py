"""Metronome at its worst: answers lost, late, refused, and events that poison their chunk."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from etl.standin import Standin
from tests.support.workspace import Workspace
from tests.torture.conftest import Figures
from tests.torture.life import POISON, Life, write_export
from tests.torture.runs import Mill

#: 5 % 429; 5 % 5xx, half of them after taking; 2 % resets after the body was read; 2 % silence.
FAULTS = [
    {"kind": "status", "status": 429, "rate": 0.025, "retry_after": "0"},
    {"kind": "status", "status": 429, "rate": 0.025},
    {"kind": "status", "status": 503, "rate": 0.0125},
    {"kind": "status", "status": 500, "rate": 0.0125},
    {"kind": "status", "status": 502, "rate": 0.025, "when": "after_taking"},
    {"kind": "reset", "rate": 0.01},
    {"kind": "reset", "rate": 0.01, "when": "after_taking"},
    {"kind": "silence", "rate": 0.01},
    {"kind": "silence", "rate": 0.01, "when": "after_taking"},
]


def suffer(life: Life, events: int, figures: Figures) -> None:
    """One run through all of it, one event in a thousand poisoned."""
    life.configure(source={"batch_rows": 20_000}, destination={"timeout": "1s", "retry_for": "20m"})
    poisoned = events // 1000
    life.arrive(events - poisoned, 0, poisoned)
    life.standin.set_faults(FAULTS, seed=5)
    ended = life.run(seconds=500)
    assert ended.code == 1, ended.stderr
    report, stats = ended.report, life.standin.stats()
    assert (report["sent"], report["rejected"], report["unsent"]) == (events - poisoned, poisoned, 0)
    assert set(stats["faults"]) >= {"status 429", "status 502 after_taking", "reset", "silence after_taking"}
    life.standin.set_faults()
    life.check()
    with life.watch() as seen:
        assert set(seen.column("SELECT message_id FROM dead_letters")) == life.bad
        assert set(seen.column("SELECT reason FROM dead_letters")) == {"400: [0] is not acceptable"}
        assert set(seen.column("SELECT stage FROM dead_letters")) == {"metronome"}
    asked_again = report["requests"] - report["retries"] - math.ceil(events / 100)
    assert asked_again <= 15 * poisoned
    again = life.run()
    assert (again.code, again.report["sent"]) == (0, 0)
    figures(
        events=events,
        poisoned_events=poisoned,
        requests=report["requests"],
        retries=report["retries"],
        requests_to_isolate_one_poisoned_event=asked_again / poisoned,
        **{f"injected {name}": number for name, number in sorted(stats["faults"].items())},
        ids_sent_again=stats["duplicates"],
        seconds=report["seconds"],
    )


def test_five_thousand_events_survive_a_failing_metronome(
    tmp_path: Path, recording: tuple[Standin, Path], mill: Mill, figures: Figures
) -> None:
    """Every good event accepted once, every poisoned one a dead letter with its reason, no good event blamed."""
    suffer(Life(tmp_path, *recording, mill, "sqlite:///state.db"), 5_000, figures)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_a_hundred_thousand_events_survive_a_failing_metronome(
    tmp_path: Path,
    recording: tuple[Standin, Path],
    mill: Mill,
    figures: Figures,
    backend: str,
    request: pytest.FixtureRequest,
) -> None:
    """The same, at the size of the issue."""
    state = "sqlite:///state.db" if backend == "sqlite" else request.getfixturevalue("postgres")
    suffer(Life(tmp_path, *recording, mill, state), 100_000, figures)


def test_a_poisoned_event_in_a_chunk_of_100_costs_at_most_15_requests_more(
    tmp_path: Path, standin: Standin, figures: Figures
) -> None:
    """Wherever it stands."""
    standin.configure(poison_prefix=POISON)
    workspace = Workspace(tmp_path, standin)
    workspace.config()
    more = []
    for position in (0, 1, 49, 50, 63, 98, 99):
        ids = [f"{position}-{number}" for number in range(100)]
        ids[position] = f"{POISON}{position}"
        write_export(tmp_path, f"{position}.parquet", ids)
        report = workspace.run()
        assert (report.sent, report.rejected) == (99, 1)
        more.append(report.requests - 1)
    figures(most_requests_more=max(more))
    assert max(more) <= 15
