"""Conditions → boolean columns.

Source: ``@segment/destination-subscriptions`` 3.37.0. Typed Arrow columns of text, numbers and booleans are compared
whole; columns of JSON values, and of JSON text, by a loop over that column alone.
"""

from __future__ import annotations

import json
import operator
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etl.transform.fql.parser import Condition, Group, Node, Throwing, number_of, text_of
from etl.transform.javascript import double, has_surrogate, units
from etl.transform.usage.timestamps import to_iso

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from etl.core.layouts import Path
    from etl.transform.columns.tracks import Roots

    Mask = npt.NDArray[np.bool_]
    Test = Callable[[Any], bool]

_NUMBER_TESTS: Final[dict[str, Callable[[float, float], bool]]] = {
    "number_equals": operator.eq,
    "number_not_equals": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_NUMBER_COLUMNS: Final = {
    "number_equals": pc.equal,
    "number_not_equals": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}
_TEXT_TESTS: Final[dict[str, Callable[[str, str], bool]]] = {
    "contains": operator.contains,
    "starts_with": str.startswith,
    "ends_with": str.endswith,
}
_TEXT_COLUMNS: Final = {
    "contains": pc.match_substring,
    "starts_with": pc.starts_with,
    "ends_with": pc.ends_with,
}


class Matcher:
    """Matches one frame of track events; every column is fetched once.

    ``errors``: row → what Segment would have thrown there.
    """

    def __init__(self, events: Roots) -> None:
        self.events = events
        self.errors: dict[int, str] = {}
        self.columns: dict[Path, pd.Series] = {}

    def matches(self, node: Node, wanted: Mask) -> Mask:
        """Which of the ``wanted`` rows satisfy the node; the others are False."""
        if isinstance(node, Throwing):
            self.errors.update(dict.fromkeys(np.flatnonzero(wanted).tolist(), node.reason))
            return np.zeros_like(wanted)
        if isinstance(node, Condition):
            return self._condition(node) & wanted
        return self._all_of(node, wanted) if node.operator == "and" else self._any_of(node, wanted)

    def _all_of(self, group: Group, wanted: Mask) -> Mask:
        for child in group.children:
            if not wanted.any():
                break
            wanted = self.matches(child, wanted)
        return wanted

    def _any_of(self, group: Group, wanted: Mask) -> Mask:
        matched = np.zeros_like(wanted)
        for child in group.children:
            if not wanted.any():
                break
            matched |= self.matches(child, wanted)
            wanted = wanted & ~matched
            wanted[[row for row in self.errors if wanted[row]]] = False
        return matched

    def _condition(self, condition: Condition) -> Mask:
        if condition.path is None:
            return np.full(len(self.events), accepts(condition, None))
        if condition.path not in self.columns:
            self.columns[condition.path] = self.events.column(condition.path)
        return column_mask(condition, self.columns[condition.path])


def column_mask(condition: Condition, column: pd.Series) -> Mask:
    """bool, one per row of a column of any of the three kinds."""
    if not isinstance(column.dtype, pd.ArrowDtype):
        return _looped(condition, column)
    values = column.array.__arrow_array__()
    if isinstance(values.type, pa.JsonType):
        return _looped(
            condition, [_json_value(text) for text in values.cast(values.type.storage_type).to_pylist()]
        )
    mask = _typed(condition, _plain(values))
    return np.asarray(pc.fill_null(mask, fill_value=False).to_numpy(zero_copy_only=False), dtype=bool)


def accepts(condition: Condition, value: Any) -> bool:
    """Whether one JSON value satisfies the condition (anything that is none, or None, is absent)."""
    return _test(condition)(value)


def _looped(condition: Condition, values: Any) -> Mask:
    return np.fromiter(map(_test(condition), values), dtype=bool, count=len(values))


def _json_value(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:  # lone surrogates, which JavaScript reads
        return json.loads(text)


def _test(condition: Condition) -> Test:
    name = condition.operator
    if name in _NUMBER_TESTS:
        return _number_test(_NUMBER_TESTS[name], number_of(condition.expected))
    positive = name.removeprefix("not_")
    if positive in _TEXT_TESTS:
        return _text_test(_TEXT_TESTS[positive], text_of(condition.expected), wanted=name == positive)
    text = text_of(condition.expected)
    tests: dict[str, Test] = {
        "=": lambda value: isinstance(value, str) and value == text,
        "!=": lambda value: not (isinstance(value, str) and value == text),
        "exists": _is_present,
        "not_exists": lambda value: not _is_present(value),
        "is_true": lambda value: value is True,
        "is_false": lambda value: value is False,
    }
    return tests.get(name, lambda _: False)


def _is_present(value: Any) -> bool:
    return isinstance(value, str | bool | int | float | Decimal | dict | list)


def _number_test(compare: Callable[[float, float], bool], expected: float) -> Test:
    def test(value: Any) -> bool:
        number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
        return number and compare(double(value), expected)

    return test


def _text_test(compare: Callable[[str, str], bool], expected: str, *, wanted: bool) -> Test:
    if has_surrogate(expected):
        # Half a character (of an emoji, say) can only be searched for among UTF-16 units.
        return lambda value: isinstance(value, str) and compare(units(value), expected) is wanted
    return lambda value: isinstance(value, str) and compare(value, expected) is wanted


def _plain(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text as ``string``, numbers as ``double`` (as JavaScript would hold them), the rest as it is."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        return _plain(values.cast(kind.value_type))
    if pa.types.is_string_view(kind):
        return values.cast(pa.string())
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return values.cast(pa.float64(), safe=False)
    if pa.types.is_decimal(kind):
        # Through text: Arrow's own cast from decimal to double is not always the nearest one.
        return values.cast(pa.string()).cast(pa.float64())
    return _dates_as_text(values)


def _dates_as_text(values: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_timestamp(values.type):
        text, _, _ = to_iso(pd.Series(values, dtype=pd.ArrowDtype(values.type)))
        return text.array.__arrow_array__()
    return values.cast(pa.string()) if pa.types.is_date(values.type) else values


def _typed(condition: Condition, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """One boolean per row, null for false."""
    name = condition.operator
    if name in {"exists", "not_exists"}:
        return values.is_valid() if name == "exists" else values.is_null()
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        return _text_column(condition, values)
    if pa.types.is_float64(values.type) and name in _NUMBER_COLUMNS:
        return _NUMBER_COLUMNS[name](values, number_of(condition.expected))
    if pa.types.is_boolean(values.type) and name in {"is_true", "is_false"}:
        return values if name == "is_true" else pc.invert(values)
    return _constant(values, value=name == "!=")


def _text_column(condition: Condition, values: pa.ChunkedArray) -> pa.ChunkedArray:
    name, text = condition.operator, text_of(condition.expected)
    if has_surrogate(text):
        # Arrow cannot hold half a character.
        return pa.chunked_array([pa.array(_looped(condition, values.to_pylist()))])
    if name in {"=", "!="}:
        equal = pc.fill_null(pc.equal(values, pa.scalar(text, values.type)), fill_value=False)
        return equal if name == "=" else pc.invert(equal)
    positive = name.removeprefix("not_")
    if positive not in _TEXT_COLUMNS:
        return _constant(values, value=False)
    mask = _TEXT_COLUMNS[positive](values, text)
    return mask if name == positive else pc.invert(mask)


def _constant(values: pa.ChunkedArray, *, value: bool) -> pa.ChunkedArray:
    return pa.chunked_array([pa.repeat(value, len(values))])
