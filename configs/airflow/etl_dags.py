"""Two DAGs for Airflow 3: the scheduled run, and a backfill as mapped days. Copy this file into your DAG folder.

Airflow's environment needs this job's package only for `etl.airflow`:  pip install --no-deps segment-metronome-etl
The job itself runs in its own environment, PYTHON.                     See docs/scheduling.md
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import Param, dag, task

# Edit these.
CONFIG = "/etc/etl/etl.yml"
# The interpreter of the environment that the job is installed in. For one environment with Airflow: sys.executable.
PYTHON = "/opt/etl/bin/python"
# Environment variable of the config -> the Airflow connection whose password it is.
PASSWORDS = {"METRONOME_BEARER_TOKEN": "metronome"}
# Environment variable of the config -> the Airflow connection whose URL it is: {"STATE_URL": "etl_state"}.
URLS = {}
# Days of a backfill that run side by side. They share Metronome's rate limit: lower events_per_second with it.
DAYS_AT_A_TIME = 4
RETRIES = {"retries": 3, "retry_delay": timedelta(minutes=5), "execution_timeout": timedelta(hours=6)}


def run_etl(*arguments: str, busy: str) -> dict:
    """`etl` as this file is set up. Imported when a task runs: parsing this file costs the scheduler nothing."""
    from etl.airflow import etl, secrets

    return etl(*arguments, config=CONFIG, python=PYTHON, env=secrets(PASSWORDS, URLS), busy=busy)


@task
def to_look_at(reports: list) -> str:
    """Skipped when there is nothing to look at. Attach your notifier here: @task(on_success_callback=...)."""
    from etl.airflow import warn

    return warn(*reports)


@dag(
    dag_id="etl_run",
    schedule="7 * * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    # The job knows from its state what is not billed yet, so missed hours need no runs of their own, and a manual
    # trigger, which has no logical date in Airflow 3, does the same as a scheduled one.
    catchup=False,
    max_active_runs=1,
    default_args=RETRIES,
    tags=["billing"],
)
def etl_run() -> None:
    """From the watermark less the overlap, to now."""

    @task
    def run() -> dict:
        return run_etl("run", busy="skip")

    to_look_at([run()])


@dag(
    dag_id="etl_backfill",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    default_args=RETRIES,
    params={
        "since": Param("2026-11-01", type="string", format="date", description="The first day (UTC)"),
        "until": Param("2026-11-02", type="string", format="date", description="The day after the last one"),
    },
    tags=["billing"],
)
def etl_backfill() -> None:
    """Disjoint days side by side against one state; each can be retried, and sends nothing twice."""

    @task
    def windows(params: dict) -> list[dict]:
        from etl.airflow import days

        return days(params["since"], params["until"])

    @task(max_active_tis_per_dagrun=DAYS_AT_A_TIME)
    def backfill(since: str, until: str) -> dict:
        return run_etl("backfill", "--since", since, "--until", until, busy="reschedule")

    to_look_at(backfill.expand_kwargs(windows()))


etl_run()
etl_backfill()
