"""The exit code tells what became of the run even when nobody reads what it prints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from etl.cli.output import report_of
from etl.pipeline import wiring
from tests.support.workspace import track

if TYPE_CHECKING:
    from tests.support.workspace import Workspace


def _read_a_line(workspace: Workspace, *arguments: str) -> tuple[bytes, bytes, int]:
    """The first line, as by ``head -1``, what was said on stderr, and the exit code."""
    with subprocess.Popen(
        [sys.executable, "-m", "etl", *arguments, "-c", "etl.yml"],
        cwd=workspace.path,
        env=os.environ | workspace.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        process.stdout.close()
        return line, process.stderr.read(), process.wait(60)


def _unread(workspace: Workspace, stream: str, *arguments: str) -> int:
    """The exit code of the command when the reader of ``stream`` has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: writer}
    try:
        return subprocess.run(
            [sys.executable, "-m", "etl", *arguments],
            cwd=workspace.path,
            env=os.environ | workspace.env,
            check=False,
            timeout=60,
            stdout=streams["stdout"],
            stderr=streams["stderr"],
        ).returncode
    finally:
        os.close(writer)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_stopped_run_exits_3_when_its_reader_has_gone(workspace: Workspace, stream: str) -> None:
    """Exit 1 would say that the window is complete."""
    workspace.write([track("a")])
    workspace.config()
    workspace.env["METRONOME_BEARER_TOKEN"] = "not-the-token"
    assert _unread(workspace, stream, "run", "-c", "etl.yml", "--json") == 3


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_complete_run_exits_0_when_its_reader_has_gone(workspace: Workspace, stream: str) -> None:
    """What was billed is billed, read or not."""
    workspace.write([track("a")])
    workspace.config()
    arguments = ["--json"] if stream == "stdout" else []
    assert _unread(workspace, stream, "run", "-c", "etl.yml", *arguments) == 0


def test_a_command_whose_reader_had_enough_ends_quietly(workspace: Workspace) -> None:
    """``etl map … | head -1``: 141, as of any program in a pipe."""
    workspace.write([track(f"m{n}") for n in range(2000)])  # more than a pipe holds
    workspace.config()
    line, said, code = _read_a_line(workspace, "map", "--quiet")
    assert json.loads(line)["body"]["transaction_id"] == "m0"
    assert (said, code) == (b"", 141)


@pytest.mark.parametrize(
    "arguments",
    [
        ["map"],
        ["fields"],
        ["fields", "--json"],
        ["status"],
        ["status", "--json"],
        ["check"],
        ["report"],
        ["dead-letters", "list"],
        ["dead-letters", "list", "--json"],
        ["dead-letters", "show", "1"],
        ["dead-letters", "export"],
    ],
    ids=" ".join,
)
def test_a_command_that_nobody_reads_ends_quietly(workspace: Workspace, arguments: list[str]) -> None:
    """However little it has to say: also what is left in the buffer when Python ends."""
    workspace.write([track("m1"), track("m2", context={})])
    mapping = {
        "transaction_id": {"@path": "$.messageId"},
        "customer_id": {"@path": "$.context.groupId"},
        "timestamp": {"@path": "$.receivedAt"},  # something for `etl check` to warn of
        "event_type": {"@path": "$.event"},
        "properties": {"@path": "$.properties"},
    }
    workspace.config([{"name": "Usage", "mapping": mapping}])
    workspace.run()
    assert _unread(workspace, "stdout", *arguments, "-c", "etl.yml") == 141


def test_help_that_nobody_reads_ends_quietly(workspace: Workspace) -> None:
    assert _unread(workspace, "stdout", "--help") == 141
    assert _unread(workspace, "stdout", "run", "--help") == 141


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_usage_error_exits_2_when_nobody_reads_it(workspace: Workspace, stream: str) -> None:
    assert _unread(workspace, stream, "run", "--nonsense") == 2


def test_what_was_retried_is_told_by_the_exit_code_when_nobody_reads_it(workspace: Workspace) -> None:
    workspace.write([track("m1", context={})])
    workspace.config()
    workspace.run()
    assert _unread(workspace, "stdout", "dead-letters", "retry", "-c", "etl.yml") == 1


def test_a_bug_prints_an_object_without_what_the_exception_quotes(capsys: pytest.CaptureFixture[str]) -> None:
    """``--json`` prints one object whatever the exit code; an exception's text may quote an event."""

    def run() -> None:
        raise ValueError("cannot convert 'acme secret'")

    assert report_of(run, as_json=True) == 3  # type: ignore[arg-type]
    printed = capsys.readouterr()
    assert "secret" not in printed.out + printed.err
    told = json.loads(printed.out)
    assert (told["exit_code"], told["complete"], told["error"]["type"]) == (3, False, "ValueError")


def test_what_a_bug_quotes_stays_out_of_the_state(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``etl status`` shows what a run was stopped by: its kind, not an event's content."""

    def broken(*_: object) -> None:
        raise ValueError("cannot convert 'acme secret'")

    monkeypatch.setattr("etl.pipeline.pairs.examine", broken)
    workspace.write([track("a")])
    workspace.config()
    with pytest.raises(ValueError, match="secret"):
        workspace.run()
    assert list(wiring.state_of(workspace.load()).runs("test")["error"]) == ["ValueError"]
