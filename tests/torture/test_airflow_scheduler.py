"""A real Airflow scheduler, and thirty days of a backfill side by side against one PostgreSQL state."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import time
from collections import Counter
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psycopg
import pytest

from etl.standin.samples import SampleEvents, write_parquet
from tests.support import airflow as real
from tests.support.workspace import Workspace, track

if TYPE_CHECKING:
    from tests.torture.conftest import Figures

pytestmark = pytest.mark.slow

DAYS, EVENTS = 30, 30_000
_PARTS = (["api-server", "--workers", "1"], ["scheduler"], ["dag-processor"])
_START_SECONDS, _RUN_SECONDS = 180.0, 1200.0


class Scheduler:
    """API server, scheduler and DAG processor, each the first of a process group of its own."""

    def __init__(self, home: Path, dags: str) -> None:
        self.home = home
        (home / "dags").mkdir(parents=True)
        (home / "dags" / "etl_dags.py").write_text(dags)
        port = _free_port()
        self._environment = real.environment(
            home,
            AIRFLOW__API__PORT=str(port),
            AIRFLOW__API__HOST="127.0.0.1",
            AIRFLOW__CORE__EXECUTION_API_SERVER_URL=f"http://127.0.0.1:{port}/execution/",
            AIRFLOW__API_AUTH__JWT_SECRET="x" * 64,
            AIRFLOW__CORE__PARALLELISM="6",
            AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK="False",
        )
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self.command("db", "migrate")
        try:
            for part in _PARTS:
                with (self.home / f"{part[0]}.log").open("wb") as log:
                    process = subprocess.Popen(
                        [real.python(), "-m", "airflow", *part],
                        env=self._environment, cwd=self.home, stdout=log, stderr=log, start_new_session=True,
                    )  # fmt: skip
                self._processes.append(process)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            os.killpg(process.pid, signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                pass
            finally:
                _kill_group(process.pid)
                process.wait(20)

    def command(self, *arguments: str) -> None:
        """``airflow …``, as the docs show it."""
        command = [real.python(), "-m", "airflow", *arguments]
        ran = subprocess.run(
            command,
            env=self._environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Of its metadata database."""
        with closing(
            sqlite3.connect(f"file:{self.home}/airflow.db?mode=ro", uri=True, timeout=30)
        ) as database:
            return database.execute(query).fetchall()

    def wait(self, done: Any, seconds: float) -> Any:
        """Until ``done()`` gives something, polling."""
        end = time.monotonic() + seconds
        while not (found := done()):
            dead = [p.args for p in self._processes if p.poll() is not None]
            assert time.monotonic() < end, f"{self.states()}\n{self.log()}"
            assert not dead, f"{dead}\n{self.log()}"
            time.sleep(0.2)
        return found

    def states(self) -> Counter[tuple[str, str]]:
        """Tasks by name and state."""
        return Counter(self.rows("select task_id, state from task_instance"))

    def log(self) -> str:
        """The ends of all logs."""
        return "\n".join(path.read_text(errors="replace")[-3000:] for path in self.home.glob("*.log"))


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def _jobs(config: Path) -> dict[str, int]:
    """First day → process id of each ``etl backfill`` of this config that runs now."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_text().split("\0") if entry.name.isdigit() else []
        except OSError:
            continue
        if "backfill" in words and str(config) in words:
            found[words[words.index("--since") + 1]] = int(entry.name)
    return found


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.fixture
def lake(workspace: Workspace, postgres: str) -> Workspace:
    """Thirty days of events, billed slowly enough to be killed halfway, and a state in PostgreSQL."""
    start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS + 1)
    write_parquet(workspace.path / "tracks", SampleEvents(EVENTS, start=start, days=DAYS), by_day=True)
    workspace.state = postgres
    workspace.config(
        destination={"events_per_second": 300},
        state={"url": "${STATE_URL}"},
        source={"start": f"{start:%Y-%m-%d}"},
    )
    return workspace


def test_thirty_days_four_at_a_time_with_two_killed_are_billed_once(
    lake: Workspace, postgres: str, tmp_path: Path, figures: Figures
) -> None:
    """One job is killed, and one Airflow task with its job still running; both are retried."""
    config = lake.path / "etl.yml"
    retries = "{'retries': 3, 'retry_delay': timedelta(seconds=1)}"
    dags = real.edited(config, URLS="{'STATE_URL': 'etl_state'}", RETRIES=retries)
    first = datetime.now(UTC).date() - timedelta(days=DAYS + 1)
    asked = {"since": f"{first}", "until": f"{first + timedelta(days=DAYS)}"}
    began = time.monotonic()
    with Scheduler(tmp_path / "airflow", dags) as airflow:
        token = ("--conn-type", "generic", "--conn-password", lake.standin.token)
        airflow.command("connections", "add", "metronome", *token)
        uri = postgres.replace("postgresql+psycopg", "postgresql")
        airflow.command("connections", "add", "etl_state", "--conn-uri", uri)
        airflow.wait(lambda: airflow.rows("select 1 from dag where dag_id = 'etl_backfill'"), _START_SECONDS)
        airflow.command("dags", "unpause", "etl_backfill")
        airflow.command("dags", "trigger", "etl_backfill", "--conf", json.dumps(asked))
        jobs = airflow.wait(
            lambda: len(found := _jobs(config)) >= 2 and lake.standin.stats()["accepted"] and found,
            _START_SECONDS,
        )
        (_, job), (_, other) = list(jobs.items())[:2]
        os.kill(job, signal.SIGKILL)
        os.kill(_parent(other), signal.SIGKILL)
        ended = "select state from dag_run where dag_id = 'etl_backfill' and state in ('success', 'failed')"
        ((state,),) = airflow.wait(lambda: airflow.rows(ended), _RUN_SECONDS)
        tries = airflow.rows("select map_index, try_number from task_instance where task_id = 'backfill'")
        assert state == "success", airflow.states()
        assert airflow.states()["backfill", "success"] == DAYS
        spans = airflow.rows(_SPANS)
    assert sum(number > 1 for _, number in tries) == 2
    assert 2 <= _together(spans) <= 4
    _books_balance(lake, postgres)
    figures(tasks=len(tries), side_by_side=_together(spans), seconds=time.monotonic() - began)


_SPANS = "select start_date, end_date from task_instance where task_id = 'backfill'"


def _together(spans: list[tuple[str, str]]) -> int:
    """How many ran at the same time, at most."""
    return max(sum(begin <= at < end for begin, end in spans) for at, _ in spans)


def _books_balance(lake: Workspace, postgres: str) -> None:
    """Every track event was accepted once, and the sent log has exactly those ids."""
    table = SampleEvents(EVENTS, start=datetime(2026, 1, 1, tzinfo=UTC)).table()
    tracks = sum(kind == "track" for kind in table["type"].to_pylist())
    ids = lake.standin.ids()
    assert len(ids) == len(set(ids)) == tracks
    with psycopg.connect(postgres.replace("+psycopg", "")) as connection:
        recorded = [row[0] for row in connection.execute("select transaction_id from sent_log")]
    assert Counter(recorded) == Counter(ids)


def test_airflow_and_the_job_in_one_environment(workspace: Workspace, tmp_path: Path) -> None:
    """The alternative: everything in Airflow's environment, its own interpreter runs the job."""
    workspace.config()
    workspace.write([track("m1")])
    connection = json.dumps({"conn_type": "generic", "password": workspace.standin.token})
    with real.Airflow(tmp_path / "airflow", with_job=True, AIRFLOW_CONN_METRONOME=connection) as airflow:
        file = real.edited(workspace.path / "etl.yml", PYTHON="__import__('sys').executable")
        ran = airflow.test("etl_run", file)
    assert ran["state"] == "success", airflow.log()
    assert workspace.standin.ids() == ["m1"]
