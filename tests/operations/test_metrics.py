"""Figures for Prometheus: a textfile, a push to a real HTTP server."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from etl.core.outcomes import OUTCOMES
from etl.operations.after_run import announced
from etl.operations.metrics import FIGURES
from tests.support.receiver import receiver
from tests.support.workspace import Workspace, track


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Name and labels → value, as Prometheus reads it; the pipeline's label is left out."""
    return {
        (s.name, frozenset((k, v) for k, v in s.labels.items() if k != "pipeline")): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }


def told(workspace: Workspace, file: str | None = None) -> Any:
    return announced(workspace.load(), "etl.run", workspace.run, metrics_file=file)


def test_every_figure_of_the_report_and_the_state_is_in_the_file(workspace: Workspace) -> None:
    workspace.config()
    workspace.write([track("m1"), track("m1"), track("m2", context={}), track("m3", type="page")])
    path = workspace.path / "etl.prom"
    report = told(workspace, str(path))
    found = samples(path.read_text())
    assert {name for name, _ in found} == set(FIGURES)
    for outcome in ("matched", *OUTCOMES):
        of = frozenset({("subscription", "Usage"), ("outcome", outcome)})
        assert found["etl_last_run_pairs", of] == getattr(report, outcome)
    for kind in ("read", "filtered", "unreadable"):
        assert found["etl_last_run_rows", frozenset({("kind", kind)})] == getattr(report, kind)
    assert found["etl_last_run_exit_code", frozenset()] == report.exit_code == 1
    assert found["etl_sent_log_ids", frozenset()] == 1
    of = frozenset({("subscription", "Usage"), ("outcome", "rejected"), ("stage", "schema")})
    assert found["etl_open_dead_letters", of] == 1
    assert 0 <= found["etl_lag_seconds", frozenset({("subscription", "Usage")})] < 600


def test_a_run_that_failed_says_so_and_leaves_the_watermark(workspace: Workspace) -> None:
    import etl

    workspace.config(source={"path": "nowhere/"}, metrics={"file": "${HERE}/etl.prom"})
    workspace.env["HERE"] = str(workspace.path)
    with pytest.raises(etl.SourceError):
        told(workspace)
    found = samples((workspace.path / "etl.prom").read_text())
    assert found["etl_last_run_exit_code", frozenset()] == 3
    assert found["etl_last_run_complete", frozenset()] == 0
    assert "etl_lag_seconds" not in {name for name, _ in found}


def test_the_command_writes_the_file_and_status_writes_the_state_alone(workspace: Workspace) -> None:
    workspace.config()
    workspace.write([track("m1")])
    path = workspace.path / "etl.prom"
    assert workspace.cli("run", "-c", "etl.yml", "--metrics-file", str(path), "-q").returncode == 0
    assert "etl_last_run_complete" in path.read_text()
    assert workspace.cli("status", "-c", "etl.yml", "--metrics-file", str(path)).returncode == 0
    assert "etl_last_run_complete" not in path.read_text()
    assert "etl_lag_seconds" in path.read_text()


def test_a_dry_run_and_a_busy_window_leave_the_figures_as_they_were(workspace: Workspace) -> None:
    from etl.core.errors import WindowBusyError

    workspace.config()
    workspace.write([track("m1")])
    config, path = workspace.load(), workspace.path / "etl.prom"
    announced(config, "etl.run", lambda: workspace.run(dry_run=True), metrics_file=str(path), dry_run=True)

    def busy() -> Any:
        raise WindowBusyError("busy")

    with pytest.raises(WindowBusyError):
        announced(config, "etl.run", busy, metrics_file=str(path))
    assert not path.exists()


def test_figures_are_pushed_under_the_pipelines_name(workspace: Workspace) -> None:
    workspace.write([track("m1")])
    with receiver() as (url, puts):
        workspace.config(metrics={"pushgateway": url})
        told(workspace)
    ((path, text),) = puts
    assert path == "/metrics/job/etl/pipeline/test"
    assert samples(text)["etl_last_run_complete", frozenset()] == 1


def test_a_gateway_that_is_away_changes_nothing_but_is_told(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    from etl.core import logs

    logs.set_up("json")
    workspace.config(metrics={"pushgateway": "127.0.0.1:1"})
    workspace.write([track("m1")])
    assert told(workspace).exit_code == 0
    assert '"event":"metrics_failed"' in capsys.readouterr().err
