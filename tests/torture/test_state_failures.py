"""The state database fails mid-run, the disk fills up, the clock goes back: nothing lost, nothing doubled, said clearly."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from etl.core.report import Report
from etl.pipeline import wiring
from etl.pipeline.recorder import MAX_UNRECORDED
from etl.pipeline.run import run
from etl.standin import Standin
from etl.state import open_state
from tests.support.postgres import Cluster
from tests.support.workspace import ago
from tests.torture.conftest import Figures
from tests.torture.life import Life
from tests.torture.lossy import LossyProxy
from tests.torture.runs import Ended, Mill
from tests.torture.watch import watch

_SECONDS = 60.0
_HOUR = timedelta(hours=1)


def stopped(ended: Ended, message: str) -> None:
    """Exit code 3 with the reason, and what to do; no traceback."""
    assert ended.code == 3, ended.stderr
    assert ended.report["error"]["type"] == "StateError"
    assert message in ended.stderr
    assert "What was recorded before stays recorded" in ended.stderr
    assert "Traceback" not in ended.stderr, ended.stderr


# ----------------------------------------------------------------------------------------- PostgreSQL


def test_postgres_killed_and_restarted_mid_run(
    tmp_path: Path,
    recording: tuple[Standin, Path],
    mill: Mill,
    postgres: str,
    postgres_cluster: Cluster,
    figures: Figures,
) -> None:
    """The run stops with 3; once the server is back, the next one sends what was not recorded."""
    life = Life(tmp_path, *recording, mill, postgres)
    life.arrive(20_000, 4_000)
    life.standin.set_faults([{"kind": "delay", "when": "after_taking", "seconds": 0.1}])
    running = life.start()
    with life.watch() as seen:
        wait(lambda: seen.look().sent > 0)
        postgres_cluster.crash()
    try:
        stopped(running.wait(), "the state database postgresql+psycopg://")
    finally:
        postgres_cluster.start()
    life.newly_accepted()
    life.standin.set_faults()
    with life.watch() as seen:
        recorded = seen.value("SELECT count(*) FROM sent_log")
    assert 0 < recorded <= len(life.accepted) <= recorded + MAX_UNRECORDED
    again = life.run()
    assert again.code in (0, 1), again.stderr
    life.check()
    life.check_every_row()
    figures(recorded_before=recorded, ids_sent_again=life.standin.stats()["duplicates"])


def test_a_commit_whose_answer_is_lost_is_counted_once(
    tmp_path: Path, recording: tuple[Standin, Path], mill: Mill, postgres: str, postgres_cluster: Cluster
) -> None:
    """The run cannot know that it was recorded; the state does, in its rows and in its counts alike."""
    with LossyProxy(postgres_cluster.port) as proxy:
        state = postgres.replace(f":{postgres_cluster.port}/", f":{proxy.port}/")
        life = Life(tmp_path, *recording, mill, state)
        life.arrive(6_000, 1_500)
        life.standin.set_faults([{"kind": "delay", "when": "after_taking", "seconds": 0.1}])
        running = life.start()
        wait(lambda: life.standin.stats()["statuses"].get("200", 0) > 0)
        with watch(postgres) as seen:
            # The writer's second commit: the next is a record.
            wait(lambda: seen.look().sent > 0 and seen.value("SELECT count(*) FROM token_fingerprints") > 0)
            proxy.lose.set()
            stopped(running.wait(), "the state database postgresql+psycopg://")
            assert proxy.lost.is_set()
            # Where it was the last commit that lost its answer, the run is complete and does not know.
            assert seen.look().status in ("stopped", "complete")
            assert life.sum_of_sent(seen) == seen.value("SELECT count(*) FROM sent_log") > 0
        life.standin.set_faults()
        assert life.run().code in (0, 1)
        life.check()
        life.check_every_row()


def test_postgres_that_cannot_be_reached_stops_a_run_before_it_begins(
    tmp_path: Path, recording: tuple[Standin, Path], mill: Mill
) -> None:
    """Nothing is sent without a state to record it in."""
    life = Life(tmp_path, *recording, mill, "${STATE_URL}")
    life.workspace.env["STATE_URL"] = "postgresql+psycopg://postgres:s3cret@127.0.0.1:1/etl"
    life.arrive(10)
    ended = life.run()
    assert ended.code == 3, ended.stderr
    assert "127.0.0.1" in ended.stderr
    assert "s3cret" not in ended.stderr + ended.stdout
    assert life.standin.stats()["requests"] == 0


# ------------------------------------------------------------------------------------------ disk full


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path | None]:
    """A file system of 3 MB; None where mounting is not allowed."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    yield folder if mounted else None
    if mounted:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_stops_the_run_and_room_on_it_cures_it(
    tmp_path: Path, recording: tuple[Standin, Path], mill: Mill, small_disk: Path | None, figures: Figures
) -> None:
    """On a small file system, or with a limit on the size of files where that cannot be mounted."""
    life = Life(tmp_path, *recording, mill, f"sqlite:///{'small' if small_disk else '.'}/state.db")
    life.arrive(1_000)
    assert life.run().code == 0
    life.check()
    life.arrive(30_000, 6_000)
    full = life.start(file_size=None if small_disk else 3_000_000).wait()
    stopped(full, "disk" if small_disk else "disk I/O error")
    life.newly_accepted()
    with life.watch() as seen:
        recorded = seen.value("SELECT count(*) FROM sent_log")
    assert 1_000 <= recorded <= len(life.accepted) <= recorded + MAX_UNRECORDED
    unrecorded = len(life.accepted) - recorded
    if small_disk:
        subprocess.run(["mount", "-o", "remount,size=200m", str(small_disk)], check=True)
    assert life.run().code in (0, 1)
    life.check()
    life.check_every_row()
    figures(
        by="a small file system" if small_disk else "RLIMIT_FSIZE",
        accepted_and_not_recorded=unrecorded,
        ids_sent_again=life.standin.stats()["duplicates"],
    )


