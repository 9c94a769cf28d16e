"""The sent log's digests are of the bodies that Metronome took, whatever happened on their way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from etl.core.ids import digests
from etl.pipeline import wiring
from tests.support.workspace import Workspace, ago, track

if TYPE_CHECKING:
    pass


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
