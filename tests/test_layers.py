"""Imports point downwards only: ``cli`` → the rest of the commands' logic → ``wiring`` → ``pipeline`` → adapters | pure."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import etl

ROOT = Path(etl.__file__).parent

#: From the bottom to the top. A part of the package that is named nowhere stands between wiring and progress.
LAYERS = [
    {"errors", "subscription", "events", "windows", "sqlfiles", "spill", "hashing", "memory"},
    {"config", "ports", "report", "bloom", "keys", "seen", "identity"},
    {"transform"},
    {"sources", "destinations", "state"}
    | {
        "lints",
        "limits",
        "optout",
        "schedule",
        "versions",
        "chunks",
        "letters",
        "breaker",
        "survey",
    }
    | {"comparing", "readahead"},
    {"examine", "decide", "held", "recorder", "pipeline"},
    {"wiring"},
    {"progress"},
    {"cli"},
    {"__main__"},
]
OTHERS = 5.5
RANKS = {name: rank for rank, names in enumerate(LAYERS) for name in names}
ADAPTERS = {"sources", "destinations", "state"}
PURE = {
    "transform",
    "lints",
    "limits",
    "optout",
    "schedule",
    "versions",
    "chunks",
    "letters",
    "survey",
    "comparing",
}
#: What the pure side never touches: network, databases, terminal, environment, clock.
IMPURE = {
    "httpx",
    "aiohttp",
    "sqlalchemy",
    "click",
    "rich",
    "os",
    "sys",
    "time",
    "socket",
    "subprocess",
    "pathlib",
}


def modules() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def part_of(path: Path) -> str:
    """``sources`` for etl/sources/files.py, ``api`` for etl/api.py."""
    inside = path.relative_to(ROOT)
    return inside.parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """Full names of what a module imports when it runs, inside functions too; not what only types need."""
    yield from _imports(ast.parse(path.read_text(encoding="utf-8")))


def _imports(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module:
            whole = child.module == "etl"
            yield from (f"etl.{alias.name}" for alias in child.names) if whole else [child.module]
        yield from _imports(child)


def own_imports(path: Path) -> set[str]:
    """The other parts of the package that a module imports."""
    names = (name.split(".") for name in imported(path) if name.startswith("etl."))
    return {name[1] for name in names} - {part_of(path)}


MODULES = [pytest.param(path, id=str(path.relative_to(ROOT))) for path in modules()]


@pytest.mark.parametrize("path", MODULES)
def test_imports_point_downwards(path: Path) -> None:
    """To the same layer at most."""
    here = RANKS.get(part_of(path), OTHERS)
    if part_of(path) == "__init__":
        here = max(RANKS.values())
    above = sorted(name for name in own_imports(path) if RANKS.get(name, OTHERS) > here)
    assert above == [], f"{path.relative_to(ROOT)} imports {above}"


@pytest.mark.parametrize("path", [p for p in MODULES if part_of(p.values[0]) in ADAPTERS | PURE])
def test_adapters_and_the_pure_side_do_not_know_each_other(path: Path) -> None:
    """Nor do adapters know adapters."""
    forbidden = ADAPTERS if part_of(path) in PURE else ADAPTERS | PURE
    assert own_imports(path) & (forbidden - {part_of(path)}) == set()


@pytest.mark.parametrize("path", [p for p in MODULES if part_of(p.values[0]) in PURE])
def test_the_pure_side_is_pure(path: Path) -> None:
    """No network, database, file, terminal, environment or clock."""
    assert {name.split(".")[0] for name in imported(path)} & IMPURE == set()


@pytest.mark.parametrize("path", MODULES)
def test_only_cli_and_progress_touch_the_terminal(path: Path) -> None:
    """The others have neither click nor rich, and do not print."""
    if part_of(path) in {"cli", "progress"}:
        return
    assert {name.split(".")[0] for name in imported(path)} & {"click", "rich"} == set()
    calls = [
        node.func
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    ]
    assert part_of(path) == "standin" or not any(isinstance(f, ast.Name) and f.id == "print" for f in calls)


@pytest.mark.parametrize(
    "path", [p for p in MODULES if RANKS.get(part_of(p.values[0]), OTHERS) < RANKS["wiring"]]
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
    parts = {part_of(path) for path in modules()}
    assert set(RANKS) - parts == set()


def test_public_names_are_there() -> None:
    """Each of ``etl.__all__``, and nothing else is offered."""
    assert all(getattr(etl, name) is not None for name in etl.__all__)
    assert set(etl.__all__) <= set(dir(etl))
    with pytest.raises(AttributeError, match="module 'etl' has no attribute 'nope'"):
        etl.nope  # noqa: B018
