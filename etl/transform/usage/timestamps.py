"""The timestamp step: whatever an event's timestamp is → ``YYYY-MM-DDTHH:mm:ss.SSSZ``, as Segment writes it.

Source: segmentio/action-destinations: ``dayjs.utc(x).toISOString()`` with TZ=UTC in the Metronome action, and the
``date-like`` format of its schema validation.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etl.transform.javascript import WHITE_SPACE, double, number_text, text_number
from etl.transform.javascript.dates import FURTHEST, clip, instant, parse_date

_NOT_DATE_LIKE: Final = "Timestamp must be a valid date-like string but it was not."
_OUT_OF_RANGE: Final = "Invalid time value"

#: dayjs reads these fields itself; it checks no range, and everything rolls over.
_FIELDS = re.compile(
    r"([0-9]{4})[-/]?([0-9]{1,2})?[-/]?([0-9]{0,2})"
    rf"[Tt{WHITE_SPACE}]*([0-9]{{1,2}})?:?([0-9]{{1,2}})?:?([0-9]{{1,2}})?[.:]?([0-9]+)?"
)
#: RE2 patterns of strings that need no parser. The years 0 to 99 are left out: dayjs has a rule of its own for them.
_CENTURY: Final = "(?:0[1-9]|[1-9][0-9])"
_FOURTH: Final = "(?:0[48]|[2468][048]|[13579][26])"
_DATE: Final = (
    rf"(?:{_CENTURY}[0-9]{{2}}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    rf"|02-(?:0[1-9]|1[0-9]|2[0-8]))|(?:{_CENTURY}{_FOURTH}|{_FOURTH}00)-02-29)"
)
_CLOCK: Final = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_FRACTION: Final = r"(?:\.[0-9]{1,9})?"
_CANONICAL: Final = rf"^{_DATE}T{_CLOCK}\.[0-9]{{3}}Z\z"
#: The same with another fraction, or UTC written otherwise or not at all (where a short fraction means something else).
_UTC: Final = r"(?:Z|[+-]00:?00)\z"
_NEARLY: Final = rf"^(?:{_DATE}T{_CLOCK}{_FRACTION}{_UTC}|{_DATE}[ T]{_CLOCK}(?:\.[0-9]{{3,}})?\z)"
_OFFSET: Final = r"[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9]\z"
_ELSEWHERE: Final = rf"^{_DATE}T{_CLOCK}{_FRACTION}{_OFFSET}"
#: The years 0 to 9999, in milliseconds.
_FOUR_DIGIT_YEARS: Final = (-62_167_219_200_000, 253_402_300_799_999)
_LARGEST: Final = 2**63 - 1
_PER_SECOND: Final = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


class InvalidTimestampError(ValueError):
    """``stage``: ``schema`` (not date-like) or ``serialize`` (no Date can hold it); ``str()`` is Segment's text."""

    def __init__(self, stage: str, reason: str) -> None:
        self.stage = stage
        super().__init__(reason)


class _Columns(NamedTuple):
    """Strings, as long as the input; where ``iso`` is null for a value, the other two say why."""

    iso: pa.Array
    stage: pa.Array
    reason: pa.Array


def iso_of(value: Any) -> str:
    """One timestamp: a string, or a number of milliseconds since 1970. Raises ``InvalidTimestampError``."""
    if isinstance(value, str):
        return _iso_text(_milliseconds_of(value))
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise InvalidTimestampError("schema", _NOT_DATE_LIKE)
    number = double(value)
    if not abs(number) <= FURTHEST:
        raise InvalidTimestampError("serialize", _OUT_OF_RANGE)
    return _iso_text(int(number))


def to_iso(values: pd.Series) -> tuple[pd.Series, pd.Series, pd.Series]:
    """A column of timestamps → ``(iso, stage, reason)``, three string columns with the index of ``values``.

    ``values``: a column of any of the three kinds (typed Arrow, JSON text, JSON values), after the schema's
    coercion: strings, or numbers of milliseconds since 1970; typed timestamps (naive ones are UTC) and dates too.
    All three results have dtype ``ArrowDtype(string)``. Each row is one of: absent or null in ``values`` → NA in
    all three; readable → ``iso`` set, the others NA; unreadable → ``iso`` NA, ``stage`` ``"schema"`` or
    ``"serialize"``, ``reason`` Segment's text. Instants finer than a millisecond are cut, towards the past.
    """
    made = _columns(values)
    iso, stage, reason = (
        pd.Series(pd.arrays.ArrowExtensionArray(column), index=values.index) for column in made
    )
    return iso, stage, reason


