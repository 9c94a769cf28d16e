"""JSON lines taken apart at their top level, every value below it left as it was written."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any

import msgspec
import orjson
import pyarrow as pa
from msgspec import UNSET, Raw

from etl.core.layouts import OBJECTS, WHOLE_EVENT
from etl.core.ports import Unreadable
from etl.sources.rows import JSON, Part

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: A line longer than this is no event (Segment takes 32 KB) but a broken file: it is not held in memory.
MAX_LINE = 16 * 2**20

_TOO_LONG = f"the line is longer than {MAX_LINE // 2**20} MiB"

_READ_BYTES = 4 * 2**20

#: Number (from 1) and bytes of a line; None for the bytes of a line over ``MAX_LINE``.
Line = tuple[int, bytes | None]

_ANY_OBJECT = msgspec.json.Decoder(dict[str, Raw])


def lines(stream: IO[bytes], most_rows: int, most_bytes: int) -> Iterator[list[Line]]:
    """Lines of ``stream`` in order, blank ones left out, so many at a time."""
    held: list[Line] = []
    size = 0
    for number, line in enumerate(_lines(stream), 1):
        if line is None or line.strip():
            held.append((number, line))
            size += len(line or b"")
        if len(held) >= most_rows or size >= most_bytes:
            yield held
            held, size = [], 0
    if held:
        yield held


def _lines(stream: IO[bytes]) -> Iterator[bytes | None]:
    rest, overlong = b"", False
    while data := stream.read(_READ_BYTES):
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            yield None if overlong else line
            overlong = False
        if overlong or len(rest) > MAX_LINE:
            rest, overlong = b"", True
    if rest or overlong:
        yield None if overlong else rest


def keys_of(batch: Sequence[Line]) -> list[str]:
    """Every top-level key in the lines that can be read."""
    keys: dict[str, None] = {}
    for _, line in batch:
        try:
            keys.update(dict.fromkeys(_ANY_OBJECT.decode(line or b"")))
        except (msgspec.MsgspecError, UnicodeError):
            continue
    return list(keys)


class LineReader:
    """Reads lines into parts with a column for each of ``keys``, or with the column ``$`` if ``keys`` is None."""

    def __init__(self, keys: Sequence[str] | None, cursor: str) -> None:
        self._keys = [] if keys is None else list(keys)
        self._whole = keys is None
        self._cursor = cursor
        self._fields = list(dict.fromkeys([*self._keys, cursor]))
        self._as_text = _decoder(self._fields, [_usual_type(key) for key in self._fields])
        self._as_written = _decoder(self._fields, [Raw | msgspec.UnsetType] * len(self._fields))

    def read(self, batch: Sequence[Line], origin: str) -> Part:
        """The readable lines of ``batch`` as a table, the others as unreadable."""
        numbers: list[int] = []
        texts: list[str] = []
        rows: list[tuple[Any, ...]] = []
        broken: list[Unreadable] = []
        for number, line in batch:
            if line is None:
                broken.append(Unreadable(origin, number, _TOO_LONG))
                continue
            try:
                text = line.decode("utf-8")
                rows.append(self._cells(line, text))
            except (ValueError, TypeError, RecursionError) as error:
                shown = line.decode(errors="backslashreplace").replace("\0", "\\x00")
                broken.append(Unreadable(origin, number, _reason(error), shown))
            else:
                numbers.append(number - 1)
                texts.append(text)
        fields = dict(zip(self._fields, zip(*rows, strict=True), strict=True)) if rows else {}
        cursor = pa.array(map(_cursor_text, fields.get(self._cursor, ())), pa.string())
        return Part(self._table(fields, texts), pa.array(numbers, pa.int64()), broken, cursor)

    def _cells(self, line: bytes, text: str) -> tuple[Any, ...]:
        """The values of a line's ``_fields``: strings and nulls where usual, else their JSON."""
        try:
            return msgspec.structs.astuple(self._as_text.decode(line))
        except (msgspec.MsgspecError, UnicodeError):
            pass  # a number where text is usual, half a surrogate pair, or no JSON
        try:
            written = msgspec.structs.astuple(self._as_written.decode(line))
        except msgspec.ValidationError:
            raise
        except msgspec.MsgspecError:
            values = top_level(text)  # JSON and Segment allow half a surrogate pair, msgspec does not
            written = tuple(values.get(field, UNSET) for field in self._fields)
        return tuple(map(_usual, self._fields, written))

    def _table(self, fields: Mapping[str, Sequence[Any]], texts: Sequence[str]) -> pa.Table:
        if self._whole:
            return pa.table({WHOLE_EVENT: _json(texts)})
        held = {
            key: fields[key] for key in self._keys if any(cell is not UNSET for cell in fields.get(key, ()))
        }
        if not held:  # a table needs a column to have rows
            held = {self._cursor: fields.get(self._cursor, ())}
        return pa.table({key: _column(cells, key) for key, cells in held.items()})


