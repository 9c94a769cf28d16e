"""What a run says of itself for people: what was not sent, by reason; and what a dry run would send."""

from __future__ import annotations

import json

from tests.support.workspace import Workspace, ago, track


def test_what_was_not_sent_is_broken_down_by_reason(workspace: Workspace) -> None:
    """The five commonest reasons, in lines of 80 columns, the same in a dry run and in ``--json``."""
    workspace.standin.configure(poison_prefix="poison")
    workspace.config()
    workspace.write(
        [
            track("a"),
            *(track(f"nobody {n}", context={}) for n in range(3)),
            track("no-date", timestamp="whenever"),
            track("poison-1"),
            track("old", timestamp=ago(days=40)),
        ]
    )
    dry = workspace.cli("run", "-c", "etl.yml", "--dry-run").stderr
    assert "  would send         2\n" in dry
    assert "  rejected           4  could not be made into a usage event, or was refused\n" in dry
    assert "                     3  schema: " in dry
    assert "unsent" not in dry
    assert "  sent " not in dry
    assert max(map(len, dry.splitlines())) <= 80
    ran = workspace.cli("run", "-c", "etl.yml").stderr
    assert "  sent               1\n" in ran
    assert "                     1  metronome: " in ran
    assert "  too_old            1  is older than destination.max_age; not sent\n" in ran
    report = json.loads(workspace.cli("run", "-c", "etl.yml", "--since", ago(days=2), "--json").stdout)
    assert sum(report["reasons"].values()) == report["rejected"] == 5
