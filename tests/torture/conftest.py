"""Fixtures of the torture tests, and the table of figures that ``make torture`` ends with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from etl.standin import Standin
from tests.torture.runs import Mill

_FIGURES = pytest.StashKey[list[tuple[str, str, str]]]()


class Figures:
    """What a test measured: shown after the tests, whether they passed or not."""

    def __init__(self, rows: list[tuple[str, str, str]], test: str) -> None:
        self._rows, self._test = rows, test

    def __call__(self, **figures: object) -> None:
        """Show these; underscores in names are shown as spaces."""
        for name, value in figures.items():
            text = (
                f"{value:,}"
                if isinstance(value, int)
                else f"{value:.2f}"
                if isinstance(value, float)
                else value
            )
            self._rows.append((self._test, name.replace("_", " "), str(text)))


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    """Call it with what is to be shown in the end."""
    rows = request.config.stash.setdefault(_FIGURES, [])
    return Figures(rows, request.node.name.removeprefix("test_"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The table of figures."""
    rows = config.stash.get(_FIGURES, [])
    if not rows:
        return
    terminalreporter.section("figures")
    width = max(len(name) for _, name, _ in rows)
    for number, (test, name, value) in enumerate(rows):
        if not number or rows[number - 1][0] != test:
            terminalreporter.write_line(test)
        terminalreporter.write_line(f"    {name:<{width}}  {value:>12}")


@pytest.fixture(scope="session")
def running_mill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mill]:
    """The mill of this session; tests take ``mill``."""
    with Mill(tmp_path_factory.mktemp("runs")) as mill:
        yield mill


@pytest.fixture
def mill(running_mill: Mill) -> Iterator[Mill]:
    """Starts runs quickly."""
    yield running_mill
    running_mill.end_all()


@pytest.fixture(scope="session")
def recording_standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Standin, Path]]:
    """A stand-in that writes down what it accepts before it answers; tests take ``recording``."""
    record = tmp_path_factory.mktemp("standin") / "record.ndjson"
    with Standin(record=record, max_lifetime=4 * 3600) as standin:
        yield standin, record


@pytest.fixture
def recording(recording_standin: tuple[Standin, Path]) -> tuple[Standin, Path]:
    """The stand-in, which has accepted nothing yet, and its record."""
    recording_standin[0].reset()
    return recording_standin
