"""``etl import-segment``: the command around ``etl.authoring.import_segment``."""

from __future__ import annotations

import json
from typing import Any

from etl.core.subscription import DEFAULT_MAPPING
from tests.support.workspace import Workspace

ANSWER = {
    "data": {
        "subscriptions": [
            {
                "id": "eoeXaMeAYcB2XvEApJDrQs",
                "name": "Usage",
                "actionSlug": "sendEvent",
                "enabled": True,
                "trigger": 'type = "track" and event = "Job Done"',
                "settings": DEFAULT_MAPPING,
            }
        ]
    }
}


def imported(workspace: Workspace, *arguments: str, text: str | None = None, **options: Any) -> Any:
    if text is None:
        text = json.dumps(ANSWER)
    (workspace.path / "answer.json").write_text(text)
    return workspace.cli("import-segment", *arguments, **options)


def test_the_config_goes_to_stdout(workspace: Workspace) -> None:
    """And is one that check accepts."""
    done = imported(workspace, "answer.json")
    assert (done.returncode, done.stderr) == (0, "")
    (workspace.path / "etl.yml").write_text(done.stdout)
    assert workspace.cli("check", "-c", "etl.yml", "--strict").returncode == 0
    assert workspace.load().subscriptions[0].trigger == 'type = "track" and event = "Job Done"'


def test_the_answer_may_come_from_stdin(workspace: Workspace) -> None:
    """As curl gives it."""
    done = imported(workspace, "-", input=json.dumps(ANSWER))
    assert done.returncode == 0
    assert "Job Done" in done.stdout


def test_out_writes_a_file_once(workspace: Workspace) -> None:
    """What is there is kept unless --force is given."""
    done = imported(workspace, "answer.json", "--out", "conf/etl.yml")
    assert (done.returncode, done.stdout) == (0, "")
    assert "conf/etl.yml is written" in done.stderr
    assert workspace.cli("check", "-c", "conf/etl.yml").returncode == 0
    again = imported(workspace, "answer.json", "--out", "conf/etl.yml")
    assert again.returncode == 2
    assert "conf/etl.yml is there already" in again.stderr
    assert imported(workspace, "answer.json", "--out", "conf/etl.yml", "--force").returncode == 0


def test_what_cannot_be_imported_exits_2(workspace: Workspace) -> None:
    """With the reason, and no config."""
    done = imported(workspace, "answer.json", text="<html>")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Segment's answer is not JSON" in done.stderr
    missing = imported(workspace, "nowhere.json")
    assert missing.returncode == 2
    assert "nowhere.json cannot be read: No such file or directory" in missing.stderr
    (workspace.path / "binary").write_bytes(b"\xff\xfe")
    assert "binary is not UTF-8 text" in workspace.cli("import-segment", "binary").stderr
