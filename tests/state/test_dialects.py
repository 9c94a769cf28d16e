"""Which database the state is kept in is asked in one place: a new one is one object."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import etl
from etl.state.dialects import DIALECTS
from tests.support.workspace import Workspace

PACKAGE = Path(etl.__file__).parent
#: Rooms that work with the state.
ROOMS = ("state", "operations", "pipeline", "cli")


def asks(path: Path) -> list[int]:
    """Lines that name a kind of database, or ask SQLAlchemy for one."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Constant) and node.value in DIALECTS)
        or (isinstance(node, ast.Attribute) and ast.unparse(node).endswith((".dialect.name", ".backend")))
    ]


def test_nothing_but_the_dialects_asks_which_database_it_is() -> None:
    modules = [path for room in ROOMS for path in PACKAGE.joinpath(room).rglob("*.py")]
    assert {str(path) for path in modules if "dialects" not in path.parts and asks(path)} == set()


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=lambda dialect: dialect.backend)
def test_the_config_takes_what_there_is_a_dialect_of(dialect, workspace: Workspace) -> None:
    workspace.config(state={"url": dialect.example.replace("…", "localhost/etl")})
    assert workspace.load().state.url.get_secret_value().startswith(dialect.backend)
