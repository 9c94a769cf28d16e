"""The DAGs of configs/airflow/ in a real Airflow: exit codes as task states, secrets, days side by side."""

from __future__ import annotations

import json
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from etl.airflow import days
from etl.core.windows import ALL_TIME
from etl.pipeline import api, wiring
from tests.support.airflow import Airflow, edited
from tests.support.workspace import Workspace, ago, track

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.standin import Standin

DOCS = Path(__file__).parents[1] / "docs" / "scheduling.md"
ONE_RETRY = "{'retries': 1, 'retry_delay': timedelta(0)}"


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory, running_standin: Standin) -> Iterator[Airflow]:
    """The token is nowhere but in Airflow's connections."""
    connection = json.dumps({"conn_type": "http", "password": running_standin.token})
    home = tmp_path_factory.mktemp("airflow")
    with Airflow(home, AIRFLOW_CONN_METRONOME=connection) as airflow:
        yield airflow


def run(airflow: Airflow, workspace: Workspace) -> dict[str, Any]:
    return airflow.test("etl_run", edited(workspace.path / "etl.yml", RETRIES=ONE_RETRY))


def test_a_manual_run_bills_and_the_next_one_sends_nothing(airflow: Airflow, workspace: Workspace) -> None:
    """A manual trigger has no logical date in Airflow 3."""
    workspace.config()
    workspace.write([track("m1"), track("m2")])
    first, second = run(airflow, workspace), run(airflow, workspace)
    assert first["logical_date"] == "None"
    assert first["state"] == second["state"] == "success"
    assert first["tasks"]["run"]["result"]["sent"] == 2
    assert second["tasks"]["run"]["result"]["sent"] == 0
    assert first["tasks"]["to_look_at"]["state"] == "skipped"
    assert sorted(workspace.standin.ids()) == ["m1", "m2"]


def test_something_to_look_at_is_a_success_with_a_task_that_says_so(
    airflow: Airflow, workspace: Workspace
) -> None:
    workspace.config()
    workspace.write([track("m1"), track("m2", context={})])
    ran = run(airflow, workspace)
    assert ran["state"] == "success"
    assert ran["tasks"]["run"]["result"]["exit_code"] == 1
    assert ran["tasks"]["to_look_at"]["state"] == "success"
    assert "1 rejected (etl dead-letters list)" in ran["tasks"]["to_look_at"]["result"]


def test_a_wrong_config_fails_without_a_retry(airflow: Airflow, workspace: Workspace) -> None:
    workspace.config(source={"path": "tracks/", "colour": "red"})
    ran = run(airflow, workspace)
    assert ran["state"] == "failed"
    assert ran["tasks"]["run"] == {"state": "failed", "try": 1, "result": None}
    assert ran["tasks"]["to_look_at"]["state"] == "upstream_failed"
    assert "source.colour" in airflow.log()


def test_a_stopped_run_is_retried(airflow: Airflow, workspace: Workspace) -> None:
    """Here until the retries are used up: there is no file where the config says."""
    workspace.config(source={"path": "nowhere/"})
    ran = run(airflow, workspace)
    assert ran["state"] == "failed"
    assert ran["tasks"]["run"] == {"state": "failed", "try": 2, "result": None}


def test_a_window_run_by_another_process_skips(airflow: Airflow, workspace: Workspace) -> None:
    workspace.config()
    workspace.write([track("m1")])
    config = workspace.load()
    held = wiring.job_of(config, window=(ALL_TIME.since, datetime.now(UTC) + timedelta(days=1)))
    with wiring.state_of(config).begin(held.plan):
        ran = run(airflow, workspace)
    assert ran["state"] == "success"
    assert ran["tasks"]["run"]["state"] == ran["tasks"]["to_look_at"]["state"] == "skipped"
    assert workspace.standin.ids() == []


def test_a_missing_interpreter_fails_without_a_retry(airflow: Airflow, workspace: Workspace) -> None:
    workspace.config()
    file = edited(workspace.path / "etl.yml", RETRIES=ONE_RETRY, PYTHON="'/no/such/python'")
    assert airflow.test("etl_run", file)["tasks"]["run"] == {"state": "failed", "try": 1, "result": None}
    assert "/no/such/python cannot be started: No such file or directory" in airflow.log()


def test_a_backfill_bills_every_day_in_a_task_of_its_own(airflow: Airflow, workspace: Workspace) -> None:
    workspace.config()
    workspace.write([track(f"m{n}", receivedAt=f"{ago(days=n)[:10]}T12:00:00Z") for n in (2, 3, 4)])
    since, until = ago(days=4)[:10], ago(days=1)[:10]
    file = edited(workspace.path / "etl.yml", RETRIES=ONE_RETRY)
    ran = airflow.test("etl_backfill", file, since=since, until=until)
    assert ran["state"] == "success"
    assert [ran["tasks"][f"backfill[{n}]"]["result"]["sent"] for n in range(3)] == [1, 1, 1]
    assert sorted(workspace.standin.ids()) == ["m2", "m3", "m4"]


def test_a_day_run_by_another_process_is_asked_for_again(airflow: Airflow, workspace: Workspace) -> None:
    """It waits, here for a second, uses up no try, and bills the day once it is free."""
    workspace.config()
    workspace.write([track("m2", receivedAt=f"{ago(days=2)[:10]}T12:00:00Z")])
    since, until = ago(days=2)[:10], ago(days=1)[:10]
    file = edited(workspace.path / "etl.yml", RETRIES=ONE_RETRY)
    file += "import etl.airflow\netl.airflow.BUSY_WAIT = timedelta(seconds=1)\n"
    config, before = workspace.load(), len(airflow.log())
    day = (api.moment(since), api.moment(until))
    with ThreadPoolExecutor(1) as thread:
        with wiring.state_of(config).begin(wiring.job_of(config, window=day).plan):
            ran = thread.submit(airflow.test, "etl_backfill", file, since=since, until=until)
            end = time.monotonic() + 60
            while "is being run by another process" not in airflow.log()[before:]:
                assert time.monotonic() < end, airflow.log()[before:]
                assert not ran.done(), ran.result()
                time.sleep(0.05)
        tasks = ran.result(60)["tasks"]
    assert (tasks["backfill[0]"]["state"], tasks["backfill[0]"]["try"]) == ("success", 1)
    assert workspace.standin.ids() == ["m2"]


def test_the_token_is_in_no_log(airflow: Airflow) -> None:
    """Of all runs above; the report and the errors were logged, though."""
    assert airflow._environment["AIRFLOW_CONN_METRONOME"].split('"')[-2] not in airflow.log()
    assert "etl exited 2" in airflow.log()


def test_days_are_cut_at_midnight_and_an_empty_stretch_is_refused() -> None:
    assert days("2026-02-27", "2026-03-01") == [
        {"since": "2026-02-27", "until": "2026-02-28"},
        {"since": "2026-02-28", "until": "2026-03-01"},
    ]
    with pytest.raises(ValueError, match="since 2026-02-27 is not before until 2026-02-27"):
        days("2026-02-27", "2026-02-27")


def test_the_dag_of_the_docs_bills(airflow: Airflow, workspace: Workspace) -> None:
    workspace.config()
    workspace.write([track("m1")])
    (shown,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    file = shown.replace("/etc/etl/", f"{workspace.path}/").replace("/opt/etl/bin/python", sys.executable)
    assert airflow.test("billing", file)["tasks"]["run"]["result"]["sent"] == 1
