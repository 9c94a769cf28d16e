"""One workspace with every outcome for all tests that only look at it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.operations.report.support import every_outcome
from tests.support.workspace import Workspace

if TYPE_CHECKING:
    import etl
    from etl.standin import Standin


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace's folder."""
    return tmp_path_factory.mktemp("every-outcome")


@pytest.fixture(scope="module")
def eventful(folder: Path, running_standin: Standin) -> etl.Config:
    """The config of a pipeline whose runs had every outcome; nothing may be run on it."""
    running_standin.reset()
    return every_outcome(Workspace(folder, running_standin))
