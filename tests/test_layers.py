"""Imports point downwards only: commands → operations, authoring → pipeline → adapters | the pure side → core."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import etl
from tests.support.rooms import RANKS, ROOT, imported, inside, modules, name_of, own_imports, room_of

ADAPTERS = {"sources", "metronome", "state"}
#: Modules that say of themselves that they are pure, and the rooms that are.
PURE_ROOMS = {"transform", "authoring.lints"}
#: What the pure side never touches: network, databases, terminal, files, environment, clock, process-wide switches.
IMPURE = {
    "aiohttp",
    "click",
    "gc",
    "httpx",
    "locale",
    "os",
    "pathlib",
    "random",
    "rich",
    "signal",
    "socket",
    "sqlalchemy",
    "subprocess",
    "sys",
    "tempfile",
    "threading",
    "time",
}
#: Calls that look at the clock or open files.
IMPURE_CALLS = {"open", "now", "utcnow", "today", "read_text", "write_text"}
#: Segment's ``{{ "now" | date }}`` is the moment of the mapping: the only rule of theirs that looks at the clock.
ALLOWED_CALLS = {"transform.liquid.dates": {"now"}}


def is_pure(path: Path) -> bool:
    """Whether a module is of the pure side: its room is, or its docstring says so."""
    said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return inside(name_of(path), PURE_ROOMS) or "Pure" in said


MODULES = [pytest.param(path, id=str(path.relative_to(ROOT))) for path in modules()]


@pytest.mark.parametrize("path", MODULES)
def test_imports_point_downwards(path: Path) -> None:
    """To the same layer at most."""
    here = RANKS[room_of(name_of(path))]
    above = sorted(room for room in own_imports(path) if RANKS[room] > here)
    assert above == [], f"{path.relative_to(ROOT)} imports {above}"


@pytest.mark.parametrize("path", [p for p in MODULES if inside(name_of(p.values[0]), ADAPTERS | PURE_ROOMS)])
def test_adapters_and_the_pure_side_do_not_know_each_other(path: Path) -> None:
    """Nor do adapters know adapters."""
    forbidden = ADAPTERS if is_pure(path) and not inside(name_of(path), ADAPTERS) else ADAPTERS | PURE_ROOMS
    own = {room for room in forbidden if inside(name_of(path), {room})}
    assert [room for room in own_imports(path) if inside(room, forbidden - own)] == []


@pytest.mark.parametrize("path", [p for p in MODULES if is_pure(p.values[0])])
def test_the_pure_side_is_pure(path: Path) -> None:
    """No network, database, file, terminal, environment, clock or switch of the whole process."""
    assert {name.split(".")[0] for name in imported(path)} & IMPURE == set()
    calls = {
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    }
    assert calls & IMPURE_CALLS - ALLOWED_CALLS.get(name_of(path), set()) == set()


@pytest.mark.parametrize("path", MODULES)
def test_only_the_command_touches_the_terminal(path: Path) -> None:
    """The others have neither click nor rich, and do not print."""
    if inside(name_of(path), {"cli"}):
        return
    assert {name.split(".")[0] for name in imported(path)} & {"click", "rich"} == set()
    calls = [
        node.func
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    ]
    prints = any(isinstance(f, ast.Name) and f.id == "print" for f in calls)
    assert inside(name_of(path), {"standin"}) or not prints


@pytest.mark.parametrize(
    "path", [p for p in MODULES if RANKS[room_of(name_of(p.values[0]))] < RANKS["pipeline.wiring"]]
)
def test_nothing_below_wiring_reads_the_environment(path: Path) -> None:
    """It is passed in."""
    text = path.read_text(encoding="utf-8")
    assert "os.environ" not in text
    assert "getenv" not in text


def test_no_module_takes_the_place_of_a_public_function() -> None:
    """Importing etl/run.py would put the module where ``etl.run`` was."""
    names = {path.stem for path in ROOT.glob("*.py")} | {
        path.name for path in ROOT.iterdir() if path.is_dir()
    }
    assert names & set(etl.__all__) == set()


def test_the_table_names_what_there_is() -> None:
    """A part that was renamed is renamed here."""
    rooms = {room_of(name_of(path)) for path in modules()}
    assert set(RANKS) - rooms == set()
    assert rooms - set(RANKS) == set()


def test_public_names_are_there() -> None:
    """Each of ``etl.__all__``, and nothing else is offered."""
    assert all(getattr(etl, name) is not None for name in etl.__all__)
    assert set(etl.__all__) <= set(dir(etl))
    with pytest.raises(AttributeError, match="module 'etl' has no attribute 'nope'"):
        etl.nope  # noqa: B018
