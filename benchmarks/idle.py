"""What a scheduled run costs that finds nothing new: millions of ids in the sent log, an overlap read before."""

from __future__ import annotations

import sys
from datetime import timedelta
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.filled import copy_filled
from benchmarks.job import Workplace
from benchmarks.measured import measure

if TYPE_CHECKING:
    from benchmarks.data import Data
    from benchmarks.sink import Sink


def idle(data: Data, sink: Sink, ids: int, rounds: int) -> float:
    """CPU seconds of an idle run, median."""
    start = (data.since - timedelta(hours=1)).isoformat()
    with Workplace(data, sink, start=start, overlap="72h") as place:
        copy_filled(ids, place.database)
        place.run("--quiet")
        runs = [place.run("--quiet") for _ in range(rounds)]
        if any(run.requests for run in runs):
            raise RuntimeError("an idle run sent something")
        return median(run.measured.cpu for run in runs)


def help_seconds(rounds: int) -> float:
    """Wall-clock of ``etl --help``, median."""
    return median(measure([sys.executable, "-m", "etl", "--help"]).wall for _ in range(rounds))
