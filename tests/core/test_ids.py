"""The sent log's digests are of the bodies that Metronome took, whatever happened on their way."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pytest

from etl.core.ids import digests
from etl.pipeline import wiring
from etl.pipeline.run import run
from tests.support.workspace import Workspace, ago, track

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.core.ports import ChunkResult, Delivery, Destination


def recorded(workspace: Workspace) -> dict[str, bytes]:
    """transaction_id → digest."""
    tables = wiring.state_of(workspace.load()).sent_log(account="sandbox")
    rows = [row for table in tables for row in table.select(["transaction_id", "digest"]).to_pylist()]
    return {row["transaction_id"]: row["digest"] for row in rows}


def test_digests_are_of_what_metronome_took(workspace: Workspace) -> None:
    """Several chunks, some sent again, some halved for an event that is refused, in several commits."""
    bad = {7, 250, 1_233}
    events = [track(f"{'bad' if i in bad else 'id'} {i}", properties={"count": i}) for i in range(1_234)]
    workspace.config(source={"batch_rows": 500})
    workspace.write(events)
    workspace.standin.configure(
        poison_prefix="bad",
        faults=[{"kind": "status", "status": 503, "rate": 0.2, "retry_after": "0"}],
    )
    report = workspace.run(since=ago(days=1))
    assert (report.sent, report.rejected) == (1_231, 3)
    taken = workspace.standin.bodies()
    bodies = pd.Series(list(taken.values()), dtype=pd.ArrowDtype(pa.string()))
    assert recorded(workspace) == dict(zip(taken, digests(bodies), strict=True))


@dataclass
class _Forgetful:
    """Metronome, told of by a carrier that makes one digest for a whole chunk."""

    destination: Destination

    @contextmanager
    def open(self) -> Iterator[Any]:
        with self.destination.open() as delivery:
            yield _Cutting(delivery)

    def check(self) -> None:
        self.destination.check()


class _Cutting:
    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery

    def __getattr__(self, name: str) -> Any:
        return getattr(self.delivery, name)

    def results(self) -> list[ChunkResult]:
        return [replace(result, digests=result.digests[:16]) for result in self.delivery.results()]


def test_digests_that_are_not_those_of_a_chunk_stop_the_run(workspace: Workspace) -> None:
    """Nothing of the chunk is recorded, and the next run sends it again."""
    workspace.config()
    workspace.write([track("a"), track("b")])
    now = datetime.now(UTC)
    job = wiring.job_of(workspace.load(), window=(now - timedelta(days=1), now), kind="ad-hoc")
    with pytest.raises(ValueError, match="reshape"):
        run(replace(job, destination=_Forgetful(job.destination)))
    assert recorded(workspace) == {}
    assert workspace.run(since=ago(days=1)).sent == 2
    assert sorted(workspace.standin.accepted()) == ["a", "b"]
    assert workspace.standin.stats()["duplicates"] == 2
