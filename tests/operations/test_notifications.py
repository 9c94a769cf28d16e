"""Who is told when a run fails, and when the next one is complete again: a real webhook, a real command."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

import etl
from etl.core import logs
from etl.operations.after_run import announced
from tests.support.receiver import receiver
from tests.support.workspace import Workspace, track

KEEP = [sys.executable, "-c", "import sys; open('told', 'a').write(sys.stdin.read() + '\\n')"]


def told(workspace: Workspace) -> Any:
    return announced(workspace.load(), "etl.run", workspace.run)


def fails(workspace: Workspace) -> None:
    with pytest.raises(etl.EtlError):
        told(workspace)


def test_failure_and_recovery_are_told_once_each(workspace: Workspace) -> None:
    """And neither a run that was complete before nor one that is complete after."""
    workspace.write([track("m1")])
    with receiver() as (url, received):
        workspace.env["HOOK"] = f"{url}/hook-5ecret"
        notify = {"webhook": "${HOOK}"}
        workspace.config(notify=notify)
        told(workspace)
        assert received == []
        workspace.config(source={"path": "nowhere/"}, notify=notify)
        fails(workspace)
        workspace.config(notify=notify)
        told(workspace)
        told(workspace)
    posts = [json.loads(body) for _, body in received]
    assert [post["happening"] for post in posts] == ["failure", "recovery"]
    failure, recovery = posts
    assert failure["text"].startswith("etl: pipeline 'test', account 'sandbox' failed (exit 3): source.path")
    assert (failure["exit_code"], failure["error"]["type"]) == (3, "SourceError")
    assert "is complete again up to the end of [" in recovery["text"]
    assert workspace.standin.token not in json.dumps(posts)


def test_a_run_that_could_not_begin_is_told_too(workspace: Workspace) -> None:
    """Exit 2: here without a token."""
    workspace.config(notify={"command": [*KEEP[:2], KEEP[2].replace("told", f"{workspace.path}/told")]})
    workspace.write([track("m1")])
    del workspace.env["METRONOME_BEARER_TOKEN"]
    fails(workspace)
    (post,) = map(json.loads, (workspace.path / "told").read_text().splitlines())
    assert (post["happening"], post["exit_code"], post["run_id"]) == ("failure", 2, None)


@pytest.mark.parametrize(
    ("notify", "warning"),
    [
        ({"webhook": "http://127.0.0.1:1/5ecret"}, "notify.webhook could not be reached (ConnectError)"),
        ({"webhook": "${UNSET_HOOK}"}, "notify.webhook: its variable is not set; nobody was told"),
        ({"command": ["/no/such/program"]}, "notify.command /no/such/program did not run: FileNotFoundError"),
        ({"command": [sys.executable, "-c", "exit(9)"]}, f"notify.command {sys.executable} exited 9"),
    ],
)
def test_trouble_with_telling_is_a_warning(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], notify: dict[str, Any], warning: str
) -> None:
    """The run ends as it would have; the URL, which may be a secret, is not shown."""
    logs.set_up("json")
    workspace.config(source={"path": "nowhere/"}, notify=notify)
    fails(workspace)
    (line,) = map(json.loads, capsys.readouterr().err.splitlines())
    assert (line["level"], line["event"]) == ("warning", "notify_failed")
    assert line["message"].startswith(warning)
    assert "5ecret" not in line["message"]


def test_a_webhook_that_refuses_is_a_warning(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.set_up("json")
    with receiver(status=404) as (url, _):
        workspace.config(source={"path": "nowhere/"}, notify={"webhook": f"{url}/hook-5ecret"})
        fails(workspace)
    assert "notify.webhook answered 404; nobody was told" in capsys.readouterr().err


def test_a_webhook_that_is_no_url_is_refused_and_not_shown(workspace: Workspace) -> None:
    workspace.config(notify={"webhook": "5ecret"})
    with pytest.raises(
        etl.ConfigError, match=r"notify\.webhook should be an http:// or https:// URL"
    ) as raised:
        workspace.load()
    assert "5ecret" not in str(raised.value)
