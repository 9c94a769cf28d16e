"""Fixtures for all tests. Under pytest-xdist every worker has its own stand-in and its own cluster."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from etl.cli import main
from etl.standin import Standin
from tests.support.postgres import Cluster
from tests.support.workspace import Said, Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


# Timing never fails a test. In CI the same examples each time: what is found by chance is found at somebody's desk.
settings.register_profile(
    "etl", deadline=None, derandomize="CI" in os.environ, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("etl")


@pytest.fixture(scope="session")
def running_standin() -> Iterator[Standin]:
    """The stand-in of this session; tests take ``standin``."""
    with Standin(max_lifetime=4 * 3600) as standin:
        yield standin


@pytest.fixture
def standin(running_standin: Standin) -> Standin:
    """A local Metronome that has accepted nothing yet and commits no faults."""
    running_standin.reset()
    return running_standin


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Cluster]:
    """The PostgreSQL server of this session; tests take ``postgres``."""
    with Cluster() as cluster:
        yield cluster


@pytest.fixture
def postgres(postgres_cluster: Cluster) -> Iterator[str]:
    """The SQLAlchemy URL of an empty PostgreSQL database of the test's own."""
    url = postgres_cluster.create_database()
    yield url
    postgres_cluster.drop_database(url)


@pytest.fixture
def command(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    """``etl … -c etl.yml`` in the workspace, as its own process would do it, but within this one."""
    monkeypatch.chdir(workspace.path)
    for name, value in workspace.env.items():
        monkeypatch.setenv(name, value)

    def call(*arguments: str) -> Said:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main([*arguments, "-c", "etl.yml"])
        told = capsys.readouterr()
        return Said(int(left.value.code or 0), told.out, told.err)

    return call


@pytest.fixture
def workspace(tmp_path: Path, standin: Standin) -> Workspace:
    """A folder with room for an export, billed to the stand-in."""
    return Workspace(tmp_path, standin)
