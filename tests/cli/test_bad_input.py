"""Bad input through the real command: a precise message on stderr, and the exit code of the contract."""

from __future__ import annotations

import json
import socket
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.workspace import USAGE, Said, Workspace, ago, track

Run = Callable[..., Said]


@pytest.fixture
def etl_run(workspace: Workspace, command: Run) -> Run:
    """``etl run``, with two events to read."""
    workspace.write([track("m1"), track("m2")])
    return partial(command, "run")


def test_missing_config(etl_run: Run) -> None:
    assert etl_run() == Said(2, "", "etl: etl.yml: the config cannot be read: No such file or directory\n")


def test_bad_yaml(workspace: Workspace, etl_run: Run) -> None:
    (workspace.path / "etl.yml").write_text("pipeline: [unclosed\n")
    said = etl_run()
    assert said.code == 2
    assert said.err.startswith("etl: etl.yml:2: ")


def test_unknown_key_with_a_near_miss(workspace: Workspace, etl_run: Run) -> None:
    workspace.config(source={"overlp": "72h"})
    said = etl_run()
    assert said.code == 2
    assert 'did you mean "overlap"?' in said.err
    assert "etl.yml:" in said.err


def test_all_problems_at_once(workspace: Workspace, etl_run: Run) -> None:
    """Missing mapping field, unknown directive and a trigger that does not parse, each with its key."""
    mapping = {
        "transaction_id": {"@pth": "$.messageId"},
        "customer_id": {"@path": "$.userId"},
        "timestamp": {"@path": "$.timestamp"},
        "event_type": {"@path": "$.event"},
    }
    workspace.config(
        [
            {"name": "A", "mapping": {**mapping, "transaction_id": {"@path": "$.messageId"}}},
            {"name": "B", "mapping": {**mapping, "properties": {"@path": "$.properties"}}},
            {"name": "C", "trigger": "("},
        ]
    )
    said = etl_run()
    assert said.code == 2
    assert "subscriptions[0].mapping should name all five fields, but has no properties" in said.err
    assert "subscriptions[1].mapping.transaction_id has an invalid directive: @pth" in said.err
    assert 'did you mean "@path"?' in said.err
    assert "subscriptions[2].trigger" in said.err
    assert "3 problems; nothing was touched" in said.err


