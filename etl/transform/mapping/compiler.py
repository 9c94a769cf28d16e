"""A subscription's mapping, compiled once: its fields as columns, or what Segment finds wrong with it. Pure.

Source: SEGMENT_SEMANTICS §5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etl.transform import columns
from etl.transform.columns import Failure
from etl.transform.columns.tracks import Values
from etl.transform.javascript.values import UNDEFINED, entries, javascript_order, kind
from etl.transform.liquid.engine import liquid
from etl.transform.mapping import directives, lookup, shapes
from etl.transform.mapping.expression import Expression, array_of, constant, failing, object_of, union
from etl.transform.mapping.template import template
from etl.transform.mapping.validation import is_directive, problems

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from etl.core.layouts import Path
    from etl.transform.columns.tracks import Roots

#: Far deeper than any real mapping; Python's own stack ends soon after.
MAX_DEPTH = 100
ROOT_DIRECTIVE = "__segment_internal_directive"


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
        found = {name: field.column(roots) for name, field in (self.fields or {}).items()}
        return Fields({name: _cleared(column) for name, column in found.items()}, _failures(found))


def compile_mapping(mapping: Any) -> Mapping:
    """Any JSON: null is ``{}``; what is wrong is reported in ``problems``, never raised."""
    if _is_deeper(mapping, MAX_DEPTH):
        return Mapping((f"the mapping is nested more than {MAX_DEPTH} levels deep",))
    try:
        prepared = prepare({} if mapping is None else mapping)
        if found := problems(prepared):
            return Mapping(tuple(found))
        if is_directive(prepared) or isinstance(prepared, list):
            return Mapping((), whole=build(prepared))
        return Mapping((), fields={key: build(prepared[key]) for key in javascript_order(prepared)})
    except ValueError as error:
        return Mapping((str(error),))


def _is_deeper(mapping: Any, limit: int) -> bool:
    """Whether objects and arrays nest deeper than ``limit``; found level by level, however deep they are."""
    level = [mapping]
    for _ in range(limit + 1):
        level = [member for part in level for _, member in _members(part)]
    return bool(level)


def _members(part: Any) -> list[tuple[str, Any]]:
    return entries(part) if isinstance(part, (dict, list)) else []


def prepare(mapping: Any) -> Any:
    """A whole mapping as Segment processes it: the directive at its root, if any, gets the fields as ``mapping``.

    Raises ``ValueError`` with Segment's words.
    """
    fields = dict(entries(mapping))
    if not isinstance(mapping, dict) or ROOT_DIRECTIVE not in fields:
        return fields
    root = fields.pop(ROOT_DIRECTIVE)
    if root is None:
        raise ValueError("Cannot convert undefined or null to object")
    members = entries(root)
    if len(members) > 1:
        raise ValueError("The root mapping must only have a single directive object")
    if not members or not isinstance(members[0][1], (dict, list)):
        raise ValueError("The root directive must be an object")
    name, argument = members[0]
    given = {**argument, "mapping": fields} if isinstance(argument, dict) else argument
    return [given] if isinstance(root, list) else {name: given}


def build(mapping: Any, *, exact: bool = False) -> Expression:
    """An expression for any part of a mapping; see ``expression.Build``."""
    if isinstance(mapping, list):
        return array_of([build(item, exact=exact) for item in mapping])
    if not isinstance(mapping, dict):
        return constant(mapping)
    if not is_directive(mapping):
        return object_of(
            {key: build(mapping[key], exact=exact) for key in javascript_order(mapping)}, exact=exact
        )
    name = next(key for key in mapping if key.startswith("@"))
    if name not in _DIRECTIVES:
        return failing(f"{name} is not a valid directive, got undefined")
    return _DIRECTIVES[name](mapping[name], exact)


_DIRECTIVES: dict[str, Callable[[Any, bool], Expression]] = {
    "@path": lambda argument, _: lookup.path(argument, build),
    "@template": lambda argument, _: template(argument, build),
    "@literal": lambda argument, exact: directives.literal(argument, build, exact=exact),
    "@if": lambda argument, exact: directives.if_(argument, build, exact=exact),
    "@case": lambda argument, _: directives.case(argument, build),
    "@replace": lambda argument, _: directives.replace(argument, build),
    "@json": lambda argument, _: directives.json_(argument, build),
    "@excludeWhenNull": lambda argument, exact: directives.exclude_when_null(argument, build, exact=exact),
    "@flatten": lambda argument, exact: shapes.flatten(argument, build, exact=exact),
    "@merge": lambda argument, exact: shapes.merge(argument, build, exact=exact),
    "@arrayPath": lambda argument, exact: shapes.array_path(argument, build, exact=exact),
    "@transform": lambda argument, exact: shapes.transform(argument, build, prepare, exact=exact),
    "@liquid": lambda argument, _: liquid(argument),
}


# ---------------------------------------------------------------------------------------------- opening


def _failures(found: dict[str, pd.Series]) -> list[str | None] | None:
    """The message of the first field that failed, per row; None where no row failed."""
    failed = [column for column in found.values() if columns.any_failure(column) is not None]
    if not failed:
        return None
    rows = zip(*failed, strict=True)
    return [next((cell.message for cell in row if type(cell) is Failure), None) for row in rows]


def _cleared(column: pd.Series) -> pd.Series:
    """Failures as undefined: what failed has been told."""
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
    """What the schema is told of a root that is no object; null and '' count as undefined there."""
    found = "undefined" if cell is None or cell == "" else kind(cell)
    return found if found == "undefined" else f"{'an' if found == 'array' else 'a'} {found}"
