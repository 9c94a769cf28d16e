"""The rooms of the package, from the bottom to the top, and who imports whom: for the test of layers and the docs."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import etl

ROOT = Path(etl.__file__).parent

#: A module belongs to the longest name here that its own begins with.
LAYERS = [
    {"core"},
    {"config", "transform.javascript"},
    {"transform.columns", "transform.json"},
    {"transform.usage", "transform.mapping", "transform.liquid"},
    {"transform.fql"},
    {"transform"},
    {"sources", "metronome", "state", "authoring.lints"},
    {"pipeline"},
    {"pipeline.wiring"},
    {"pipeline.api", "pipeline.backfill"},
    {"authoring", "operations"},
    {"standin"},
    {"airflow", "cli"},
    {"__init__", "__main__"},
]
RANKS = {name: rank for rank, names in enumerate(LAYERS) for name in names}


def modules() -> list[Path]:
    """Every module of the package."""
    return sorted(ROOT.rglob("*.py"))


def name_of(path: Path) -> str:
    """``sources.files`` for etl/sources/files.py, ``sources`` for its ``__init__``; ``__init__`` for the package's."""
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


def room_of(name: str) -> str:
    """The longest of ``RANKS`` that ``name`` begins with."""
    parts = name.split(".")
    beginnings = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    return next((beginning for beginning in beginnings if beginning in RANKS), name)


def inside(name: str, rooms: set[str]) -> bool:
    """Whether ``name`` is one of ``rooms``, or lies in one."""
    return any(name == room or name.startswith(room + ".") for room in rooms)


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
            yield from (_module_named(child.module, alias.name) for alias in child.names)
        yield from _imports(child)


def _module_named(module: str, name: str) -> str:
    """``from module import name``: the module that brings in."""
    place = ROOT.joinpath(*module.split(".")[1:], name)
    own = module.partition(".")[0] == "etl" and (place.is_dir() or place.with_suffix(".py").is_file())
    return f"{module}.{name}" if own else module


def own_imports(path: Path) -> set[str]:
    """The rooms of the package that a module imports from, its own left out."""
    names = {name.removeprefix("etl.") for name in imported(path) if name.startswith("etl.")}
    return {room_of(name) for name in names} - {room_of(name_of(path))}


def drawing() -> str:
    """The layers as text, the highest first: each line's rooms import from the lines below it only."""
    lines = ["   ".join(sorted(names)) for names in reversed(LAYERS)]
    width = max(map(len, lines))
    return "```\n" + "\n".join(line.center(width).rstrip() for line in lines) + "\n```\n"
