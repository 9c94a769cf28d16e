"""A file or table that cannot be read: the rest is billed, the window waits, and everything broken is named at once."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.workspace import Said, Workspace, ago, track

Command = Callable[..., Said]


def reported(command: Command, *arguments: str) -> tuple[int, dict[str, Any]]:
    """A run's exit code and report."""
    said = command("run", "--json", *arguments)
    return said.code, json.loads(said.out)


def letters(command: Command) -> list[dict[str, Any]]:
    """The open dead letters."""
    found: list[dict[str, Any]] = json.loads(command("dead-letters", "list", "--json").out)
    return found


def logs(workspace: Workspace) -> Path:
    """A config that reads raw logs."""
    workspace.config(source={"type": "logs", "path": "logs/"})
    (workspace.path / "logs").mkdir(exist_ok=True)
    return workspace.path / "logs"


def zipped(path: Path, *names: str) -> bytes:
    data = gzip.compress("".join(json.dumps(track(name)) + "\n" for name in names).encode())
    path.write_bytes(data)
    return data


def test_a_file_that_is_still_uploaded_holds_back_none_of_the_others(
    workspace: Workspace, command: Command
) -> None:
    folder = logs(workspace)
    zipped(folder / "a.gz", "a1", "a2")
    whole = zipped(folder / "b.gz", *(f"b{n}" for n in range(50)))
    (folder / "b.gz").write_bytes(whole[: len(whole) // 2])
    zipped(folder / "c.gz", "c1")
    code, report = reported(command)
    assert (code, report["complete"], report["broken"]) == (3, False, 1)
    assert "b.gz cannot be read: the compressed data end too early" in report["error"]["message"]
    assert {"a1", "a2", "c1"} <= set(workspace.standin.ids())
    (letter,) = letters(command)
    assert (letter["outcome"], Path(letter["origin"]).name, letter["row"]) == ("broken", "b.gz", 0)
    assert "no scheduled window is complete yet" in command("status").out
    again, second = reported(command)
    assert (again, second["broken"], second["new_letters"]) == (3, 1, 0)
    (folder / "b.gz").write_bytes(whole)
    code, report = reported(command)
    assert (code, report["complete"], report["read"]) == (0, True, 50)
    assert sorted(workspace.standin.ids()) == sorted({"a1", "a2", "c1", *(f"b{n}" for n in range(50))})
    assert letters(command) == []


def test_everything_broken_is_named_at_once_also_what_may_not_be_opened(workspace: Workspace) -> None:
    """A truncated file, one of another format, one without the right to read it, and such a folder."""
    workspace.config()
    workspace.write([track("m1")], "a.parquet")
    cut = workspace.write([track("m2")], "b.parquet")
    cut.write_bytes(cut.read_bytes()[:-100])
    (workspace.path / "tracks" / "c.parquet").write_text("no Parquet")
    denied = workspace.write([track("m3")], "d.parquet")
    denied.chmod(0)
    (workspace.path / "tracks" / "e").mkdir(mode=0)
    workspace.write([track("m4")], "f.parquet")
    said = unprivileged(workspace, "run", "--json")
    (workspace.path / "tracks" / "e").chmod(0o700)
    report = json.loads(said.stdout)
    assert (said.returncode, report["broken"], report["sent"]) == (3, 4, 2)
    message = report["error"]["message"]
    assert message.startswith("4 parts of the source cannot be read:\n")
    assert [name for name in ("b.parquet", "c.parquet", "d.parquet", "/e ") if name not in message] == []
    assert "Permission denied" in message
    assert "source.exclude" in message
    assert sorted(workspace.standin.ids()) == ["m1", "m4"]


def unprivileged(workspace: Workspace, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command of somebody who has no right to read everything, as root has."""
    if os.geteuid():
        return workspace.cli(*arguments, "-c", "etl.yml")
    setpriv = shutil.which("setpriv")
    assert setpriv
    return subprocess.run(
        [
            *(setpriv, "--bounding-set=-dac_override,-dac_read_search"),
            *(sys.executable, "-m", "etl", *arguments, "-c", "etl.yml"),
        ],
        cwd=workspace.path,
        env=os.environ | workspace.env,
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def broken(workspace: Workspace, command: Command) -> Path:
    """A file that no run can read, beside one that is billed."""
    workspace.config()
    workspace.write([track("m1")], "a.parquet")
    path = workspace.path / "tracks" / "b.parquet"
    path.write_text("no Parquet")
    assert reported(command)[0] == 3
    return path


def test_a_discarded_letter_lets_the_window_complete_until_the_file_is_another(
    workspace: Workspace, command: Command, broken: Path
) -> None:
    (letter,) = letters(command)
    assert command("dead-letters", "discard", str(letter["letter"]), "--why", "lost for good").code == 0
    code, report = reported(command)
    assert (code, report["complete"], report["broken"]) == (1, True, 1)
    code, report = reported(command)
    assert (code, report["complete"], report["broken"]) == (0, True, 0)
    workspace.write([track("m2")], "b.parquet")
    code, report = reported(command)
    assert (code, report["sent"]) == (0, 1)
    broken.write_text("broken another way")
    assert reported(command)[0] == 3
    assert sorted(workspace.standin.ids()) == ["m1", "m2"]


@pytest.mark.parametrize("pattern", ["b.parquet", "b.*", "**/b.parquet"])
def test_what_is_excluded_lets_the_window_complete_and_is_said_once(
    workspace: Workspace, command: Command, broken: Path, pattern: str
) -> None:
    workspace.config(source={"exclude": [pattern]})
    code, report = reported(command)
    assert (code, report["complete"], report["broken"], report["new_letters"]) == (1, True, 0, 1)
    (letter,) = letters(command)
    assert letter["origin"] == str(broken)
    assert letter["reason"].startswith("was never read whole, and is no longer there or left out")
    assert reported(command)[0] == 0


def test_a_broken_file_that_vanished_is_said_and_one_that_comes_back_is_read(
    workspace: Workspace, command: Command, broken: Path
) -> None:
    broken.unlink()
    code, report = reported(command)
    assert (code, report["complete"], report["new_letters"]) == (1, True, 1)
    assert "no longer there" in letters(command)[0]["reason"]
    assert reported(command)[0] == 0
    workspace.write([track("m2")], "b.parquet")
    code, report = reported(command)
    assert (code, report["sent"]) == (0, 1)
    assert letters(command) == []


def test_a_dry_run_names_what_is_broken_and_records_nothing(
    workspace: Workspace, command: Command, broken: Path
) -> None:
    code, report = reported(command, "--dry-run")
    assert (code, report["broken"]) == (3, 1)
    assert str(broken) in report["error"]["message"]
    assert letters(command)[0]["count"] == 1


# ------------------------------------------------------------------------------------------ warehouse


TABLES = ("api_call", "job_done", "sign_up")


@pytest.fixture
def warehouse(workspace: Workspace) -> sqlite3.Connection:
    """Segment's tables in SQLite, one row in each."""
    database = sqlite3.connect(workspace.path / "segment.db", isolation_level=None)
    database.execute("CREATE TABLE tracks (id text, event text, received_at timestamp)")
    for table in TABLES:
        database.execute(
            f"CREATE TABLE {table} (id text, event_text text, context_group_id text, received_at timestamp, timestamp timestamp, tokens int)"
        )
        insert(database, table, table)
    return database


def insert(database: sqlite3.Connection, table: str, name: str) -> None:
    moment = ago(hours=3)
    database.execute(f"INSERT INTO {table} VALUES (?, ?, 'acme', ?, ?, 7)", (name, table, moment, moment))
    database.execute("INSERT INTO tracks VALUES (?, ?, ?)", (name, table, moment))


def config(workspace: Workspace, **source: Any) -> None:
    path = workspace.config()
    content = json.loads(path.read_text())
    content["source"] = {
        "type": "warehouse",
        "url": "sqlite:///segment.db",
        "schema": "main",
        "start": ago(days=5),
        **source,
    }
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("tables", [list(TABLES), "*"])
def test_a_dropped_table_holds_back_none_of_the_others(
    workspace: Workspace, command: Command, warehouse: sqlite3.Connection, tables: Any
) -> None:
    config(workspace, tables=tables)
    warehouse.execute("DROP TABLE job_done")
    code, report = reported(command)
    assert (code, report["complete"], report["broken"], report["sent"]) == (3, False, 1, 2)
    assert "job_done" in report["error"]["message"]
    assert sorted(workspace.standin.ids()) == ["api_call", "sign_up"]
    config(workspace, tables=tables, exclude="job_*")
    code, report = reported(command)
    assert (code, report["complete"], report["read"]) == (1, True, 0)
    assert reported(command)[0] == 0


def test_a_table_that_comes_back_is_read_and_its_letter_closed(
    workspace: Workspace, command: Command, warehouse: sqlite3.Connection
) -> None:
    config(workspace, tables=list(TABLES))
    warehouse.execute("ALTER TABLE job_done RENAME TO elsewhere")
    assert reported(command)[0] == 3
    warehouse.execute("ALTER TABLE elsewhere RENAME TO job_done")
    code, report = reported(command)
    assert (code, report["complete"], report["sent"], report["read"]) == (0, True, 1, 1)
    assert letters(command) == []


def test_a_discarded_table_is_asked_again_in_silence(
    workspace: Workspace, command: Command, warehouse: sqlite3.Connection
) -> None:
    config(workspace, tables=list(TABLES))
    warehouse.execute("ALTER TABLE job_done RENAME TO elsewhere")
    reported(command)
    command("dead-letters", "discard", str(letters(command)[0]["letter"]), "--why", "gone")
    assert reported(command)[0] == 1
    assert reported(command)[0] == 0
    warehouse.execute("ALTER TABLE elsewhere RENAME TO job_done")
    code, report = reported(command)
    assert (code, report["sent"]) == (0, 1)


def test_a_table_that_may_not_be_read_holds_back_none_of_the_others(
    workspace: Workspace, command: Command, postgres: str
) -> None:
    with psycopg.connect(postgres.replace("+psycopg", ""), autocommit=True) as database:
        database.execute("CREATE SCHEMA prod")
        database.execute("CREATE ROLE partial_reader LOGIN")
        database.execute("GRANT USAGE ON SCHEMA prod TO partial_reader")
        for table in ("api_call", "job_done"):
            database.execute(
                f"CREATE TABLE prod.{table} AS SELECT '{table}' AS id, 'E' AS event_text, 'acme' AS context_group_id, "
                f"'{datetime.now(UTC)}'::timestamptz - interval '1 hour' AS received_at, now() AS timestamp, 7 AS tokens"
            )
        database.execute("GRANT SELECT ON prod.job_done TO partial_reader")
        workspace.env["WAREHOUSE"] = postgres.replace("postgres@", "partial_reader:x@")
        os.environ["WAREHOUSE"] = workspace.env["WAREHOUSE"]
        try:
            config(workspace, url="${WAREHOUSE}", schema="prod", tables=["api_call", "job_done"])
            code, report = reported(command)
            assert (code, report["complete"], report["sent"]) == (3, False, 1), report["error"]
            assert "has no table 'api_call'" in report["error"]["message"]
            database.execute("GRANT SELECT ON prod.api_call TO partial_reader")
            code, report = reported(command)
            assert (code, report["complete"], report["sent"]) == (0, True, 1)
        finally:
            database.execute("DROP OWNED BY partial_reader")
            database.execute("DROP ROLE partial_reader")
            del os.environ["WAREHOUSE"]
