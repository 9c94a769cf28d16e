"""``etl backfill`` as people read it."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.workspace import Said, Workspace, ago, track

Command = Callable[..., Said]


def test_a_plan_gathers_the_days_without_a_row(workspace: Workspace, command: Command) -> None:
    """A plan of ten years would scroll the days that hold something out of sight."""
    workspace.config()
    workspace.write([track("m1", receivedAt=ago(days=20), timestamp=ago(days=20))])
    said = command("backfill", "--since", ago(days=400), "--until", ago(days=1), "--plan")
    windows = [line for line in said.err.splitlines() if "/" in line.lstrip().split("  ")[0]]
    assert said.code == 0
    assert len(windows) == 3
    assert ["no rows" in line for line in windows] == [True, False, True]
    assert "1 to send" in windows[1]
    assert " to " in windows[0].split("/")[0]
