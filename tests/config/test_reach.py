"""What a config reaches: the files and variables it names where that is documented, and no others."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.config.support import SMALLEST, problems
from tests.support.workspace import Workspace, ago, track

if TYPE_CHECKING:
    from pathlib import Path

    from etl.standin import Standin

SECRET = "S3cr3tC4nary"

#: The command, telling on stderr what Python opened and which programs it started.
WATCHED = """
import atexit, json, sys
seen = set()
def watch(event, args):
    if event in ("open", "sqlite3.connect", "subprocess.Popen", "os.system") and isinstance(args[0], str):
        seen.add((event, str(args if event == "subprocess.Popen" else args[0])))
sys.addaudithook(watch)
atexit.register(lambda: print("SEEN", json.dumps(sorted(seen)), file=sys.__stderr__))
from etl.cli import main
main()
"""


@pytest.fixture
def workspace(tmp_path: Path, standin: Standin) -> Workspace:
    """The job in a folder of its own; beside it the tracks, and what is none of its business."""
    (tmp_path / "job").mkdir()
    workspace = Workspace(tmp_path / "job", standin)
    (tmp_path / "secret.txt").write_text(SECRET)
    (tmp_path / "secret.liquid").write_text(SECRET)
    workspace.env["SECRET"] = SECRET
    return workspace


def looks_like_files(workspace: Workspace) -> dict[str, str]:
    """Texts that some program or other would open, run or fill in."""
    secret = workspace.path.parent / "secret.txt"
    return {
        "absolute": str(secret),
        "relative": "../secret.txt",
        "url": f"file://{secret}",
        "curl": f"@{secret}",
        "home": "~/.ssh/id_rsa",
        "shell": "$SECRET",
        "command": "$(cat ../secret.txt)",
        "backticks": "`cat ../secret.txt`",
        "windows": "%SECRET%",
        "python": "{env.SECRET} %(SECRET)s {0.__class__}",
        "yaml": "!include ../secret.txt",
    }


def watched(workspace: Workspace, *arguments: str) -> tuple[subprocess.CompletedProcess[str], set[str]]:
    """The command, and which files it opened below the folder of the test."""
    ran = subprocess.run(
        [sys.executable, "-c", WATCHED, *arguments, "-c", "etl.yml"],
        cwd=workspace.path,
        env=os.environ | workspace.env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    seen = json.loads(ran.stderr.rpartition("SEEN ")[2])
    started = [program for event, program in seen if event not in ("open", "sqlite3.connect")]
    assert not any("secret" in program for program in started)
    root = workspace.path.parent
    named = {path for event, path in seen if event in ("open", "sqlite3.connect") and path != ":memory:"}
    paths = {(workspace.path / path).resolve() for path in named}
    return ran, {str(path.relative_to(root)) for path in paths if path.is_relative_to(root)}


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_job_opens_what_its_config_names_and_nothing_else(workspace: Workspace) -> None:
    """Texts in mappings and events stay as they are, whatever they look like."""
    texts = looks_like_files(workspace)
    literal = {f"from_{name}": text for name, text in texts.items()}
    mapping = {
        "transaction_id": {"@path": "$.messageId"},
        "customer_id": {"@path": "$.context.groupId"},
        "timestamp": {"@path": "$.timestamp"},
        "event_type": "../secret.txt",
        "properties": {**literal, "escaped": "$${SECRET}", "event": {"@path": "$.properties"}},
    }
    of_event = {**texts, "reference": "${SECRET}", "file": "${file:../secret.txt}"}
    workspace.write([track("m1", properties=of_event)]).rename(workspace.path.parent / "tracks.parquet")
    workspace.config([{"name": "../secret.txt", "mapping": mapping}], source={"path": "../tracks.parquet"})
    before = tree(workspace.path.parent)

    mapped, opened = watched(workspace, "map")
    body = json.loads(mapped.stdout)["body"]
    assert body["event_type"] == "../secret.txt"
    assert body["properties"] == {**literal, "escaped": "${SECRET}", "event": of_event}
    assert opened == {"job/etl.yml"}
    assert tree(workspace.path.parent) == before

    ran, opened = watched(workspace, "run")
    assert ran.returncode == 0, ran.stderr
    assert {path.split(".db")[0] for path in opened} == {"job/etl.yml", "job/state"}
    assert {path.split(".db")[0] for path in tree(workspace.path.parent) - before} == {"job/state"}
    for said in (mapped.stdout, mapped.stderr, ran.stdout, ran.stderr):
        assert SECRET not in said


@pytest.mark.parametrize("tag", ["include", "render", "layout", "extends"])
@pytest.mark.parametrize("name", ["secret.txt", "../secret.txt", "secret", "../secret"])
def test_a_template_reads_no_file(workspace: Workspace, tag: str, name: str) -> None:
    """Liquid has tags for that."""
    mapping = {
        "transaction_id": {"@path": "$.messageId"},
        "customer_id": {"@liquid": f"{{% {tag} '{name}' %}}x"},
        "timestamp": {"@path": "$.timestamp"},
        "event_type": {"@path": "$.event"},
        "properties": {"@path": "$.properties"},
    }
    workspace.write([track("m1")])
    workspace.config([{"name": "Usage", "mapping": mapping}])
    ran, opened = watched(workspace, "map")
    assert not any("secret" in path for path in opened)
    assert SECRET not in ran.stdout + ran.stderr


@pytest.mark.parametrize(
    "written",
    [
        "!include ../secret.txt",
        "!!python/object/apply:os.system ['touch ../ran']",
        "!!python/name:os.environ",
        "!ENV ${SECRET}",
    ],
)
def test_yaml_tags_do_nothing(written: str) -> None:
    """They are refused, each with its line."""
    found = problems(SMALLEST.replace("sandbox", written))
    assert found
    assert not any(SECRET in problem for problem in found)


def test_a_query_is_sent_as_it_is_written(workspace: Workspace) -> None:
    """Its file is read and nothing is filled in, or included, but the two binds."""
    with closing(sqlite3.connect(workspace.path / "w.db")) as database:
        database.execute("CREATE TABLE calls (id, event, received_at, timestamp, context_group_id)")
        database.execute("INSERT INTO calls VALUES ('m1', 'x', :t, :t, 'acme')", {"t": ago(hours=2)})
        database.commit()
    (workspace.path.parent / "q.sql").write_text(
        "-- \\i ../secret.txt\n-- {% include 'secret.txt' %}\n"
        "SELECT *, '${SECRET} ${file:../secret.txt} {{SECRET}} $SECRET' AS plan FROM calls\n"
        "WHERE received_at >= :since AND received_at < :until\n"
    )
    config: dict[str, Any] = {
        "pipeline": "test",
        "source": {"type": "warehouse", "url": "sqlite:///w.db", "query": "../q.sql", "start": ago(days=2)},
        "subscriptions": [{"name": "Usage"}],
        "destination": {"account": "sandbox"},
        "state": {"url": "sqlite:///state.db"},
    }
    (workspace.path / "etl.yml").write_text(json.dumps(config))
    ran, opened = watched(workspace, "map")
    assert json.loads(ran.stdout)["body"]["properties"]["plan"] == (
        "${SECRET} ${file:../secret.txt} {{SECRET}} $SECRET"
    ), ran.stderr
    assert opened == {"job/etl.yml", "job/w.db", "q.sql"}
