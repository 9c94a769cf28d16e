"""``@template``: text with placeholders. Pure.

Whole columns are joined where the placeholders are known beforehand. They are not where a value inserted by triple
braces holds braces itself: such rows are rendered one by one, as is a template that depends on the event.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.transform import columns
from etl.transform.columns.texts import holds, placeholder_column
from etl.transform.javascript import WHITE_SPACE, has_surrogate
from etl.transform.javascript.values import UNDEFINED, Value, get, kind, placeholder_text, split_path
from etl.transform.mapping.directive import Directive
from etl.transform.mapping.expression import Expression, at, by_row, constant, derived, failing, union
from etl.transform.mapping.validation import string_or_directive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

    from etl.transform.columns.tracks import Roots
    from etl.transform.mapping.directive import Build, Surprise

# Stands for a triple placeholder while the double ones are looked for.
_MARK = "\ue000"


def _compile(argument: Any, build: Build) -> Expression:
    """A directive that yields the text is rendered row by row."""
    source = build(argument)
    if source.constant is None:
        return by_row("@template", source, _rendered)
    text = source.constant[0]
    if not isinstance(text, str):
        return failing(f"@template: expected string, got {kind(text)}")
    return _fixed(text)


def _rendered(text: str, root: Value) -> str:
    """The template with its placeholders filled: triple ones first, then double ones, in values too."""

    def look(inner: str) -> str:
        return placeholder_text(get(_or_object(root), _keys(inner)))

    return _filled(_filled(text, 3, look), 2, look)


def _placeholders(text: str, braces: int) -> Iterator[tuple[int, int]]:
    """Where ``{{…}}`` (or ``{{{…}}}``) is, start and stop; what is inside has no closing brace."""
    opener, closer = "{" * braces, "}" * braces
    begin = 0
    while (end := text.find("}", begin)) >= 0:
        start = text.find(opener, begin, end)
        if 0 <= start < end - braces and text.startswith(closer, end):
            yield start, end + braces
            begin = end + braces
        else:
            begin = end + 1


def _filled(text: str, braces: int, look: Callable[[str], str]) -> str:
    parts, begin = [], 0
    for start, stop in _placeholders(text, braces):
        parts += [text[begin:start], look(text[start + braces : stop - braces])]
        begin = stop
    return "".join([*parts, text[begin:]])


def _or_object(root: Value) -> Value:
    """A template's root is an object by default, which shows in ``{{.}}`` only."""
    return {} if root is UNDEFINED else root


def _place(inner: str) -> Expression:
    keys = _keys(inner)
    return at(keys) if keys else derived(lambda roots: columns.apply(roots, _or_object), at(keys))


def _keys(inner: str) -> tuple[str, ...]:
    return split_path(inner.strip(WHITE_SPACE))


def _fixed(text: str) -> Expression:
    triples = [_place(text[start + 3 : stop - 3]) for start, stop in _placeholders(text, 3)]
    marked = _filled(text, 3, lambda _: _MARK)
    doubles = [marked[start:stop] for start, stop in _placeholders(marked, 2)]
    if not triples:
        return _joined(_parts(text, [])) if doubles else constant(text)
    outside = _filled(marked, 2, lambda _: "")
    if _MARK in text or any(_MARK in double for double in doubles) or "{" in outside or "}" in outside:
        return Expression(lambda roots: _rendered_rows(text, roots), None)
    return _guarded(text, _joined(_parts(marked, triples)), triples)


def _rendered_rows(text: str, roots: Roots) -> pd.Series:
    return columns.tightened([_rendered(text, root) for root in roots.whole()])


def _parts(marked: str, triples: list[Expression]) -> list[Expression]:
    """The template as constants and lookups, in order."""
    parts, begin = [], 0
    rest = iter(triples)
    for start, stop in _placeholders(marked, 2):
        parts += _pieces(marked[begin:start], rest)
        parts.append(_place(marked[start + 2 : stop - 2]))
        begin = stop
    return parts + _pieces(marked[begin:], rest)


def _pieces(marked: str, rest: Iterator[Expression]) -> list[Expression]:
    texts = marked.split(_MARK)
    pieces = [constant(texts[0])]
    for text in texts[1:]:
        pieces += [next(rest), constant(text)]
    return [piece for piece in pieces if piece.constant != ("",)]


def _joined(parts: list[Expression]) -> Expression:
    plain = not any(has_surrogate(part.constant[0]) for part in parts if part.constant is not None)

    def column(roots: Roots) -> pd.Series:
        texts = [_text(part, roots) for part in parts]
        if plain and not any(isinstance(piece, list) for piece in texts):
            return columns.series(pc.binary_join_element_wise(*texts, ""))
        rows = zip(*(_listed(piece, len(roots)) for piece in texts), strict=True)
        return columns.tightened(["".join(row) for row in rows])

    return Expression(column, union(parts))


def _text(part: Expression, roots: Roots) -> str | pa.Array | list[str]:
    return part.constant[0] if part.constant is not None else placeholder_column(part.column(roots))


def _listed(texts: str | pa.Array | list[str], length: int) -> list[str]:
    if isinstance(texts, str):
        return [texts] * length
    listed: list[str] = texts if isinstance(texts, list) else texts.to_pylist()
    return listed


def _guarded(text: str, joined: Expression, triples: list[Expression]) -> Expression:
    """As ``joined``, except for rows where a value inserted by triple braces holds a brace: those are rendered."""

    def column(roots: Roots) -> pd.Series:
        plain = joined.column(roots)
        braced = np.zeros(len(roots), bool)
        for triple in triples:
            braced |= _braced(placeholder_column(triple.column(roots)))
        if not braced.any():
            return plain
        cells = columns.cells(plain)
        anew = columns.cells(_rendered_rows(text, roots.take(np.flatnonzero(braced))))
        for position, value in zip(np.flatnonzero(braced), anew, strict=True):
            cells[position] = value
        return columns.tightened(cells)

    return Expression(column, None)


def _braced(texts: pa.Array | list[str]) -> np.ndarray:
    if isinstance(texts, list):
        return np.fromiter(("{" in text or "}" in text for text in texts), bool, len(texts))
    return holds(texts, "[{}]")


# --------------------------------------------------------------------------------------------- its lints


def _reads(argument: Any) -> list[str]:
    names: list[str] = []

    def note(inner: str) -> str:
        names.append(inner.strip())
        return ""

    if isinstance(argument, str):
        _filled(_filled(argument, 3, note), 2, note)
    return names


def _lint(argument: Any) -> Iterator[Surprise]:
    names = _reads(argument)
    if any(name.startswith("$.") for name in names):
        yield (
            "template-dollar",
            'in a template "$." is not taken off: what it names is never found, and nothing is filled in',
            "Write {{properties.key}} without $.",
        )
    if any(re.match(r"[#/^&>!]|else$", name) or "|" in name for name in names):
        yield (
            "template-logic",
            "templates know no sections, helpers or filters: each {{…}} is only looked up, and this one finds nothing",
            "Use @if, @case or @liquid.",
        )


DIRECTIVE = Directive(
    "@template",
    "Text with each `{{path}}` replaced by what is there, or by nothing. Its paths have no `$.`.",
    _compile,
    string_or_directive,
    _lint,
    {
        "template-dollar": '"$." inside a template finds nothing',
        "template-logic": "sections, helpers and filters in a template find nothing",
    },
    _reads,
    sends=False,
)
