"""The SQL of the job: one statement per file, in ``sql/`` of a checkout and ``etl/_sql/`` of an installation."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PLACES = (Path(__file__).parents[1] / "_sql", Path(__file__).parents[2] / "sql")


@cache
def statement(name: str) -> str:
    """The statement in ``name`` (``extract/events.sql``), without its comment lines.

    Raises ``FileNotFoundError`` for a name there is no file of: a mistake of ours.
    """
    path = next((place / name for place in _PLACES if (place / name).is_file()), None)
    if path is None:
        raise FileNotFoundError(f"no SQL file {name}")
    lines = path.read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("--"))


def exists(name: str) -> bool:
    """Whether there is a statement of that name: not every dialect has every one."""
    return any((place / name).is_file() for place in _PLACES)
