"""Typed Arrow columns → canonical JSON text, whole columns at a time. Pure.

The same content gives the same text as ``text.canonical`` gives for its values. A null cell gives null; inside a
struct or map it leaves its key out.
"""

from __future__ import annotations

from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.transform.columns import typed
from etl.transform.columns.texts import content, decimal_json, float_text
from etl.transform.json.text import canonical_column, exact_number, parse_column, quote

if TYPE_CHECKING:
    from collections.abc import Callable

#: A run of pieces that make up one text per row: constants, and string arrays without nulls.
Pieces = list["pa.Array | str"]


def json_text(array: pa.Array) -> pa.Array:
    """Canonical JSON text per row, null where the cell is."""
    array = typed.plain(array)
    if pa.types.is_struct(array.type):
        written = join(struct_pieces(array))
        # Objects without any members are the same text in every row.
        return _masked(pa.repeat(written, len(array)) if isinstance(written, pa.Scalar) else written, array)
    return join(["", *_scalar_pieces(array)], nulls=True) if array.null_count else join(pieces(array))


def pieces(array: pa.Array) -> Pieces:
    """The text of an array without nulls, in pieces; joined once by the caller, with whatever is around it."""
    array = typed.plain(array)
    return struct_pieces(array) if pa.types.is_struct(array.type) else _scalar_pieces(array)


def join(parts: Pieces, *, nulls: bool = False) -> pa.Array:
    """Pieces as one string array; with ``nulls`` a null piece makes its row null, else it stands for nothing."""
    merged = _merged(parts)
    if len(merged) == 1 and not isinstance(merged[0], str):
        return merged[0]
    # Not null_handling="skip": it leaves out the rows where every piece is null.
    return pc.binary_join_element_wise(
        *merged, "", null_handling="emit_null" if nulls else "replace", null_replacement=""
    )


def struct_pieces(array: pa.StructArray) -> Pieces:
    """``{"a":…,"b":…}`` in pieces, keys sorted; a null struct is written like one without members."""
    members = [
        (quote(name) + ":", column) for name, column in sorted(typed.children(array), key=itemgetter(0))
    ]
    if members and members[0][1].null_count:
        inner = join(list(chain.from_iterable(_member("," + key, column) for key, column in members)))
        return ["{", pc.utf8_ltrim(inner, ","), "}"]
    parts = (_member("," + key if i else key, column) for i, (key, column) in enumerate(members))
    return ["{", *chain.from_iterable(parts), "}"]


def quoted(array: pa.Array) -> pa.Array:
    """Strings with what must be escaped in them escaped, but without the quotes around them."""
    if not _has_special(array):
        return array
    special = pc.match_substring_regex(array, r'["\\\x00-\x1f]')
    return patched(array, special, lambda text: quote(text)[1:-1])


def patched(array: pa.Array, mask: pa.Array, function: Callable[[str], str]) -> pa.Array:
    """The array with ``function`` applied to the cells where ``mask`` is true."""
    mask = pc.fill_null(mask, fill_value=False)
    if not pc.any(mask).as_py():
        return array
    new = [function(cell) for cell in array.filter(mask).to_pylist()]
    return pc.replace_with_mask(array, mask, pa.array(new, array.type))


def _member(key: str, column: pa.Array) -> Pieces:
    """``"key":value``, or nothing where the value is null."""
    if not column.null_count:
        return [key, *pieces(column)]
    if pa.types.is_struct(column.type):
        return [_masked(join([key, *struct_pieces(column)]), column)]
    return [join([key, *_scalar_pieces(column)], nulls=True)]


def _scalar_pieces(array: pa.Array) -> Pieces:  # noqa: PLR0911 - one case a kind
    held = array.type
    if pa.types.is_string(held):
        return ['"', quoted(array), '"']
    if pa.types.is_floating(held):
        return [_float_json(array)]
    if pa.types.is_decimal(held):
        return [decimal_json(array)]
    if isinstance(held, pa.JsonType):
        return [canonical_column(parse_column(array.storage))]
    if pa.types.is_list(held):
        return [_list_json(array)]
    if pa.types.is_map(held):
        return [_map_json(array)]
    return [array.cast(pa.string())]


def _float_json(array: pa.Array) -> pa.Array:
    return patched(float_text(array), pc.invert(pc.is_finite(array)), lambda _: "null")


def _list_json(array: pa.ListArray) -> pa.Array:
    offsets, items = typed.list_parts(array)
    texts = pc.fill_null(json_text(items), "null")
    rows = pc.binary_join(pa.ListArray.from_arrays(offsets, texts), ",")
    return _masked(pc.binary_join_element_wise("[", rows, "]", ""), array)


def _map_json(array: pa.MapArray) -> pa.Array:
    """Entries sorted by key, the last of equal keys, none whose value is null."""
    offsets, entries = typed.list_parts(array)
    keys = entries.field("key").cast(pa.string())
    texts = json_text(entries.field("value"))
    parents = np.repeat(np.arange(len(array)), np.diff(offsets.to_numpy()))
    table = pa.table({"row": parents, "key": keys, "at": np.arange(len(parents)), "text": texts})
    last = table.group_by(["row", "key"], use_threads=False).aggregate([("at", "max")])
    kept = (
        table.take(last["at_max"])
        .filter(pc.is_valid(pc.field("text")))
        .sort_by([("row", "ascending"), ("key", "ascending")])
    )
    members = pc.binary_join_element_wise(
        '"', quoted(kept["key"].combine_chunks()), '":', kept["text"].combine_chunks(), ""
    )
    counts = np.bincount(kept["row"].to_numpy(), minlength=len(array))
    edges = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
    rows = pc.binary_join(pa.ListArray.from_arrays(edges, members), ",")
    return _masked(pc.binary_join_element_wise("{", rows, "}", ""), array)


def _masked(text: pa.Array, like: pa.Array) -> pa.Array:
    return pc.if_else(pc.is_valid(like), text, None) if like.null_count else text


def _merged(parts: Pieces) -> Pieces:
    """Neighbouring constants as one."""
    merged: Pieces = []
    for part in parts:
        if merged and isinstance(part, str) and isinstance(merged[-1], str):
            merged[-1] += part
        else:
            merged.append(part)
    return merged


def _has_special(array: pa.Array) -> bool:
    """Whether any byte of the strings must be escaped in JSON (a look at all of them, not at each string)."""
    texts = content(array)
    return b'"' in texts or b"\\" in texts or bool(texts and np.frombuffer(texts, np.uint8).min() < 32)


__all__ = ["Pieces", "exact_number", "join", "json_text", "patched", "pieces", "quoted", "struct_pieces"]
