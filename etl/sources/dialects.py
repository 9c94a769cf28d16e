"""What differs between warehouses: how SQL is written, and what their types are in Arrow."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from etl.core import sql as sqlfiles
from etl.sources.cursors import INSTANT
from etl.sources.rows import JSON

if TYPE_CHECKING:
    import sqlalchemy as sa


@dataclass(frozen=True)
class Warehouse:
    """One kind of warehouse.

    ``as_text`` and ``as_json`` turn a column into text that keeps its digits, ``as_json`` one of objects, arrays or
    variants. ``extra``: what to install. ``typed``: whether cells have the type their column declares.
    """

    name: str
    extra: str
    as_text: str = "CAST({} AS VARCHAR)"
    as_json: str = "CAST({} AS VARCHAR)"
    catalog: str = "information_schema"
    typed: bool = True

    def file(self, folder: str) -> str | None:
        """The statement of a ``folder`` of ``sql/extract`` for this warehouse; None if it has none."""
        name = f"extract/{folder}/{self.name}.sql"
        return sqlfiles.statement(name) if sqlfiles.exists(name) else None


_KNOWN = {
    warehouse.name: warehouse
    for warehouse in (
        Warehouse("postgresql", "postgres", "CAST({} AS text)", "CAST(to_json({}) AS text)"),
        Warehouse("redshift", "redshift", as_json="JSON_SERIALIZE({})", catalog="redshift"),
        Warehouse("snowflake", "snowflake", as_json="TO_JSON(TO_VARIANT({}))"),
        Warehouse("bigquery", "bigquery", "CAST({} AS STRING)", "TO_JSON_STRING({})", catalog="bigquery"),
        Warehouse("databricks", "databricks", "CAST({} AS STRING)", "to_json({})"),
        Warehouse("duckdb", "duckdb", as_json="CAST(to_json({}) AS VARCHAR)"),
        Warehouse("sqlite", "", catalog="sqlite", typed=False),
    )
}


def warehouse_of(dialect: sa.Dialect) -> Warehouse:
    """The warehouse behind a SQLAlchemy dialect; any other is taken to follow the SQL standard."""
    return _KNOWN.get(dialect.name, Warehouse(dialect.name, dialect.name))


def extra_of(backend: str) -> str | None:
    """The extra that carries the driver of a backend; None if we know of none."""
    return _KNOWN[backend].extra or None if backend in _KNOWN else None


def quoted(dialect: sa.Dialect, name: str) -> str:
    """``name`` as an identifier for ``sqlalchemy.text``, exactly as spelt: always quoted, and never a bind."""
    preparer = dialect.identifier_preparer
    identifier = preparer.quote_identifier(name)
    if dialect.name == "bigquery":  # its dialect escapes what needs none, and not the backtick
        identifier = "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
    elif "%%" in preparer.quote_identifier("%"):
        identifier = identifier.replace("%%", "%")  # text() doubles what the driver needs doubled
    return identifier.replace(":", "\\:")


# ------------------------------------------------------------------------------------------------- types


@dataclass(frozen=True)
class Column:
    """A column as the catalog has it; ``precision`` and ``scale`` of numerics, where they are declared."""

    name: str
    type: str
    precision: int | None = None
    scale: int | None = None

    @property
    def kind(self) -> Kind:
        """How its cells are fetched and handed on."""
        return kind_of(self.type, self.precision, self.scale)


@dataclass(frozen=True)
class Kind:
    """``arrow``: the type handed on. ``fetched``: ``as it is``, as ``text`` or as ``json`` text."""

    arrow: pa.DataType
    fetched: str = "as it is"


_TEXT = Kind(pa.string())
#: Digits of any number, kept as JSON text: Arrow's decimals have one scale for a whole column.
_NUMBER = Kind(JSON, "text")

_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("bigint", "int8", "int64", "integer", "int", "int4", "int32", "long"), Kind(pa.int64())),
    **dict.fromkeys(("smallint", "int2", "tinyint", "byteint", "mediumint"), Kind(pa.int64())),
    **dict.fromkeys(("utinyint", "usmallint", "uinteger", "short", "byte"), Kind(pa.int64())),
    **dict.fromkeys(("hugeint", "ubigint", "uhugeint", "bignum"), _NUMBER),
    **dict.fromkeys(("double precision", "double", "float", "float8", "float64"), Kind(pa.float64())),
    **dict.fromkeys(("real", "float4"), Kind(pa.float32())),
    **dict.fromkeys(("boolean", "bool"), Kind(pa.bool_())),
    **dict.fromkeys(("text", "varchar", "character varying", "char", "character", "string", "bpchar"), _TEXT),
    **dict.fromkeys(("nvarchar", "name"), _TEXT),
    **dict.fromkeys(("json", "jsonb", "super", "variant", "object"), Kind(JSON, "json")),
    "date": Kind(pa.date32()),
    "datetime": Kind(INSTANT),
}

_NUMERICS = frozenset({"numeric", "decimal", "number", "dec", "bignumeric", "bigdecimal"})
_NESTED = re.compile(r"(array|struct|map|row|record|list|union)\b|.*\[\d*\]$")
_DECLARED = re.compile(r"\((\d+)(?:\s*,\s*(\d+))?\)")
_MOST_DIGITS = 38


def kind_of(declared: str, precision: int | None = None, scale: int | None = None) -> Kind:
    """How a column of a declared type is read without losing anything.

    Whatever Arrow has no exact type for is fetched as text, and is JSON where it is a number or an object.
    """
    plain = re.sub(r"\(.*?\)", "", declared.lower()).strip()
    if plain in _NUMERICS:
        if found := _DECLARED.search(declared):
            precision, scale = int(found[1]), int(found[2] or 0)
        return _decimal(precision, scale)
    if plain in _KINDS:
        return _KINDS[plain]
    if plain.startswith("timestamp"):
        return Kind(INSTANT)
    return Kind(JSON, "json") if _NESTED.match(plain) else Kind(pa.string(), "text")


def _decimal(precision: int | None, scale: int | None) -> Kind:
    if precision is None or scale is None or not 0 <= scale <= precision <= _MOST_DIGITS:
        return _NUMBER
    return Kind(pa.decimal128(precision, scale), "text")


def selected(dialect: sa.Dialect, column: Column, prefix: str = "") -> str:
    """What a SELECT says to fetch ``column`` as its kind asks for."""
    warehouse = warehouse_of(dialect)
    name = quoted(dialect, column.name)
    how = {"text": warehouse.as_text, "json": warehouse.as_json}.get(column.kind.fetched)
    if how is None or not warehouse.typed:
        return f"{prefix}{name}"
    return f"{how.format(prefix + name)} AS {name}"
