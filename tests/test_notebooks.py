"""The notebooks run on generated data, call nothing but the public API, and hold no output."""

from __future__ import annotations

import ast
from datetime import UTC, datetime, timedelta
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import etl
from etl.standin import Standin
from etl.standin.samples import SampleEvents, write_parquet
from tests.support.workspace import Workspace

PATHS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
DAYS = 4


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, running_standin: Standin) -> Workspace:
    """Some days of sample events, the first two of them sent."""
    running_standin.reset()
    workspace = Workspace(tmp_path_factory.mktemp("notebooks"), running_standin)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    start = today - timedelta(days=DAYS)
    sample = SampleEvents(2000, start=start, days=DAYS, awkward=True)
    write_parquet(workspace.path / "tracks", sample, by_day=True)
    workspace.config()
    workspace.run(since=start, until=start + timedelta(days=2))
    return workspace


def notebook(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call,no-any-return]


def test_there_are_notebooks() -> None:
    """Exploring a source, planning a backfill, reading what was sent and what was not."""
    assert [path.stem for path in PATHS] == [
        "explore_a_source",
        "plan_a_backfill",
        "sent_log_and_dead_letters",
    ]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_it_holds_no_output(path: Path) -> None:
    """Output goes stale, and may hold somebody's data."""
    for cell in notebook(path).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
        assert not cell.metadata


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_it_calls_the_public_api_only(path: Path) -> None:
    """``etl.name`` for public names; nothing is imported from inside the package."""
    code = "\n".join(cell.source for cell in notebook(path).cells if cell.cell_type == "code")
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom):
            assert not (node.module or "").startswith("etl")
        if isinstance(node, ast.Import):
            assert not any(alias.name.startswith("etl.") for alias in node.names)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "etl":
            assert node.attr in etl.__all__


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_it_runs(path: Path, prepared: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a token, from a folder of one's own, and sends nothing."""
    accepted = prepared.standin.stats()["accepted"]
    monkeypatch.setenv("ETL_CONFIG", str(prepared.path / "etl.yml"))
    monkeypatch.setenv("METRONOME_BEARER_TOKEN", "")
    monkeypatch.setenv("MPLBACKEND", "agg")
    client = NotebookClient(
        notebook(path),
        timeout=120,
        kernel_name="python3",
        resources={"metadata": {"path": str(prepared.path)}},
    )
    executed = client.execute()
    told = [output for cell in executed.cells for output in cell.get("outputs", [])]
    assert [output.text for output in told if output.get("name") == "stderr"] == []
    assert prepared.standin.stats()["accepted"] == accepted
