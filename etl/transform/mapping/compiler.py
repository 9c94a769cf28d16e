"""A subscription's mapping, compiled once: its fields as columns, or what Segment refuses of it. Pure.

Source: segmentio/action-destinations, its mapping kit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etl.transform import columns
from etl.transform.columns import Failure
from etl.transform.columns.tracks import Values
from etl.transform.javascript.values import UNDEFINED, entries, javascript_order, kind
from etl.transform.mapping.directive import Build, prepare
from etl.transform.mapping.directives import DIRECTIVES
from etl.transform.mapping.expression import Expression, union
from etl.transform.mapping.validation import is_directive

if TYPE_CHECKING:
    import pandas as pd

    from etl.core.layouts import Path
    from etl.transform.columns.tracks import Roots

#: Far deeper than any real mapping; Python's own stack ends soon after.
MAX_DEPTH = 100
_BUILD = Build(DIRECTIVES)


@dataclass(frozen=True)
class Fields:
    """What a mapping yields: a column per field; ``failures``: Segment's words per row where it failed, else NA.

    ``not_objects``: per row what was yielded instead of an object, else NA; None if that cannot be.
    """

    columns: dict[str, pd.Series]
    failures: list[str | None] | None
    not_objects: list[str | None] | None = None


@dataclass(frozen=True)
class Mapping:
    """A compiled mapping.

    ``problems``: what Segment reports about it before any event; then every event fails with them.
    ``fields``: an expression per field; None where the mapping is one directive as a whole, ``whole``.
    ``paths``: the paths of the event it looks at; None: it may look anywhere.
    """

    problems: tuple[str, ...]
    fields: dict[str, Expression] | None = None
    whole: Expression | None = None

    @property
    def paths(self) -> frozenset[Path] | None:
        """The paths of the event the mapping looks at; None: it may look anywhere."""
        return union([self.whole] if self.whole is not None else (self.fields or {}).values())

    def resolve(self, roots: Roots) -> Fields:
        """The fields of each root; nothing but ``problems`` stops it."""
        if self.whole is not None:
            return _opened(self.whole.column(roots))
        values = {name: field.column(roots) for name, field in (self.fields or {}).items()}
        return Fields({name: _cleared(column) for name, column in values.items()}, _failures(values))


def compile_mapping(mapping: Any) -> Mapping:
    """Any JSON: null is ``{}``; what is wrong is reported in ``problems``, never raised."""
    if _is_deeper(mapping, MAX_DEPTH):
        return Mapping((f"the mapping is nested more than {MAX_DEPTH} levels deep",))
    try:
        prepared = prepare({} if mapping is None else mapping)
        if wrong := problems(prepared):
            return Mapping(tuple(wrong))
        if is_directive(prepared) or isinstance(prepared, list):
            return Mapping((), whole=_BUILD(prepared))
        return Mapping((), fields={key: _BUILD(prepared[key]) for key in javascript_order(prepared)})
    except ValueError as error:
        return Mapping((str(error),))


def problems(mapping: Any) -> list[str]:
    """What Segment reports about a mapping before any event; any problem fails every event."""
    return _BUILD.problems(mapping)


def _is_deeper(mapping: Any, limit: int) -> bool:
    """Whether objects and arrays nest deeper than ``limit``; looked at level by level, however deep they are."""
    level = [mapping]
    for _ in range(limit + 1):
        level = [member for part in level for _, member in _members(part)]
    return bool(level)


def _members(part: Any) -> list[tuple[str, Any]]:
    return entries(part) if isinstance(part, (dict, list)) else []


# ---------------------------------------------------------------------------------------------- opening


def _failures(values: dict[str, pd.Series]) -> list[str | None] | None:
    """The message of the first field that failed, per row; None where no row failed."""
    failed = [column for column in values.values() if columns.any_failure(column) is not None]
    if not failed:
        return None
    rows = zip(*failed, strict=True)
    return [next((cell.message for cell in row if type(cell) is Failure), None) for row in rows]


def _cleared(column: pd.Series) -> pd.Series:
    """Failures as undefined: their messages are in ``Fields.failures``."""
    failed = columns.any_failure(column)
    if failed is None:
        return column
    return columns.objects([UNDEFINED if bad else cell for bad, cell in zip(failed, column, strict=True)])


def _opened(column: pd.Series) -> Fields:
    """The fields inside a column of whole usage events."""
    cells = columns.cells(column)
    failures = _failures({"": columns.objects(cells)})
    names = dict.fromkeys(key for cell in cells if isinstance(cell, dict) for key in cell)
    roots = Values([cell if isinstance(cell, dict) else {} for cell in cells])
    wrong = [
        None if isinstance(cell, dict) or type(cell) is Failure else _type_of_root(cell) for cell in cells
    ]
    fields = {name: roots.column((name,)) for name in names}
    return Fields(fields, failures, wrong if any(wrong) else None)


def _type_of_root(cell: Any) -> str:
    """The kind of a root that is no object, for the schema's message; null and '' count as undefined there."""
    name = "undefined" if cell is None or cell == "" else kind(cell)
    return name if name == "undefined" else f"{'an' if name == 'array' else 'a'} {name}"
