"""Times given to commands and configs: ISO 8601, and never in the future; nothing is guessed."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

import etl
from tests.support.workspace import Said, Workspace, ago, track

Command = Callable[..., Said]

GUESSES = ["05/11/2026", "5/6", "nov", "10:30", "yesterday", "1 Nov 2026", "2026/11/05", "1762300800"]


@pytest.mark.parametrize("written", GUESSES)
@pytest.mark.parametrize("name", ["run", "backfill", "fields", "report"])
def test_what_is_not_iso_8601_is_a_usage_error(
    workspace: Workspace, command: Command, name: str, written: str
) -> None:
    """The 5th of November is not the 11th of May, and half past ten is not today."""
    workspace.config()
    said = command(name, "--since", written, "--until", ago())
    assert (said.code, said.out) == (2, "")
    assert f"{written!r} is not a time; write 2026-11-01 or 2026-11-01T06:00:00Z" in " ".join(
        said.err.split()
    )


@pytest.mark.parametrize("written", GUESSES)
def test_nor_is_it_taken_in_a_config_or_from_python(workspace: Workspace, written: str) -> None:
    workspace.config(source={"start": written})
    with pytest.raises(etl.ConfigError, match=r"source\.start should be a time such as 2026-11-01"):
        workspace.load()
    workspace.config()
    with pytest.raises(etl.ConfigError, match="is not a time"):
        workspace.run(since=written)


@pytest.mark.parametrize("until", [(), ("--until", ago(days=-20))])
@pytest.mark.parametrize("name", ["run", "backfill"])
def test_a_window_that_is_still_to_come_is_refused(
    workspace: Workspace, command: Command, name: str, until: tuple[str, ...]
) -> None:
    """It was "complete" once, and empty."""
    workspace.config()
    workspace.write([track("m1")])
    since = ago(days=-10)
    said = command(
        name, "--since", since, *(until or (("--until", ago(days=-20)) if name == "backfill" else ()))
    )
    assert said.code == 2
    assert "is still to come" in said.err
    assert workspace.standin.accepted() == {}


def test_nor_from_python(workspace: Workspace) -> None:
    workspace.config()
    with pytest.raises(etl.ConfigError, match=r"the window \[.*\) is still to come: it is .* now"):
        workspace.run(since=ago(days=-10), until=ago(days=-20))


def test_an_end_in_the_future_is_now(workspace: Workspace, command: Command) -> None:
    workspace.config()
    workspace.write([track("m1")])
    said = command("run", "--since", ago(days=1), "--until", ago(days=-20), "--json")
    assert said.code == 0
    assert json.loads(said.out)["window"]["until"] < ago(days=-1)
