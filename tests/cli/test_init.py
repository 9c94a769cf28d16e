"""``etl init``: a config that ``etl check`` accepts, whoever answers."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import etl
from etl.authoring.init import Answers, initial_files
from etl.config import parse_config
from tests.support.workspace import Workspace, ago, track


def init(workspace: Workspace, *arguments: str, answers: str = "") -> subprocess.CompletedProcess[str]:
    return workspace.cli("init", *arguments, input=answers)


def accepted(workspace: Workspace, path: str = "etl.yml") -> bool:
    """Whether ``etl check --strict`` has nothing to say."""
    workspace.env = {"METRONOME_BEARER_TOKEN": "", "WAREHOUSE_URL": ""}
    done = workspace.cli("check", "-c", path, "--strict")
    return (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--source", "parquet", "--path", "exports/tracks/"],
        ["--source", "parquet", "--path", "s3://bucket/tracks/*.parquet"],
        ["--source", "logs", "--path", "segment-logs/"],
        ["--source", "warehouse", "--schema", "segment_prod", "--table", "*"],
        ["--source", "warehouse", "--schema", "segment prod", "--table", "a", "--table", "no"],
        ["--source", "warehouse", "--query", "sql/mine.sql"],
        ["--source", "parquet", "--path", "a b: {c}", "--pipeline", "yes", "--account", "# x"],
    ],
)
def test_options_make_a_config_that_check_accepts(workspace: Workspace, arguments: list[str]) -> None:
    """Nothing is asked; nothing goes to stdout."""
    done = init(workspace, *arguments, "--out", "conf/etl.yml")
    assert (done.returncode, done.stdout) == (0, "")
    assert "conf/etl.yml is written" in done.stderr
    assert accepted(workspace, "conf/etl.yml")


def test_the_readmes_line_makes_a_config_that_runs(workspace: Workspace) -> None:
    """From an export to sent events with one key edited: where the stand-in is."""
    workspace.write([track("m1", receivedAt=ago(hours=1))])
    done = init(workspace, "--source", "parquet", "--path", "tracks/", "--start", ago(days=2)[:10])
    assert done.returncode == 0
    path = workspace.path / "etl.yml"
    path.write_text(
        path.read_text().replace("destination:\n", f"destination:\n  base_url: {workspace.standin.url}\n")
    )
    assert workspace.run().sent == 1


def test_paths_are_relative_to_the_config(workspace: Workspace) -> None:
    """Given as from the working directory."""
    init(workspace, "--source", "parquet", "--path", "tracks/", "--out", "conf/deep/etl.yml")
    config = etl.load_config(workspace.path / "conf" / "deep" / "etl.yml", {})
    assert Path(config.source.path).resolve() == (workspace.path / "tracks").resolve()


def test_what_is_not_given_is_asked(workspace: Workspace) -> None:
    """On stderr; an empty answer takes the default."""
    done = init(workspace, answers="logs\nsegment-logs/\nsandbox\n\n")
    assert (done.returncode, done.stdout) == (0, "")
    config = etl.load_config(workspace.path / "etl.yml", {})
    assert (config.source.type, config.destination.account) == ("logs", "sandbox")
    assert config.source.start.date() == datetime.now(UTC).date()


def test_a_wrong_answer_is_asked_again(workspace: Workspace) -> None:
    """And a warehouse's tables are told apart at spaces."""
    done = init(
        workspace, answers="kafka\nwarehouse\nsegment_prod\napi_request job_completed\n\n2026-11-01\n"
    )
    assert done.returncode == 0
    config = etl.load_config(workspace.path / "etl.yml", {})
    assert config.source.tables == ("api_request", "job_completed")
    assert config.source.start == datetime(2026, 11, 1, tzinfo=UTC)


def test_nobody_there_to_answer_is_a_usage_error(workspace: Workspace) -> None:
    """Exit 2, with the options that were missed; nothing is written."""
    done = init(workspace, "--source", "parquet")
    assert done.returncode == 2
    assert "nobody is there to answer; give --source, and --path or --schema and --table" in done.stderr
    assert not (workspace.path / "etl.yml").exists()


def test_a_config_that_is_there_is_kept(workspace: Workspace) -> None:
    """Unless --force is given."""
    path = workspace.config()
    before = path.read_text()
    done = init(workspace, "--source", "logs", "--path", "x")
    assert done.returncode == 2
    assert (
        "etl.yml is there already; name another file with --out, or overwrite it with --force" in done.stderr
    )
    assert path.read_text() == before
    assert init(workspace, "--source", "logs", "--path", "x", "--force").returncode == 0
    assert "type: logs" in path.read_text()


def test_a_query_that_is_there_is_used_as_it_is(workspace: Workspace) -> None:
    """Even with --force: it is somebody's work."""
    mine = workspace.path / "mine.sql"
    mine.write_text("SELECT 1 AS id WHERE now() >= :since AND now() < :until")
    assert init(workspace, "--source", "warehouse", "--query", "mine.sql", "--force").returncode == 0
    assert mine.read_text().startswith("SELECT 1")
    assert accepted(workspace)


def test_a_new_query_binds_the_window(workspace: Workspace) -> None:
    """And names the table that was given, quoted where it must be."""
    arguments = ["--query", "sql/q.sql", "--schema", "prod", "--table", 'api "request']
    assert init(workspace, "--source", "warehouse", *arguments).returncode == 0
    text = (workspace.path / "sql" / "q.sql").read_text()
    assert 'FROM prod."api ""request"' in text
    assert ":since" in text
    assert ":until" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source", "logs", "--path", "x", "--schema", "y"], "--schema is no option of --source logs"),
        (["--source", "warehouse", "--path", "x"], "--path is no option of --source warehouse"),
        (["--source", "parquet", "--path", "x", "--start", "soon"], "'soon' is not a time"),
        (["--source", "parquet", "--path", "x", "--out", "file/etl.yml"], "file/etl.yml cannot be written"),
    ],
)
def test_wrong_options(workspace: Workspace, arguments: list[str], message: str) -> None:
    """Exit 2, saying which."""
    (workspace.path / "file").write_text("")
    done = init(workspace, *arguments)
    assert done.returncode == 2
    assert message in done.stderr


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
names = texts.map(str.strip).filter(bool).filter(lambda name: "$" not in name and "\ufeff" not in name)


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(["parquet", "logs", "warehouse"]),
    where=names,
    tables=st.lists(names, min_size=1, max_size=3),
)
def test_whatever_is_answered_comes_through_unchanged(kind: Any, where: str, tables: list[str]) -> None:
    """Whatever YAML would make of it."""
    tables = [name for name in tables if name != "*"] or ["*"]
    answers = Answers(kind, datetime.now(UTC).date(), f"/x{where}", where, tables, None, where, where)
    (text,) = initial_files(answers, "etl.yml").values()
    config = parse_config(text, "etl.yml", {"WAREHOUSE_URL": "sqlite:///x.db"})
    assert (config.pipeline, config.destination.account) == (where, where)
    if kind == "warehouse":
        assert config.source.schemas == (where,)
        assert config.source.tables == (tuple(tables) if tables != ["*"] else "*")
    else:
        assert Path(config.source.path) == Path(f"/x{where}")