def _usual_type(key: str) -> Any:
    return Raw | msgspec.UnsetType if key in OBJECTS else str | None | msgspec.UnsetType


def _usual(key: str, cell: Any) -> Any:
    """A cell as the usual decoder would have it, where it can be had so."""
    if cell is UNSET or key in OBJECTS or bytes(cell)[:1] not in (b'"', b"n"):
        return cell
    value = json.loads(bytes(cell))
    return value if value is None or _is_text(value) else cell


def _is_text(value: str) -> bool:
    """Whether UTF-8 can hold it: not so with half a surrogate pair."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _decoder(fields: Sequence[str], types: Sequence[Any]) -> msgspec.json.Decoder[Any]:
    """Decodes an object into a struct of ``fields``, which need not be identifiers; skips all other keys."""
    names = [f"f{number}" for number in range(len(fields))]
    members = [(name, held, UNSET) for name, held in zip(names, types, strict=True)]
    line = msgspec.defstruct("Line", members, rename=dict(zip(names, fields, strict=True)), gc=False)
    return msgspec.json.Decoder(line)


def top_level(text: str) -> dict[str, Raw]:
    """Key → JSON of the value, as it is written, of a JSON object. Raises ``ValueError`` if it is none."""
    decoder = json.JSONDecoder(parse_constant=_refuse, parse_int=str, parse_float=str)
    if not isinstance(decoder.decode(text), dict):
        raise TypeError
    values: dict[str, Raw] = {}
    position = _past_space(text, 0) + 1
    while text[position := _past_space(text, position)] != "}":
        key, position = decoder.raw_decode(text, _past_space(text, position + (text[position] == ",")))
        start = _past_space(text, _past_space(text, position) + 1)
        position = decoder.raw_decode(text, start)[1]
        values[key] = Raw(text[start:position].encode())
    return values


def _past_space(text: str, position: int) -> int:
    while text[position] in " \t\r\n":
        position += 1
    return position


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeError):
        return "the line is no UTF-8"
    if isinstance(error, msgspec.ValidationError | TypeError):
        return "the line is no JSON object"
    if isinstance(error, json.JSONDecodeError):  # which counts the lines of the line
        return f"the line is no JSON: {error.msg} at character {error.pos + 1}"
    return f"the line is no JSON: {error}"


def _column(cells: Sequence[Any], key: str) -> pa.Array:
    """Strings if every cell is one, or absent; else JSON text, where null and absent differ."""
    if key not in OBJECTS and all(isinstance(cell, str) or cell is UNSET for cell in cells):
        return pa.array([None if cell is UNSET else cell for cell in cells], pa.string())
    return _json([_as_json(cell) for cell in cells])


def _as_json(cell: Any) -> str | None:
    if cell is UNSET:
        return None
    return bytes(cell).decode() if isinstance(cell, Raw) else orjson.dumps(cell).decode()


def _json(texts: Sequence[str | None]) -> pa.Array:
    return pa.ExtensionArray.from_storage(JSON, pa.array(texts, pa.string()))


def _cursor_text(cell: Any) -> str | None:
    """The cursor as text; a value that is none keeps its JSON, which tells no instant."""
    if isinstance(cell, Raw):
        return bytes(cell).decode()
    return cell if isinstance(cell, str) else None
