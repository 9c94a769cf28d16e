"""Two runs that send the same pair at the same time: Metronome bills it once, and only one of them has sent it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from etl.pipeline import wiring
from etl.pipeline.run import run
from tests.support.workspace import Workspace, ago, track

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from etl.core.ports import Chunk, Delivery, Destination
    from etl.core.report import Report


@dataclass
class _Meanwhile:
    """Metronome; before the first chunk is handed over, another run takes place."""

    destination: Destination
    other_run: Callable[[], Report]

    @contextmanager
    def open(self) -> Iterator[Any]:
        with self.destination.open() as delivery:
            yield _Handing(delivery, self.other_run)

    def check(self) -> None:
        self.destination.check()


class _Handing:
    def __init__(self, delivery: Delivery, other_run: Callable[[], Report]) -> None:
        self.delivery, self.other_run = delivery, other_run
        self.other: Report | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.delivery, name)

    def offer(self, chunks: Sequence[Chunk]) -> int:
        self.other = self.other or self.other_run()
        return self.delivery.offer(chunks)


def test_who_records_a_pair_last_found_it_already_sent(workspace: Workspace) -> None:
    """Disjoint windows may run together, and a row of each has the same id."""
    workspace.config()
    workspace.write(
        [
            *(track(name, receivedAt=ago(hours=30)) for name in ("m1", "m2", "m3")),
            *(track(name) for name in ("m2", "m3", "m4")),
        ]
    )
    config, now = workspace.load(), datetime.now(UTC).replace(microsecond=0)
    day = timedelta(days=1)
    others: list[Report] = []

    def other_run() -> Report:
        others.append(run(wiring.job_of(config, window=(now - 2 * day, now - day), kind="ad-hoc")))
        return others[0]

    job = wiring.job_of(config, window=(now - day, now), kind="ad-hoc")
    mine = run(replace(job, destination=_Meanwhile(job.destination, other_run)))
    assert [(one.matched, one.sent, one.already_sent) for one in (*others, mine)] == [(3, 3, 0), (3, 1, 2)]
    state = wiring.state_of(config)
    assert sum(table.num_rows for table in state.sent_log(account="sandbox")) == 4
    assert sorted(counts["sent"] for counts in state.runs("test")["counts"]) == [1, 3]
    assert sorted(workspace.standin.ids()) == ["m1", "m2", "m3", "m4"]


def test_a_held_pair_that_two_runs_release_counts_once(workspace: Workspace) -> None:
    workspace.config(source={"overlap": "1h"})
    workspace.write([track("m1", timestamp=ago(days=-3))])
    config, later = workspace.load(), datetime.now(UTC).replace(microsecond=0) + timedelta(hours=49)
    run(wiring.job_of(config))
    workspace.standin.configure(now=later.isoformat())
    others: list[Report] = []

    def job(window: tuple[datetime, datetime]) -> Any:
        return wiring.job_of(config, window=window, kind="ad-hoc", clock=lambda: later)

    def other_run() -> Report:
        others.append(run(job((later - timedelta(hours=2), later - timedelta(hours=1)))))
        return others[0]

    mine = job((later - timedelta(hours=1), later))
    mine = run(replace(mine, destination=_Meanwhile(mine.destination, other_run)))
    assert [(one.released, one.sent, one.already_sent) for one in (*others, mine)] == [(1, 0, 0), (0, 0, 0)]
    assert workspace.standin.ids() == ["m1"]