def _milliseconds_of(text: str) -> int:
    number = text_number(text)
    milliseconds = _dayjs(text)
    if number_text(number) == text:
        # The schema takes such a string for epoch seconds; what is sent is still read from the text.
        if not abs(number * 1000) <= FURTHEST:
            raise InvalidTimestampError("schema", _NOT_DATE_LIKE)
        if milliseconds is None:
            raise InvalidTimestampError("serialize", _OUT_OF_RANGE)
    if milliseconds is None:
        raise InvalidTimestampError("schema", _NOT_DATE_LIKE)
    return milliseconds


def _dayjs(text: str) -> int | None:
    fields = None if text.endswith(("z", "Z")) else _FIELDS.fullmatch(text)
    if fields is None:
        return parse_date(text)
    year, month, day, hour, minute, second, fraction = fields.groups()
    years = int(year) + (1900 if int(year) < 100 else 0)
    clock = (int(hour or 0), int(minute or 0), int(second or 0), int((fraction or "0")[:3]))
    return clip(instant(years, int(month or 1) - 1, int(day or 1), clock))


def _iso_text(milliseconds: int) -> str:
    text = str(np.datetime64(milliseconds, "ms"))
    year, rest = int(text[:-19]), text[-19:]
    return f"{year:04d}{rest}Z" if 0 <= year <= 9999 else f"{year:+07d}{rest}Z"


def _columns(values: pd.Series) -> _Columns:  # noqa: PLR0911 - one line for each kind of column
    if not isinstance(values.dtype, pd.ArrowDtype):
        return _mixed(list(values))
    column = values.array.__arrow_array__().combine_chunks()
    kind = column.type
    if isinstance(kind, pa.JsonType):
        return _mixed([None if text is None else json.loads(text) for text in column.storage.to_pylist()])
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _texts(column.cast(pa.string()))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _numbers(column)
    if pa.types.is_timestamp(kind):
        return _timestamps(column.cast(pa.timestamp(kind.unit)))
    if pa.types.is_date(kind):
        return _timestamps(column.cast(pa.timestamp("ms")))
    return _by_value(column.to_pylist())


def _texts(column: pa.Array) -> _Columns:
    quick = _unparsed(column)
    slow = pc.and_(pc.is_null(quick), pc.is_valid(column))
    if not pc.any(slow).as_py():
        return _readable(quick)
    encoded = column.filter(slow).dictionary_encode()
    rest = _Columns(*(part.take(encoded.indices) for part in _by_value(encoded.dictionary.to_pylist())))
    return _replaced(_readable(quick), slow, rest)


def _mixed(values: list[Any]) -> _Columns:
    """JSON values: the strings among them as a column, the others one by one."""
    others = [not isinstance(value, str) for value in values]
    strings = [None if other else value for value, other in zip(values, others, strict=True)]
    try:
        texts = _texts(pa.array(strings, pa.string()))
    except UnicodeEncodeError:  # a lone surrogate, which Arrow cannot hold
        return _by_value(values)
    if not any(others):
        return texts
    rest = _by_value([value for value, other in zip(values, others, strict=True) if other])
    return _replaced(texts, pa.array(others), rest)


def _replaced(columns: _Columns, rows: pa.Array, by: _Columns) -> _Columns:
    return _Columns(*(pc.replace_with_mask(old, rows, new) for old, new in zip(columns, by, strict=True)))


def _unparsed(column: pa.Array) -> pa.Array:
    """What strings become that need no parser; the others null."""
    canonical = pc.match_substring_regex(column, _CANONICAL)
    if pc.all(canonical).as_py():
        return column
    nearly = pc.if_else(pc.match_substring_regex(column, _NEARLY), column, None)
    padded = pc.binary_join_element_wise(_padded(pc.replace_substring_regex(nearly, _UTC, "")), "Z", "")
    made = pc.if_else(canonical, column, padded)
    rest = pc.if_else(pc.is_valid(made), None, column)
    elsewhere = pc.match_substring_regex(rest, _ELSEWHERE)
    if not pc.any(elsewhere).as_py():
        return made
    return pc.coalesce(made, _shifted(pc.if_else(elsewhere, rest, None)))


