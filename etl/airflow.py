"""What the DAGs of configs/airflow/ need: the ``etl`` command as a task, its exit code as the task's state.

Imports nothing but the standard library until a task runs, and then Airflow's task SDK. So this package may be
installed beside Airflow without its dependencies (``pip install --no-deps``), while the job itself runs in an
environment of its own, whose interpreter is given as ``python``.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
from datetime import UTC, date, datetime, timedelta
from typing import IO, TYPE_CHECKING, Any, Literal

from etl.core.outcomes import LETTERS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

COMPLETE, TO_LOOK_AT, WRONG_CONFIG, STOPPED, BUSY = 0, 1, 2, 3, 75
#: How long a backfill's day waits before it asks again for a window that another process holds.
BUSY_WAIT = timedelta(minutes=1)

_PR_SET_PDEATHSIG = 1
_LEVELS = {"critical": 50, "error": 40, "warning": 30, "info": 20, "debug": 10}
_log = logging.getLogger("airflow.task.etl")


def etl(
    *arguments: str,
    config: str,
    python: str = sys.executable,
    env: Mapping[str, str] | None = None,
    busy: Literal["skip", "reschedule"] = "skip",
) -> dict[str, Any]:
    """Run ``etl ARGUMENTS -c CONFIG --json`` inside a task; its log goes to the task's log.

    The exit code becomes the task's state: 0 and 1 succeed, 1 with a warning in the log; 2 fails without a retry; 75
    skips, or with ``busy="reschedule"`` (mapped tasks only) is asked again in a minute without using up a retry; 3,
    a signal and everything else fail, to be retried. When the task dies, the job is told to stop.

    Args:
        arguments: the command and its options, such as ``"run"`` or ``"backfill", "--since", "2026-11-01"``.
        config: the config file, as this worker sees it.
        python: the interpreter of the environment that the job is installed in; Airflow's own if left out.
        env: added to the job's environment, such as ``secrets(…)`` gives. Airflow's own variables are not handed on.
        busy: what an overlapping run of another process (75) makes of this task.

    Returns:
        The report, with the keys of ``--json``.

    Raises:
        AirflowFailException: exit code 2, or no such interpreter.
        AirflowSkipException: exit code 75.
        AirflowRescheduleException: exit code 75 with ``busy="reschedule"``.
        AirflowException: everything else but 0 and 1.
    """
    command = [python, "-m", "etl", *arguments, "--config", config, "--json"]
    _log.info("running %s", " ".join(command))
    with tempfile.TemporaryFile("w+", encoding="utf-8") as stdout:
        code = _run(command, _environment(env or {}), stdout)
        stdout.seek(0)
        report = _report(stdout.read())
    _raise_for(code, report, busy)
    _summarise(report, code)
    return report


def days(since: str, until: str) -> list[dict[str, str]]:
    """``[since, until)`` as days, cut at midnight UTC: what a task is mapped over.

    Raises ``ValueError`` when one is not a date (``2026-11-01``) or nothing lies between them.
    """
    first, last = date.fromisoformat(since), date.fromisoformat(until)
    if first >= last:
        raise ValueError(f"since {since} is not before until {until}")
    starts = [first + timedelta(days=n) for n in range((last - first).days)]
    return [{"since": f"{day}", "until": f"{day + timedelta(days=1)}"} for day in starts]


def secrets(passwords: Mapping[str, str], urls: Mapping[str, str] | None = None) -> dict[str, str]:
    """Environment variables from Airflow's connections, for the ``${…}`` of the config.

    Args:
        passwords: variable → connection id; the variable gets the connection's password.
        urls: variable → connection id; the variable gets the connection as a SQLAlchemy URL. PostgreSQL's names the
            driver that this job uses.

    Raises:
        AirflowNotFoundException: there is no such connection.
        AirflowFailException: the connection has no password.
    """
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowFailException

    found = {}
    for variable, name in passwords.items():
        password = Connection.get(name).password
        if not password:
            raise AirflowFailException(f"the connection {name!r} has no password: {variable} cannot be set")
        found[variable] = password
    for variable, name in (urls or {}).items():
        found[variable] = _sqlalchemy(Connection.get(name).get_uri())
    return found


def warn(*reports: Mapping[str, Any]) -> str:
    """For a task after the run: skipped when there is nothing to look at, else its log tells what.

    So a warning is a task of its own, seen in the grid, to which people attach their notifiers
    (``on_success_callback``). Raises ``AirflowSkipException``.
    """
    from airflow.sdk.exceptions import AirflowSkipException

    told = [_to_look_at(report) for report in reports if report and report["exit_code"] == TO_LOOK_AT]
    if not told:
        raise AirflowSkipException("nothing to look at")
    for line in told:
        _log.warning("%s", line)
    return "\n".join(told)


def _run(command: list[str], environment: dict[str, str], stdout: IO[str]) -> int:
    from airflow.sdk.exceptions import AirflowFailException

    try:
        job = subprocess.Popen(  # noqa: S603 - the DAG's author names the interpreter
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            preexec_fn=_dies_with_parent(os.getpid()),  # noqa: PLW1509 - one system call, and Airflow's own way too
        )
    except OSError as error:
        raise AirflowFailException(f"{command[0]} cannot be started: {error.strerror}") from None
    with job:
        try:
            for line in job.stderr or ():
                _forward(line.rstrip())
        except BaseException:
            job.terminate()
            raise
    return job.returncode


def _dies_with_parent(parent: int) -> Callable[[], None] | None:
    """Without it, a task killed by ``kill -9`` would leave its job behind, holding the window against the retry."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(STOPPED)

    return ask


