"""``@path``: what is found inside the roots (SEGMENT_SEMANTICS §4). Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etl.transform import columns
from etl.transform.columns import Failure
from etl.transform.javascript.values import Value, get, kind, split_path, strip_root
from etl.transform.mapping.expression import Expression, at, zipped

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from etl.transform.columns.tracks import Roots
    from etl.transform.mapping.expression import Build


def path(argument: Any, build: Build) -> Expression:
    """``@path``: a path, or a directive that yields one (then looked up row by row)."""
    source = build(argument)
    if source.constant is not None and isinstance(source.constant[0], str):
        return at(split_path(strip_root(source.constant[0])))
    return by_row("@path", source, lambda text, root: get(root, split_path(strip_root(text))))


def by_row(name: str, source: Expression, look: Callable[[str, Value], Value]) -> Expression:
    """What ``look`` finds in each root for the text that ``source`` yields for it, row by row."""

    def cell(text: Value, root: Value) -> Value:
        if not isinstance(text, str):
            return Failure(f"{name}: expected string, got {kind(text)}")
        return look(text, root)

    def column(roots: Roots) -> pd.Series:
        return columns.tightened(zipped(cell, [source.column(roots), roots.whole()], len(roots)))

    return Expression(column, None)
