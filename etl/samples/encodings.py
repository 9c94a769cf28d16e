"""The same events in the encodings that exports use: structs, string maps, JSON text, and warehouse columns."""

from __future__ import annotations

import re
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Encoding = Literal["struct", "map", "json"]
_OBJECTS = ("context", "properties")
_ESCAPES = (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"))
_WAREHOUSE_NAMES = {"messageId": "id", "event": "event_text"}


def encoded(table: pa.Table, encoding: Encoding, *, strings: bool = False) -> pa.Table:
    """``table`` with ``context`` and ``properties`` as ``struct``, ``map<string, string>`` or ``json`` text.

    With ``strings`` every property becomes its text first (an object its JSON), as a map has to: then the three
    encodings hold the same values. Null fields of a struct are absent from maps and JSON.
    """
    for name in _OBJECTS:
        index, objects = table.schema.get_field_index(name), table[name].combine_chunks()
        if strings or encoding == "map":
            objects = _as_texts(objects)
        if encoding != "struct":
            objects = _map(objects) if encoding == "map" else json_text(objects)
        table = table.set_column(index, name, objects)
    return table


def flattened(table: pa.Table) -> pa.Table:
    """The track events of ``table`` in warehouse columns: ``id``, ``context_group_id``, ``job_id``.

    ``event`` holds the event's slug, ``event_text`` its name; objects in properties are spread over columns (``meta_zone``).
    """
    table = table.filter(pc.equal(table["type"], "track")).drop_columns(["type"])
    columns: dict[str, pa.Array] = {"event": table["event"]}
    for name in table.column_names:
        column = table[name].combine_chunks()
        prefix = "" if name == "properties" else _WAREHOUSE_NAMES.get(name, _snake(name))
        columns |= _spread(prefix, column)
    return pa.table(columns)


def _spread(name: str, column: pa.Array) -> dict[str, pa.Array]:
    if not pa.types.is_struct(column.type):
        return {name: column}
    spread: dict[str, pa.Array] = {}
    for field, values in zip(column.type, column.flatten(), strict=True):
        spread |= _spread("_".join(filter(None, (name, _snake(field.name)))), values)
    return spread


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _as_texts(objects: pa.StructArray) -> pa.StructArray:
    fields = zip(objects.type, objects.flatten(), strict=True)
    texts = {field.name: _plain_text(values) for field, values in fields}
    return pa.StructArray.from_arrays(list(texts.values()), names=list(texts), mask=pc.is_null(objects))


def _plain_text(values: pa.Array) -> pa.Array:
    return json_text(values) if pa.types.is_struct(values.type) else values.cast(pa.string())


def _map(objects: pa.StructArray) -> pa.MapArray:
    """Structs of strings as maps: entry by entry, row by row, without the null ones."""
    width, size = objects.type.num_fields, len(objects)
    names = pa.array([field.name for field in objects.type])
    by_row = np.arange(width * size).reshape(width, size).T.ravel()
    values = pa.concat_arrays(objects.flatten()).take(pa.array(by_row))
    keys = names.take(pa.array(np.tile(np.arange(width), size)))
    present = np.asarray(pc.is_valid(values))
    offsets = np.concatenate(([0], present.reshape(size, width).sum(axis=1).cumsum())).astype(np.int32)
    return pa.MapArray.from_arrays(
        pa.array(offsets), keys.filter(present), values.filter(present), mask=pc.is_null(objects)
    )


def json_text(values: pa.Array) -> pa.Array:
    """Each value as JSON text (string); null fields of structs are left out, a null value stays null."""
    kind = values.type
    if pa.types.is_struct(kind):
        return _object_text(values)
    if pa.types.is_timestamp(kind):
        texts = pc.binary_replace_slice(values.cast(pa.string()), 10, 11, "T")
        return pc.binary_join_element_wise('"', texts, '"', "")
    if pa.types.is_string(kind):
        return pc.binary_join_element_wise('"', _escaped(values), '"', "")
    return values.cast(pa.string())


def _object_text(objects: pa.StructArray) -> pa.Array:
    members = []
    for field, values in zip(objects.type, objects.flatten(), strict=True):
        member = pc.binary_join_element_wise(f'"{field.name}":', json_text(values), ",", "")
        members.append(member.fill_null(""))
    inside = pc.ascii_rtrim(pc.binary_join_element_wise(*members, ""), characters=",")
    texts = pc.binary_join_element_wise("{", inside, "}", "")
    return pc.if_else(pc.is_valid(objects), texts, pa.scalar(None, pa.string()))


def _escaped(texts: pa.Array) -> pa.Array:
    for character, escape in _ESCAPES:
        texts = pc.replace_substring(texts, pattern=character, replacement=escape)
    return texts