def _environment(added: Mapping[str, str]) -> dict[str, str]:
    """Airflow's settings hold its own secrets, and its PYTHONPATH would mix two environments."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "_AIRFLOW"))}
    mine.pop("PYTHONPATH", None)
    mine.pop("PYTHONHOME", None)
    return {**mine, "ETL_LOG_FORMAT": "json", **added}


def _forward(line: str) -> None:
    """A line of the job's log at its own level; what is no JSON as it stands."""
    try:
        entry = json.loads(line)
        level = _LEVELS.get(entry.pop("level"), logging.INFO)
        event = entry.pop("event")
        entry.pop("timestamp", None)
    except (ValueError, AttributeError, KeyError):
        if line:
            _log.info("%s", line)
        return
    _log.log(level, "%s %s", event, " ".join(f"{key}={value}" for key, value in entry.items()))


def _report(text: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(text)
    except ValueError:
        return {}
    return found


def _raise_for(code: int, report: Mapping[str, Any], busy: str) -> None:
    from airflow.sdk.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowRescheduleException,
        AirflowSkipException,
    )

    message = _message(code, report)
    if code == BUSY and busy == "reschedule":
        _log.warning("%s", message)
        raise AirflowRescheduleException(datetime.now(UTC) + BUSY_WAIT)
    if code == BUSY:
        raise AirflowSkipException(message)
    if code == WRONG_CONFIG:
        raise AirflowFailException(message)
    if code not in (COMPLETE, TO_LOOK_AT):
        raise AirflowException(message)


def _message(code: int, report: Mapping[str, Any]) -> str:
    told = (report.get("error") or {}).get("message") or "the log above tells why"
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited {code}"
    return f"etl {how}: {told}"


def _summarise(report: Mapping[str, Any], code: int) -> None:
    counts = ", ".join(f"{report.get(name)} {name}" for name in ("read", "matched", "sent", "already_sent"))
    _log.info("complete: %s", counts)
    if code == TO_LOOK_AT:
        _log.warning("%s", _to_look_at(report))


def _to_look_at(report: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{report[name]} {name}" for name in LETTERS if report.get(name))
    edges = report["window"]
    return f"to look at in [{edges['since']}, {edges['until']}): {counts} (etl dead-letters list)"


def _sqlalchemy(uri: str) -> str:
    scheme, _, rest = uri.partition("://")
    return f"postgresql+psycopg://{rest}" if scheme in ("postgres", "postgresql") else uri
