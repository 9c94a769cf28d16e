"""``@path`` and ``@template``: what is found inside the roots (SEGMENT_SEMANTICS §4, §6). Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.transform import columns
from etl.transform.columns import Failure
from etl.transform.expression import Expression, at, constant, failing, union, zipped
from etl.transform.javascript import WHITE_SPACE
from etl.transform.texts import holds, placeholder_column
from etl.transform.values import Value, get, kind, placeholder_text, split_path, strip_root

if TYPE_CHECKING:
    import pandas as pd

    from etl.transform.expression import Build
    from etl.transform.tracks import Roots

_TRIPLE = re.compile(r"\{\{\{([^}]+)\}\}\}")
_DOUBLE = re.compile(r"\{\{([^}]+)\}\}")
# Stands for a triple placeholder while the double ones are found; templates that hold it are rendered row by row.
_MARK = "\ue000"


# ------------------------------------------------------------------------------------------------- @path


def path(argument: Any, build: Build) -> Expression:
    """``@path``: a path, or a directive that yields one (then looked up row by row)."""
    if isinstance(argument, str):
        return at(split_path(strip_root(argument)))
    source = build(argument)
    if source.constant is not None and isinstance(source.constant[0], str):
        return at(split_path(strip_root(source.constant[0])))
    return _by_row("@path", source, lambda text, root: get(root, split_path(strip_root(text))))


def _by_row(name: str, source: Expression, look: Any) -> Expression:
    def cell(text: Value, root: Value) -> Value:
        return (
            look(text, root)
            if isinstance(text, str)
            else Failure(f"{name}: expected string, got {kind(text)}")
        )

    def column(roots: Roots) -> pd.Series:
        return columns.tightened(zipped(cell, [source.column(roots), roots.whole()], len(roots)))

    return Expression(column, None)


# --------------------------------------------------------------------------------------------- @template


def template(argument: Any, build: Build) -> Expression:
    """``@template``: text with placeholders, or a directive that yields it (then rendered row by row)."""
    source = build(argument)
    if source.constant is None:
        return _by_row("@template", source, rendered)
    text = source.constant[0]
    if not isinstance(text, str):
        return failing(f"@template: expected string, got {kind(text)}")
    return _fixed_template(text)


def rendered(text: str, root: Value) -> str:
    """The template with its placeholders filled: triple ones first, then double ones, in values too."""
    inserted = _TRIPLE.sub(lambda match: _looked_up(match[1], root), text)
    return _DOUBLE.sub(lambda match: _looked_up(match[1], root), inserted)


def _looked_up(inner: str, root: Value) -> str:
    return placeholder_text(get(root, _keys(inner)))


def _keys(inner: str) -> tuple[str, ...]:
    return split_path(inner.strip(WHITE_SPACE))


def _fixed_template(text: str) -> Expression:
    triples = [at(_keys(inner)) for inner in _TRIPLE.findall(text)]
    marked = _TRIPLE.sub(_MARK, text)
    if not triples and not _DOUBLE.search(text):
        return constant(text)
    if not triples:
        return _joined(_parts(text, []))
    outside = _DOUBLE.sub("", marked)
    if _MARK in text or any(map(_MARK.__contains__, _DOUBLE.findall(marked))) or re.search("[{}]", outside):
        return _dynamic(text)
    return _guarded(text, _joined(_parts(marked, triples)), triples)


def _parts(marked: str, triples: list[Expression]) -> list[Expression]:
    """The template as constants and lookups, in order."""
    rest = iter(triples)
    pieces = re.split(rf"({_MARK}|{_DOUBLE.pattern.replace('(', '(?:')})", marked)
    return [
        next(rest)
        if triples and piece == _MARK
        else at(_keys(piece[2:-2]))
        if _DOUBLE.fullmatch(piece)
        else constant(piece)
        for piece in pieces
        if piece
    ]


def _joined(parts: list[Expression]) -> Expression:
    def column(roots: Roots) -> pd.Series:
        texts = [
            part.constant[0] if part.constant is not None else placeholder_column(part.column(roots))
            for part in parts
        ]
        if not any(isinstance(piece, list) for piece in texts):
            return columns.series(pc.binary_join_element_wise(*texts, ""))
        length = len(roots)
        rows = zip(
            *([piece] * length if isinstance(piece, str) else _list(piece) for piece in texts), strict=True
        )
        return columns.tightened(["".join(row) for row in rows])

    return Expression(column, union(parts))


def _list(texts: pa.Array | list[str]) -> list[str]:
    found: list[str] = texts if isinstance(texts, list) else texts.to_pylist()
    return found


def _dynamic(text: str) -> Expression:
    """A template whose placeholders depend on the values inserted: rendered row by row."""
    return Expression(
        lambda roots: columns.tightened([rendered(text, root) for root in roots.whole()]), None
    )  # fmt: skip


def _guarded(text: str, joined: Expression, triples: list[Expression]) -> Expression:
    """As ``joined``, except for rows where a value inserted by triple braces holds a brace: those are rendered."""

    def column(roots: Roots) -> pd.Series:
        found = joined.column(roots)
        braced = np.zeros(len(roots), bool)
        for triple in triples:
            braced |= _braced(placeholder_column(triple.column(roots)))
        if not braced.any():
            return found
        anew = [rendered(text, root) for root in roots.take(np.flatnonzero(braced)).whole()]
        cells = columns.cells(found)
        for position, value in zip(np.flatnonzero(braced), anew, strict=True):
            cells[position] = value
        return columns.tightened(cells)

    return Expression(column, None)


def _braced(texts: pa.Array | list[str]) -> np.ndarray:
    if isinstance(texts, list):
        return np.fromiter(("{" in text or "}" in text for text in texts), bool, len(texts))
    return holds(texts, "[{}]")
