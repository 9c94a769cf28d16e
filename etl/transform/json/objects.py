"""JSON text of objects, whole columns at a time: read by Arrow outside the interpreter's lock, or not read at all. Pure.

Two shortcuts, taken only where they lead to the same place as value by value:

- Arrow reads a column as structs, three times as fast. Rows in which a struct could not hold what counts (a null, which
  in a struct is no different from an absent key; more digits than a double keeps) are read value by value; where Arrow
  refuses a text, or keys differ in kind from row to row, all are.
- Text that is in canonical form as it stands is not read. Much is: Go, in which Segment's own pipeline is written, and
  Snowflake write objects compact and with sorted keys. A few rows show which keys there are; a regular expression for
  objects of just those keys decides for each row, ten times faster than reading it, whether it is one of them in
  canonical form. It accepts nothing else: numbers have no more than 15 digits, so that a double keeps them all, strings
  no escapes but the short ones.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from etl.transform import columns
from etl.transform.columns import typed
from etl.transform.javascript.values import UNDEFINED, Value, gets
from etl.transform.json.encode import json_text
from etl.transform.json.text import canonical_column, parse_column, quote

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Rows that show which keys there are; how many different sets of keys are looked for; how many keys in each.
_SHAPES_FROM, _MOST_SHAPES, _MOST_KEYS = 100, 8, 64
_DEEPEST = 8

_NUMBER = (
    r"(?:0|-?[1-9][0-9]{0,14}"
    r"|-?[1-9][0-9]{0,8}\.[0-9]{0,5}[1-9]|-?[1-9][0-9]{9,11}\.[0-9]{0,2}[1-9]"
    r"|-?0\.0{0,5}[1-9](?:[0-9]{0,8}[1-9])?)"
)
_STRING = r'"(?:[^"\\\x00-\x1f]|\\["\\bfnrt])*"'
_SCALAR = f"(?:{_STRING}|{_NUMBER}|true|false|null)"
_VALUE = rf"(?:{_SCALAR}|\[(?:{_SCALAR}(?:,{_SCALAR})*)?\])"
#: Rows to read value by value: null has no place in a struct; numbers of 16 characters may be more than a double;
#: -0 is no integer; half surrogate pairs are no UTF-8; Arrow takes NaN for a number. A match inside a string only
#: costs time.
_BY_VALUE = r"[:,\[]\s*(?:null|-0|-?(?:NaN|Inf))|[0-9][0-9.]{15}|\\u[dD][89a-fA-F]"
#: Arrow's parser calls itself for each level, with no bound of its own. Text of so many bytes has few enough levels;
#: longer text has, if it has no more brackets than this.
_SHALLOW_BYTES, _MOST_BRACKETS = 2000, 400
#: With more columns, most of them empty in any row, columns cost more than rows.
_MOST_COLUMNS = 64
#: Rows that show cheaply whether it is worth reading all.
_SAMPLE = 1000
#: Below, nothing is gained.
_FEWEST = 200
_WRAPPED = "o"


class JsonObjects:
    """A column of JSON text (string array) in which every row but null ones is an object."""

    def __init__(self, texts: pa.Array) -> None:
        self._texts = texts

    @cached_property
    def _plain(self) -> np.ndarray:
        """Bool per row: to be read by Arrow."""
        plain = columns.numpy(pc.invert(pc.match_substring_regex(self._texts, _BY_VALUE)))
        long = np.flatnonzero(columns.numpy(pc.greater(pc.binary_length(self._texts), _SHALLOW_BYTES)))
        if len(long):
            texts = self._texts.take(pa.array(long))
            brackets = pc.add(pc.count_substring(texts, "{"), pc.count_substring(texts, "["))
            plain[long] &= columns.numpy(pc.less_equal(brackets, _MOST_BRACKETS))
        return plain

    @cached_property
    def _struct(self) -> pa.StructArray | None:
        """The plain rows; None where not every one of them is an object that a struct can hold."""
        if self._plain.sum() < _FEWEST:
            return None
        return read(self._texts if self._plain.all() else self._texts.filter(pa.array(self._plain)))

    @cached_property
    def _others(self) -> list[Value]:
        """The values of the other rows."""
        return parse_column(self._texts.filter(pa.array(~self._plain)))

    def take(self, positions: np.ndarray) -> JsonObjects:
        """The rows at ``positions``; what was read is not read again."""
        taken = JsonObjects(self._texts.take(pa.array(positions)))
        if "_struct" in vars(self):
            plain = self._plain[positions]
            at = (np.cumsum(self._plain) - 1)[positions[plain]]
            vars(taken)["_plain"] = plain
            vars(taken)["_struct"] = None if self._struct is None else self._struct.take(pa.array(at))
        return taken

    def canonical(self) -> pa.Array | None:
        """Canonical text per row, null where the text is; None where the shortcut cannot be taken."""
        already = already_canonical(self._texts)
        if already.all():
            return self._texts
        if not already.any():
            return self.written()
        others = pa.array(~already)
        rest = self._texts.filter(others)
        written = JsonObjects(rest).written()
        if written is None:
            written = _canonical_objects(parse_column(rest))
        return None if written is None else pc.replace_with_mask(self._texts, others, written)

    def written(self) -> pa.Array | None:
        """The same, whatever the texts look like."""
        if self._struct is None or (others := _canonical_objects(self._others)) is None:
            return None
        return self._merged(json_text(self._struct), others)

    def leaf(self, keys: Sequence[str]) -> pa.Array | None:
        """The strings, numbers or booleans at ``keys``; None where the shortcut cannot be taken.

        What lies there may be no object: in a struct its keys are not in the order that each row has them in.
        """
        if self._struct is None:
            return None
        leaf: pa.Array = self._struct
        for key in keys:
            if not pa.types.is_struct(leaf.type):
                return None
            inner = typed.member(leaf, key)
            if inner is None:
                return self._merged_with_others(pa.nulls(len(leaf), pa.string()), keys)
            leaf = inner
        return self._merged_with_others(leaf, keys) if columns.is_scalar(leaf) else None

    def _merged_with_others(self, plain: pa.Array, keys: Sequence[str]) -> pa.Array | None:
        others = columns.tightened(gets(self._others, tuple(keys)))
        if columns.is_objects(others):
            return None
        array = columns.arrow(others)
        if array.null_count == len(array):
            array = pa.nulls(len(array), plain.type)
        elif plain.null_count == len(plain):
            plain = pa.nulls(len(plain), array.type)
        return self._merged(plain, array) if array.type == plain.type else None

    def _merged(self, plain: pa.Array, others: pa.Array) -> pa.Array:
        """One array of the rows of both, each at its place."""
        if not len(others):
            return plain
        places = np.empty(len(self._plain), np.int64)
        places[self._plain] = np.arange(len(plain))
        places[~self._plain] = len(plain) + np.arange(len(others))
        return pa.concat_arrays([plain, others]).take(pa.array(places))


def _canonical_objects(values: Sequence[Value]) -> pa.Array | None:
    """Canonical text of objects and of what is undefined; None where there is anything else."""
    if not all(type(value) is dict or value is UNDEFINED for value in values):
        return None
    return canonical_column(values)


def read(texts: pa.Array) -> pa.StructArray | None:
    """Texts without nulls as structs; None unless each is one object, with values of one kind under each key."""
    try:
        strings = _strings(_parsed(texts.slice(0, _SAMPLE), None).type)
        for _ in range(3):
            rows = _parsed(texts, strings)
            if not _holds_time(rows.type):
                return rows if len(rows) == len(texts) and _columns(rows.type) <= _MOST_COLUMNS else None
            strings = _strings(rows.type)
    except (pa.ArrowInvalid, RecursionError):
        pass
    return None


def _parsed(texts: pa.Array, strings: pa.DataType | None) -> pa.StructArray:
    """Each text inside an object of its own, so that no text can make up for the rows of another."""
    lines = pc.binary_join_element_wise(f'{{"{_WRAPPED}":', texts, "}", "")
    joined = pc.binary_join(pa.ListArray.from_arrays(pa.array([0, len(lines)], pa.int32()), lines), "\n")
    buffer = joined[0].as_buffer()
    schema = None if strings is None else pa.schema([(_WRAPPED, strings)])
    table = pj.read_json(
        pa.BufferReader(buffer),
        read_options=pj.ReadOptions(use_threads=False, block_size=len(buffer) + 1),
        parse_options=pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="infer"),
    )
    column = table.column(_WRAPPED).combine_chunks()
    rows = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    if table.num_columns != 1 or not pa.types.is_struct(rows.type) or rows.null_count:
        raise pa.ArrowInvalid("not objects alone")
    return rows


def _strings(held: pa.DataType) -> Any:
    """The part of a type that is text, or that Arrow took for times: those are to stay text too."""
    if pa.types.is_struct(held):
        fields = [(field.name, inner) for field in held if (inner := _strings(field.type)) is not None]
        return pa.struct(fields) if fields else None
    if pa.types.is_list(held):
        inner = _strings(held.value_type)
        return None if inner is None else pa.list_(inner)
    return pa.string() if pa.types.is_string(held) or pa.types.is_temporal(held) else None


def _holds_time(held: pa.DataType) -> bool:
    if pa.types.is_struct(held):
        return any(_holds_time(field.type) for field in held)
    if pa.types.is_list(held):
        return _holds_time(held.value_type)
    return bool(pa.types.is_temporal(held))


def _columns(held: pa.DataType) -> int:
    """How many columns without columns of their own; a kind that was never seen is too many."""
    if pa.types.is_struct(held):
        return sum(_columns(field.type) for field in held) + 1
    if pa.types.is_list(held):
        return _columns(held.value_type)
    return _MOST_COLUMNS + 1 if pa.types.is_null(held) else 1


# ------------------------------------------------------------------------------------ already canonical


def already_canonical(texts: pa.Array) -> np.ndarray:
    """Bool per row of a string array: surely an object in canonical form. Others may be, too."""
    nothing = np.zeros(len(texts), bool)
    if not len(texts):
        return nothing
    shapes = _shapes(
        texts.take(pa.array(np.unique(np.linspace(0, len(texts) - 1, _SHAPES_FROM, dtype=np.int64))))
    )
    if not shapes:
        return nothing
    try:
        return columns.numpy(pc.match_substring_regex(texts, f"^(?:{'|'.join(shapes)})$"))
    except pa.ArrowInvalid:  # more than a regular expression may hold
        return nothing


def _shapes(sample: pa.Array) -> list[str]:
    """Patterns of the commonest objects in canonical form; none where most rows are something else."""
    values = parse_column(sample)
    same = columns.numpy(pc.equal(sample, canonical_column(values)))
    objects = [value for value, canonical in zip(values, same, strict=True) if canonical]
    shapes = Counter(shape for value in objects if (shape := _object(value, _DEEPEST)) is not None)
    if 2 * shapes.total() < len(sample):
        return []
    return [shape for shape, _ in shapes.most_common(_MOST_SHAPES)]


def _object(value: Value, levels: int) -> str | None:
    """The pattern of an object with these keys; None of what is no object, or an unusual one."""
    if not isinstance(value, dict) or len(value) > _MOST_KEYS or not levels:
        return None
    members = [_member(key, value[key], levels) for key in sorted(value)]
    return None if None in members else r"\{" + ",".join(map(str, members)) + r"\}"


def _member(key: str, value: Value, levels: int) -> str | None:
    pattern = _object(value, levels - 1) if isinstance(value, dict) else _VALUE
    return None if pattern is None else f"{re.escape(quote(key))}:{pattern}"
