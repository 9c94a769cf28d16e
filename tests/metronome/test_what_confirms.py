"""The table of bodies in docs/delivery.md, each row through the command."""

from __future__ import annotations

import json
import re

import pytest

from tests.metronome.server import Reply, Server
from tests.support.pages import ROOT
from tests.support.workspace import Workspace, track

ROWS = re.findall(
    r"^\| `([^`]*)` \| (?:`([^`]*)` )?\| (confirms|stops) \|$",
    (ROOT / "docs" / "delivery.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)


def test_the_table_is_read() -> None:
    """And has rows of both kinds."""
    assert len(ROWS) == 20
    assert {outcome for _, _, outcome in ROWS} == {"confirms", "stops"}


@pytest.mark.parametrize(("body", "content_type", "outcome"), ROWS)
def test_a_200_confirms_or_stops_as_the_table_says(
    workspace: Workspace, body: str, content_type: str, outcome: str
) -> None:
    """By the exit code, the report, and the message."""
    workspace.write([track("m1", properties={}), track("m2", properties={})])
    with Server(lambda _: reply_of(body, content_type)) as server:
        workspace.config(destination={"base_url": server.url})
        ran = workspace.cli("run", "-c", "etl.yml", "--json")
    assert [request.ids for request in server.received] == [["m1", "m2"]]
    sent = json.loads(ran.stdout)["sent"]
    if outcome == "confirms":
        assert (ran.returncode, sent, ran.stderr) == (0, 2, "")
    else:
        assert (ran.returncode, sent) == (3, 0)
        assert "with 200, but with" in ran.stderr
        assert body[-8:] in ran.stderr
        assert "destination.confirm: status" in ran.stderr


def reply_of(body: str, content_type: str) -> Reply:
    return Reply(200, body.encode(), {"content-type": content_type} if content_type else {})


def test_a_200_in_doubt_is_sent_again_by_the_next_run(workspace: Workspace) -> None:
    """Nothing of it was recorded: the same ids go out."""
    workspace.write([track("m1", properties={}), track("m2", properties={})])
    replies = [Reply(200, b"OK"), Reply(200, b"Service unavailable")]
    with Server(lambda _: replies.pop()) as server:
        workspace.config(destination={"base_url": server.url})
        codes = [workspace.cli("run", "-c", "etl.yml").returncode for _ in range(2)]
    assert codes == [3, 0]
    assert [request.ids for request in server.received] == [["m1", "m2"]] * 2


def test_with_confirm_status_the_body_does_not_matter(workspace: Workspace) -> None:
    """The way on that the message names."""
    workspace.write([track("m1", properties={}), track("m2", properties={})])
    with Server(lambda _: Reply(200, b"<html>Sign in</html>")) as server:
        workspace.config(destination={"base_url": server.url, "confirm": "status"})
        ran = workspace.cli("run", "-c", "etl.yml", "--json")
    assert (ran.returncode, json.loads(ran.stdout)["sent"]) == (0, 2), ran.stderr
