"""Random histories of files, configs and runs against a plain model that knows every event."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.histories.history import History


@pytest.mark.parametrize("seed", range(150))
def test_no_event_is_lost_or_billed_twice(tmp_path: Path, seed: int) -> None:
    """Each is accepted once, with its first content, by the version of its time; or it is listed with a reason."""
    history = History(tmp_path / "history", random.Random(seed))
    for _ in range(16):
        history.step()
    history.end()
