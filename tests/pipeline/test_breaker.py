"""The circuit breaker through a run: what it keeps, and what it counts."""

from __future__ import annotations

import pytest

import etl
from etl.pipeline import wiring
from tests.support.workspace import Workspace, track


def test_letters_that_were_forgotten_are_not_counted(workspace: Workspace) -> None:
    """Nor in the run's row; those that an earlier run recorded are kept."""
    workspace.config(breaker={"rejected_pairs": 3})
    workspace.write([track("m0", context={})])
    assert workspace.run().new_letters == 1
    workspace.write([track(f"m{n}", context={}) for n in range(10)])
    with pytest.raises(etl.CircuitBreakerError) as stopped:
        workspace.run()
    assert stopped.value.report is not None
    assert (stopped.value.report.rejected, stopped.value.report.new_letters) == (10, 0)
    state = wiring.state_of(workspace.load())
    assert list(state.dead_letters("test")["transaction_id"]) == ["m0"]
    assert [counts["new_letters"] for counts in state.runs("test")["counts"]] == [0, 1]
