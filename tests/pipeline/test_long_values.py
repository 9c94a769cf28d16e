"""Property values over the warning length are sent, and counted where people look."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.support.workspace import Said, Workspace, ago, track

Command = Callable[..., Said]


def test_long_values_are_counted_in_run_and_report(workspace: Workspace, command: Command) -> None:
    """Metronome's limit is not documented: whoever reports failures at 256 bytes may be right."""
    workspace.config()
    workspace.write(
        [track("m1", properties={"text": "x" * 257}), track("m2", properties={"text": "x" * 256})]
    )
    said = command("run", "--since", ago(days=1), "--json")
    assert (said.code, json.loads(said.out)["sent"], json.loads(said.out)["long_values"]) == (0, 2, 1)
    again = command("run", "--since", ago(days=1))
    (line,) = [line for line in again.err.splitlines() if line.startswith("long ")]
    assert line.split(maxsplit=2)[1:] == ["1", "pairs have a property value over limits.property_value_bytes"]
    assert command("report", "--out", "r.html").code == 0
    page = (workspace.path / "r.html").read_text(encoding="utf-8")
    assert "<dt>long values</dt><dd>2</dd>" in page


def test_where_they_are_rejected_they_are_no_long_values(workspace: Workspace) -> None:
    """They are rejected then, and letters."""
    workspace.config(limits={"property_value": "reject"})
    workspace.write([track("m1", properties={"text": "x" * 257})])
    report = workspace.run(since=ago(days=1))
    assert (report.rejected, report.long_values, report.exit_code) == (1, 0, 1)