def test_no_token(workspace: Workspace, etl_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace.config()
    monkeypatch.delenv("METRONOME_BEARER_TOKEN")
    said = etl_run()
    assert said.code == 2
    assert "destination.api_token" in said.err
    assert "METRONOME_BEARER_TOKEN" in said.err


def test_wrong_token_marks_nothing_bad(
    workspace: Workspace, etl_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.config()
    monkeypatch.setenv("METRONOME_BEARER_TOKEN", "wrong")
    said = etl_run("--json")
    report = json.loads(said.out)
    assert said.code == 3
    assert "refuses the token" in said.err
    assert (report["sent"], report["rejected"], report["unsent"]) == (0, 0, 2)
    assert "wrong" not in said.out + said.err
    monkeypatch.setenv("METRONOME_BEARER_TOKEN", workspace.standin.token)
    assert json.loads(etl_run("--json").out)["sent"] == 2


def test_path_without_files(workspace: Workspace, etl_run: Run) -> None:
    workspace.config(source={"path": "nowhere/*.parquet"})
    said = etl_run()
    assert said.code == 3
    assert "matches no file" in said.err


def test_corrupt_file_among_good_ones(workspace: Workspace, etl_run: Run) -> None:
    (workspace.path / "tracks" / "b.parquet").write_bytes(b"PAR1 this is no parquet PAR1")
    workspace.config()
    said = etl_run()
    assert said.code == 3
    assert "b.parquet" in said.err


def test_missing_cursor_column(workspace: Workspace, etl_run: Run) -> None:
    pq.write_table(
        pa.table({"messageId": ["a"], "received": [ago(hours=1)]}), workspace.path / "tracks" / "a.parquet"
    )
    workspace.config()
    said = etl_run()
    assert said.code == 2
    assert "receivedAt" in said.err
    assert "received" in said.err


def test_unreachable_metronome(workspace: Workspace, etl_run: Run) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    workspace.config(destination={"base_url": f"http://127.0.0.1:{port}", "retry_for": "1s"})
    said = etl_run("--json")
    assert said.code == 3
    assert f"127.0.0.1:{port}" in said.err
    assert json.loads(said.out)["unsent"] == 2


def test_unwritable_state_path(workspace: Workspace, etl_run: Run) -> None:
    (workspace.path / "file").write_text("not a folder")
    workspace.config(state={"url": "sqlite:///file/state.db"})
    said = etl_run()
    assert said.code == 2
    assert "file/state.db" in said.err


def test_state_of_a_newer_version(workspace: Workspace, etl_run: Run) -> None:
    workspace.config()
    assert etl_run().code == 0
    with sqlite3.connect(workspace.path / "state.db") as database:
        database.execute("update state_version set version = 999")
    said = etl_run()
    assert said.code == 2
    assert "version 999" in said.err


def test_a_first_run_without_a_start(workspace: Workspace, etl_run: Run) -> None:
    workspace.config(source={"start": None})
    said = etl_run()
    assert said.code == 2
    assert "source.start" in said.err
    assert "--since" in said.err


def test_a_web_page_answered_with_200(workspace: Workspace, etl_run: Run) -> None:
    workspace.config()
    workspace.standin.set_faults([{"kind": "web_page"}])
    said = etl_run("--json")
    report = json.loads(said.out)
    assert said.code == 3
    assert "web page" in said.err
    assert (report["sent"], report["unsent"]) == (0, 2)


@pytest.mark.parametrize(
    ("sections", "secret", "key"),
    [
        ({"destination": {"api_token": "literal-token-1"}}, "literal-token-1", "destination.api_token"),
        ({"state": {"url": "postgresql+psycopg://etl:literal-pw@db/etl"}}, "literal-pw", "state.url"),
    ],
)
def test_a_literal_secret_is_refused_and_not_repeated(
    workspace: Workspace, etl_run: Run, sections: Any, secret: str, key: str
) -> None:
    workspace.config(**sections)
    said = etl_run()
    assert said.code == 2
    assert key in said.err
    assert secret not in said.err + said.out


def test_a_token_seen_under_another_account_is_refused(workspace: Workspace, etl_run: Run) -> None:
    workspace.config(destination={"account": "sandbox"})
    assert etl_run().code == 0
    workspace.config(destination={"account": "production"})
    said = etl_run()
    assert said.code == 2
    assert "sandbox" in said.err
    assert "production" in said.err


def test_an_edited_transaction_id_stops_until_it_has_a_from(workspace: Workspace, etl_run: Run) -> None:
    """And with the line of the message nothing is sent twice."""
    workspace.config()
    assert etl_run().code == 0
    mapping = {
        "transaction_id": {"@template": "{{messageId}}-2"},
        "customer_id": {"@path": "$.context.groupId"},
        "timestamp": {"@path": "$.timestamp"},
        "event_type": {"@path": "$.event"},
        "properties": {"@path": "$.properties"},
    }
    workspace.config([{**USAGE, "mapping": mapping}])
    for window in ([], ["--since", ago(days=1)], ["--since", ago(days=1), "--dry-run"]):
        said = etl_run(*window)
        assert said.code == 2
        assert "has changed since it was last run" in said.err
    since = said.err.rpartition("from: ")[2].strip()
    workspace.config([{**USAGE, "mapping": mapping, "from": since}])
    said = etl_run("--json", "--since", ago(days=1))
    report = json.loads(said.out)
    assert (said.code, report["sent"], report["already_sent"]) == (0, 0, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--nonsense"], "No such option '--nonsense'"),
        (
            ["run", "--since", "garbage"],
            "Invalid value for '--since': 'garbage' is not a time; write 2026-11-01 or",
        ),
        (["run", "--since", "2026-11-01", "--until", ""], "Invalid value for '--until': '' is not a time"),
        (["run", "--until", "2026-11-01"], "--until needs --since; leave out both for the scheduled run"),
        (
            ["run", "--since", "2026-11-02", "--until", "2026-11-01"],
            "--since 2026-11-02T00:00:00Z is not before --until 2026-11-01T00:00:00Z",
        ),
        (["run", "--since", "2100-01-01"], "--since 2100-01-01T00:00:00Z is still to come"),
        (
            ["backfill", "--since", "2026-11-01", "--until", "soon"],
            "Invalid value for '--until': 'soon' is not a time",
        ),
        (
            ["backfill", "--since", "2026-11-01", "--until", "2026-11-01"],
            "--since 2026-11-01T00:00:00Z is not before --until 2026-11-01T00:00:00Z",
        ),
        (["fields", "--since", "soon"], "Invalid value for '--since': 'soon' is not a time"),
        (["status", "--runs", "few"], "Invalid value for '--runs'"),
    ],
)
def test_a_usage_error_prints_no_json(workspace: Workspace, arguments: list[str], message: str) -> None:
    """Whatever is wrong with it can be told from the command line alone."""
    workspace.config()
    said = workspace.cli(*arguments, "-c", "etl.yml", "--json")
    assert (said.returncode, said.stdout) == (2, "")
    assert message in said.stderr


def test_a_config_error_prints_a_report_without_figures(etl_run: Run) -> None:
    said = etl_run("--json")
    report = json.loads(said.out)
    assert (said.code, report["complete"], report["read"], report["error"]["type"]) == (
        2,
        False,
        None,
        "ConfigError",
    )