def test_a_disk_that_is_full_from_the_start_is_told_before_anything_is_sent(
    tmp_path: Path, recording: tuple[Standin, Path], mill: Mill
) -> None:
    """No room even for the tables: exit code 2, nothing touched."""
    life = Life(tmp_path, *recording, mill, "sqlite:///state.db")
    life.arrive(10)
    ended = life.start(file_size=20_000).wait()
    assert ended.code == 2, ended.stderr
    assert "state.url" in ended.stderr
    assert "Nothing was touched" in ended.stderr
    assert life.standin.stats()["requests"] == 0
    assert life.run().code == 0
    life.check()


# ---------------------------------------------------------------------------------------------- clock


def run_at(life: Life, offset: timedelta) -> Report:
    """A run on a host whose clock is off by ``offset``."""

    def clock() -> datetime:
        return datetime.now(UTC) + offset

    config = life.workspace.load()
    state = open_state(config.state_url(), retention=config.state.retention, now=clock)
    return run(replace(wiring.job_of(config, clock=clock), state=state))


@pytest.mark.parametrize("overlap", ["72h", "0s"])
def test_a_clock_set_back_an_hour_loses_and_doubles_nothing(
    tmp_path: Path, recording: tuple[Standin, Path], mill: Mill, overlap: str
) -> None:
    """Also without an overlap: what the set-back clock calls the future is not complete any more."""
    life = Life(tmp_path, *recording, mill, "sqlite:///state.db")
    life.configure(source={"overlap": overlap})
    life.arrive(500)
    assert life.run().code == 0
    back = run_at(life, -_HOUR)
    assert (back.complete, back.sent) == (True, 0)
    # Received after the clock was set back, by that clock, and before the first watermark.
    life.arrive(500, received=ago(minutes=30))
    after = life.run()
    assert (after.code, after.report["sent"]) == (0, 500)
    life.check()
    assert life.standin.stats()["duplicates"] == 0


def wait(come: Callable[[], bool]) -> None:
    """Until it has come, within reason."""
    end = time.monotonic() + _SECONDS
    while not come():
        assert time.monotonic() < end
        time.sleep(0.002)
