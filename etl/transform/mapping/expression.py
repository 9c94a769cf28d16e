"""Compiled mappings: each value of a mapping is an expression, a function from roots to a column. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etl.transform import columns
from etl.transform.columns import Failure
from etl.transform.javascript.values import UNDEFINED, Value, kind, truthy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pandas as pd

    from etl.core.layouts import Path
    from etl.transform.columns.tracks import Roots


@dataclass(frozen=True)
class Expression:
    """``column``: the value for each root.

    ``paths``: the paths of the root it looks at; None: it may look anywhere. ``constant``: a one-tuple of the
    value, where it is the same for every root.
    """

    column: Callable[[Roots], pd.Series]
    paths: frozenset[Path] | None
    constant: tuple[Value] | None = None


def constant(value: Value) -> Expression:
    """The same value for every root."""
    return Expression(lambda roots: columns.repeated(value, len(roots)), frozenset(), (value,))


NOTHING = constant(UNDEFINED)


def failing(message: str) -> Expression:
    """Fails for every root for which it is reached."""
    failure = Failure(message)
    return Expression(lambda roots: columns.objects([failure] * len(roots)), frozenset())


def at(path: Path) -> Expression:
    """What is at ``path`` of each root."""
    return Expression(lambda roots: roots.column(path), frozenset([path]) if path else None)


def derived(function: Callable[[pd.Series], pd.Series], source: Expression) -> Expression:
    """A column made from another expression's column."""
    return Expression(lambda roots: function(source.column(roots)), source.paths)


def by_row(name: str, source: Expression, look: Callable[[str, Value], Value]) -> Expression:
    """``look`` of each root and the text that ``source`` yields for it; other than text fails as directive ``name``."""

    def cell(text: Value, root: Value) -> Value:
        if not isinstance(text, str):
            return Failure(f"{name}: expected string, got {kind(text)}")
        return look(text, root)

    def column(roots: Roots) -> pd.Series:
        return columns.tightened(zipped(cell, [source.column(roots), roots.whole()], len(roots)))

    return Expression(column, None)


def given(argument: dict[str, Any], key: str) -> bool:
    """Whether a directive has a member, as Segment looks at it: a falsy one counts as missing."""
    return truthy(argument.get(key, UNDEFINED))


def union(expressions: Iterable[Expression]) -> frozenset[Path] | None:
    """The paths that any of ``expressions`` looks at."""
    paths = [expression.paths for expression in expressions]
    known = [some for some in paths if some is not None]
    return frozenset().union(*known) if len(known) == len(paths) else None


def zipped(function: Callable[..., Value], values: Sequence[pd.Series], length: int) -> list[Value]:
    """``function`` of the cells of each row, one by one; the first Failure of a row is its result."""
    if not values:
        return [function() for _ in range(length)]
    rows = zip(*map(columns.cells, values), strict=True)
    if all(columns.any_failure(column) is None for column in values):
        return [function(*row) for row in rows]
    return [next((cell for cell in row if type(cell) is Failure), None) or function(*row) for row in rows]


def object_of(members: dict[str, Expression], *, exact: bool) -> Expression:
    """An object with these members; typed while all members are, else built row by row."""
    if (value := _constants(members.values())) is not None:
        pairs = zip(members, value, strict=True)
        return constant({key: member for key, member in pairs if exact or member is not UNDEFINED})
    keys = list(members)

    def column(roots: Roots) -> pd.Series:
        values = [member.column(roots) for member in members.values()]
        if not exact and not any(map(columns.is_objects, values)):
            typed = columns.struct(dict(zip(keys, map(columns.arrow, values), strict=True)))
            if typed is not None:
                return typed
        return columns.objects(zipped(lambda *row: _object(keys, row, exact=exact), values, len(roots)))

    return Expression(column, union(members.values()))


def array_of(items: list[Expression]) -> Expression:
    """An array of these items, built row by row; undefined items stay (as null, in JSON)."""
    if (value := _constants(items)) is not None:
        return constant(list(value))

    def column(roots: Roots) -> pd.Series:
        values = [item.column(roots) for item in items]
        return columns.objects(zipped(lambda *row: list(row), values, len(roots)))

    return Expression(column, union(items))


def _object(keys: list[str], row: Sequence[Value], *, exact: bool) -> dict[str, Value]:
    pairs = zip(keys, row, strict=True)
    return dict(pairs) if exact else {key: cell for key, cell in pairs if cell is not UNDEFINED}


def _constants(expressions: Iterable[Expression]) -> list[Value] | None:
    values = [expression.constant for expression in expressions]
    known = [value[0] for value in values if value is not None]
    return known if len(known) == len(values) else None
