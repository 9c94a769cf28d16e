"""``etl amend``: an edit, a rename or a removal is written into the config, and nothing else changes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.support.workspace import Said, Workspace, ago, track

Command = Callable[..., Said]

CONFIG = """\
# who bills what
pipeline: test   # stable
source: {{type: parquet, path: tracks/, start: {start}}}
retry: &unused {{}}
subscriptions:
  # the calls
  - name: Usage  # a name
    trigger: type = "track"
    mapping:
      transaction_id: {{"@template": "{prefix}-{{{{messageId}}}}"}}   # once
      customer_id: {{"@path": $.userId}}
      timestamp: {{"@path": $.timestamp}}
      event_type: {{"@path": $.event}}
      properties: {{"@path": $.properties}}

  - {{name: "Jobs: nightly", trigger: type = "track" and event = "job"}}
destination:
  account: sandbox
  base_url: {url}
  api_token: ${{METRONOME_BEARER_TOKEN}}
state: {{url: sqlite:///state.db}}
""".replace("retry: &unused {{}}\n", "")


@pytest.fixture
def billed(workspace: Workspace, command: Command) -> Path:
    """A config that has run, over one event."""
    workspace.write([track("m1")])
    path = workspace.path / "etl.yml"
    path.write_text(CONFIG.format(start=ago(days=9), prefix="a", url=workspace.standin.url))
    assert command("run").code == 0
    return path


def edit(path: Path, old: str, new: str) -> str:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    return path.read_text()


def added(before: str, after: str) -> list[str]:
    """Lines that are new; all others are there still, in their order."""
    left = after.splitlines()
    new = []
    for line in before.splitlines():
        while left[0] != line:
            new.append(left.pop(0))
        left.pop(0)
    return [*new, *left]


def test_an_edit_gets_its_from(workspace: Workspace, billed: Path, command: Command) -> None:
    """After what changed and what either version would bill were shown; then the run goes on."""
    before = edit(billed, "a-{{", "b-{{")
    assert command("run").code == 2
    looked = command("amend", "--dry-run")
    assert (looked.code, billed.read_text()) == (0, before)
    assert "subscription 'Usage' was edited" in looked.out
    assert re.findall(r"^  ([-+]) +.*\"(.)-\{\{messageId", looked.out, re.MULTILINE) == [
        ("-", "a"),
        ("+", "b"),
    ]
    shares = [line for line in looked.out.splitlines() if " matched, " in line]
    assert [line.partition("): ")[2] for line in shares] == [
        "0 matched, 0 would be sent",
        "1 matched, 0 would be sent",
    ]
    said = command("amend", "--yes")
    assert (said.code, said.err) == (0, "etl.yml: written\n")
    (line,) = added(before, billed.read_text())
    assert line.startswith("    from: 20")
    assert f"+{line}" in said.out
    assert command("run").code == 0
    assert workspace.standin.ids() == ["a-m1"]
    assert command("amend", "--yes").err == "etl.yml: nothing to amend\n"


def test_a_from_that_is_there_is_moved_and_one_too_early_is_refused(billed: Path, command: Command) -> None:
    edit(billed, "a-{{", "b-{{")
    before = edit(
        billed, "  - name: Usage  # a name\n", f"  - name: Usage  # a name\n    from: {ago(days=1)}\n"
    )
    early = command("amend", "--yes", "--from", ago(days=2))
    assert early.code == 2
    assert "lies in what another version of 'Usage' has run, up to" in early.err
    assert command("amend", "--yes", "--from", "2099-01-01").code == 0
    (line,) = added("\n".join(x for x in before.splitlines() if "from:" not in x), billed.read_text())
    assert line == "    from: 2099-01-01T00:00:00Z"


@pytest.mark.parametrize("prefix", ["a", "b"])
def test_a_rename_gets_its_was(billed: Path, command: Command, prefix: str) -> None:
    """And a ``from``, where the mapping was edited too."""
    edit(billed, "a-{{", f"{prefix}-{{{{")
    before = edit(billed, "name: Usage", "name: Calls")
    said = command("amend", "--yes")
    assert "subscription 'Calls' takes the place of 'Usage', which is gone" in said.out
    lines = added(before, billed.read_text())
    assert [line.partition(":")[0].strip() for line in lines] == (
        ["was"] if prefix == "a" else ["from", "was"]
    )
    assert lines[-1] == "    was: Usage"
    assert command("run").code == 0


def test_a_removed_subscription_is_retired(billed: Path, command: Command) -> None:
    """In a block of its own; one more goes into the same."""
    before = edit(billed, '\n  - {name: "Jobs: nightly", trigger: type = "track" and event = "job"}', "")
    assert command("amend", "--yes", "--from", "2026-11-20").code == 0
    assert added(before, billed.read_text()) == ["retired:", '  "Jobs: nightly": 2026-11-20T00:00:00Z']
    assert command("run").code == 0
    before = edit(billed, "name: Usage", 'name: Other\n    beside: [Usage, "Jobs: nightly"]')
    edit(billed, "a-{{", "c-{{")
    before = billed.read_text()
    assert command("amend", "--yes", "--subscription", "Usage", "--from", "2026-11-21").code == 0
    assert added(before, billed.read_text()) == ["  Usage: 2026-11-21T00:00:00Z"]


def test_flow_style_json_and_windows_line_ends_stay_as_they_are(
    workspace: Workspace, command: Command
) -> None:
    workspace.write([track("m1")])
    path = workspace.config(
        [{"name": "Usage", "trigger": 'event != "job"'}, {"name": "Jobs", "trigger": 'event = "job"'}]
    )
    assert command("run").code == 0
    text = path.read_text().replace('"Usage"', '"Calls"').replace("\n", "\r\n")
    start, _, end = text.partition('   "name": "Jobs"')
    head, _, _ = start.rpartition(",")
    path.write_bytes((head + "\r\n ]," + end.partition("],")[2]).encode())
    before = path.read_bytes().decode()
    assert command("amend", "--yes").code == 0
    after = path.read_bytes().decode()
    assert after.count("\r\n") == before.count("\r\n")
    changes = YAML(typ="safe").load(after)
    assert changes["subscriptions"] == [{"name": "Calls", "was": "Usage", "trigger": 'event != "job"'}]
    assert after.replace(', "was": "Usage"', "").partition(', "retired": {"Jobs": "')[0] in before
    assert list(changes["retired"]) == ["Jobs"]


def test_nobody_to_ask_writes_nothing(billed: Path, command: Command) -> None:
    before = edit(billed, "a-{{", "b-{{")
    said = command("amend")
    assert (said.code, billed.read_text()) == (2, before)
    assert "there is nobody to ask: add --yes to write, or --dry-run to look" in said.err
    assert command("amend", "--subscription", "Nobody").code == 2