def _padded(local: pa.Array) -> pa.Array:
    """With T, and a fraction of three digits; no zone before or after."""
    day, clock = pc.utf8_slice_codeunits(local, 0, 10), pc.utf8_slice_codeunits(local, 11, 19)
    fraction = pc.utf8_rpad(pc.utf8_slice_codeunits(local, 20, 23), width=3, padding="0")
    return pc.binary_join_element_wise(pc.binary_join_element_wise(day, clock, "T"), fraction, ".")


def _shifted(column: pa.Array) -> pa.Array:
    """Local times with an offset from UTC, as ISO text in UTC."""
    local = _padded(pc.replace_substring_regex(column, _OFFSET, "")).cast(pa.timestamp("ms")).cast(pa.int64())
    digits = pc.utf8_slice_codeunits(pc.replace_substring(column, ":", ""), -4, None)
    hours = pc.utf8_slice_codeunits(digits, 0, 2).cast(pa.int64())
    minutes = pc.add(pc.multiply(hours, 60), pc.utf8_slice_codeunits(digits, 2, 4).cast(pa.int64()))
    east = pc.match_substring(column, "+")
    offset = pc.multiply(minutes, pc.if_else(east, -60_000, 60_000))
    return _instants(column, pc.add(local, offset), 1_000).iso


def _numbers(column: pa.Array) -> _Columns:
    if pa.types.is_floating(column.type):
        column = column.cast(pa.float64())
    elif column.type != pa.uint64():
        column = column.cast(pa.int64())
    return _instants(column, _within(column, FURTHEST), 1_000)


def _timestamps(column: pa.Array) -> _Columns:
    """Naive timestamps of any unit."""
    per_second = _PER_SECOND[column.type.unit]
    count = column.cast(pa.int64())
    return _instants(count, _within(count, min(FURTHEST * per_second // 1_000, _LARGEST)), per_second)


def _within(column: pa.Array, furthest: int) -> pa.Array:
    """Int64, cut towards 0; null where ``column`` (int64, uint64 or double) lies further than that from 0."""
    upper = pc.less_equal(column, pa.scalar(furthest, column.type))
    lower = pc.greater_equal(column, pa.scalar(0 if column.type == pa.uint64() else -furthest, column.type))
    whole = pc.trunc(column) if column.type == pa.float64() else column
    return pc.if_else(pc.and_(upper, lower), whole, None).cast(pa.int64())


def _instants(column: pa.Array, counts: pa.Array, per_second: int) -> _Columns:
    milliseconds = _as_milliseconds(counts, per_second)
    iso = pc.binary_join_element_wise(
        pc.replace_substring(milliseconds.cast(pa.timestamp("ms")).cast(pa.string()), " ", "T"), "Z", ""
    )
    odd = pc.fill_null(
        pc.or_(pc.less(milliseconds, _FOUR_DIGIT_YEARS[0]), pc.greater(milliseconds, _FOUR_DIGIT_YEARS[1])),
        fill_value=False,
    )
    if pc.any(odd).as_py():
        texts = [_iso_text(count) for count in milliseconds.filter(odd).to_pylist()]
        iso = pc.replace_with_mask(iso, odd, pa.array(texts, pa.string()))
    bad = pc.and_(pc.is_null(counts), pc.is_valid(column))
    nothing = pa.scalar(None, pa.string())
    return _Columns(iso, pc.if_else(bad, "serialize", nothing), pc.if_else(bad, _OUT_OF_RANGE, nothing))


def _as_milliseconds(counts: pa.Array, per_second: int) -> pa.Array:
    if per_second < 1_000:
        return pc.multiply(counts, 1_000 // per_second)
    if per_second == 1_000:
        return counts
    step = per_second // 1_000
    quotient = pc.divide(counts, step)
    # Division cuts towards 1970; before it, that is a millisecond late.
    late = pc.less(counts, pc.multiply(quotient, step))
    return pc.subtract(quotient, late.cast(pa.int64()))


def _by_value(values: list[Any]) -> _Columns:
    outcomes = [_outcome(value) for value in values]
    return _Columns(*(pa.array([outcome[part] for outcome in outcomes], pa.string()) for part in range(3)))


def _outcome(value: Any) -> tuple[str | None, str | None, str | None]:
    if not isinstance(value, str | bool | float | int | Decimal | dict | list):
        return None, None, None
    try:
        return iso_of(value), None, None
    except InvalidTimestampError as error:
        return None, error.stage, str(error)


def _readable(iso: pa.Array) -> _Columns:
    nothing = pa.nulls(len(iso), pa.string())
    return _Columns(iso, nothing, nothing)
