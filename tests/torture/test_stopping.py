"""SIGTERM and Ctrl-C: within ten seconds what was in flight is finished and recorded, and the exit code is 3."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from etl.standin import Standin
from tests.torture.conftest import Figures
from tests.torture.life import Life
from tests.torture.runs import Mill

#: The issue's limit, in seconds.
_LIMIT = 10


@pytest.fixture
def life(tmp_path: Path, recording: tuple[Standin, Path], mill: Mill) -> Life:
    """A run of it would take a quarter of a minute: few events a second are allowed, and answers come late."""
    life = Life(tmp_path, *recording, mill, "sqlite:///state.db")
    life.configure(destination={"events_per_second": 4_000, "retry_for": "60s"})
    life.arrive(60_000)
    life.standin.set_faults([{"kind": "delay", "when": "after_taking", "seconds": 0.1}])
    return life


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_run_with_what_was_in_flight_recorded(
    life: Life, figures: Figures, number: signal.Signals
) -> None:
    """Everything that the stand-in took is in the sent log: nothing is left to chance, and nothing is sent again."""
    run = life.start()
    wait_for_accepted(life, 1000)
    run.signal(number)
    sent = time.monotonic()
    ended = run.wait(_LIMIT)
    seconds = time.monotonic() - sent
    assert ended.code == 3, ended.stderr
    assert "interrupted: what was in flight was finished and recorded" in ended.stderr
    report = ended.report
    assert (report["complete"], report["error"]["type"]) == (False, "InterruptedRunError")
    assert report["matched"] == report["sent"] + report["unsent"]
    life.newly_accepted()
    assert report["sent"] == len(life.accepted) < 60_000
    with life.watch() as seen:
        assert seen.look().status == "stopped"
        assert seen.value("SELECT count(*) FROM sent_log") == report["sent"]
    assert life.standin.stats()["duplicates"] == 0
    figures(seconds_from_signal_to_end=seconds, recorded=report["sent"])


@pytest.mark.slow
def test_a_silent_metronome_does_not_keep_a_run_from_ending(life: Life, figures: Figures) -> None:
    """What was not confirmed is not recorded, and is sent again."""
    life.configure(destination={"events_per_second": 1_000_000})
    life.standin.set_faults([{"kind": "silence", "when": "after_taking"}])
    run = life.start()
    wait_for_accepted(life, 1000)
    run.signal(signal.SIGTERM)
    sent = time.monotonic()
    ended = run.wait(_LIMIT)
    figures(seconds_from_signal_to_end=time.monotonic() - sent)
    assert (ended.code, ended.report["sent"]) == (3, 0), ended.stderr
    life.standin.set_faults()
    assert life.run().code == 0
    life.check()
    assert life.standin.stats()["duplicates"] <= 16 * 100


@pytest.mark.slow
def test_a_second_ctrl_c_ends_a_run_at_once(life: Life) -> None:
    """It exits 3 as well, its books are closed, and nothing is lost."""
    life.standin.set_faults([{"kind": "silence", "when": "after_taking"}])
    run = life.start()
    wait_for_accepted(life, 1000)
    run.signal(signal.SIGINT)
    time.sleep(0.5)  # two signals at once would be one
    run.signal(signal.SIGINT)
    assert run.wait(_LIMIT).code == 3
    life.standin.set_faults()
    life.configure(destination={"events_per_second": 1_000_000})
    assert life.run().code == 0
    life.check()


def wait_for_accepted(life: Life, events: int) -> None:
    """Until the stand-in took so many."""
    end = time.monotonic() + 60
    while life.standin.stats()["accepted"] < events:
        assert time.monotonic() < end
        time.sleep(0.01)
