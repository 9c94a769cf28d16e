"""Usage events that were recorded elsewhere: what Segment delivered, or what Metronome says it has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from etl.authoring.inputs import tables
from etl.core.errors import ConfigError
from etl.core.subscription import FIELDS
from etl.core.windows import rfc3339
from etl.transform.json.text import parse as parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Where a record keeps the usage event, or several: a delivery log's request, Metronome's answer.
_WRAPPERS = ("payload", "body", "data")


@dataclass(frozen=True)
class Recorded:
    """A usage event; ``updated``: for exports that hold several states of one, the newest of which counts."""

    transaction_id: str
    body: dict[str, Any]
    updated: str = ""


def read_recorded(source: str | Sequence[Any]) -> dict[str, Recorded]:
    """transaction_id → the usage event, from a file or from JSON values.

    A file is JSON lines (gzipped or not), one JSON document, or Parquet; a record is a usage event, an object that
    holds one or several under ``payload``, ``body`` or ``data`` (as JSON or as its text), or a row of Metronome's
    ``events`` export. Of records with the same id the first counts, or the one with the newest ``updated_at``.

    Raises:
        ConfigError: the file cannot be read; a record holds no usage event, naming where it is.
    """
    found: dict[str, Recorded] = {}
    for where, record in _records(source):
        for one in _usage_events(where, record):
            known = found.get(one.transaction_id)
            if known is None or one.updated > known.updated:
                found[one.transaction_id] = one
    return found


def _records(source: str | Sequence[Any]) -> Iterator[tuple[str, Any]]:
    if not isinstance(source, str):
        yield from ((f"record {number}", record) for number, record in enumerate(source, 1))
        return
    document = _document(source)
    rows = [document] if document is not None else _rows(source)
    yield from ((f"{source}: record {number}", record) for number, record in enumerate(rows, 1))


def _document(path: str) -> Any:
    """The value of a file that is one JSON document; None if it is none."""
    try:
        return parse_json(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _rows(path: str) -> Iterator[Any]:
    for batch in tables(path):
        yield from batch.to_pylist() if isinstance(batch, pa.Table) else batch


def _usage_events(where: str, record: Any, *, wrapped: bool = False) -> Iterator[Recorded]:
    record = _parsed(record)
    if isinstance(record, list):
        for one in record:
            yield from _usage_events(where, one, wrapped=wrapped)
        return
    if not isinstance(record, dict):
        raise ConfigError(f"{where} holds no usage event: it is no object")
    inner = next((record[name] for name in _WRAPPERS if record.get(name) is not None), None)
    if isinstance(record.get("transaction_id"), str):
        yield _recorded(record, every_key=wrapped)
    elif inner is not None:
        yield from _usage_events(where, inner, wrapped=True)
    else:
        raise ConfigError(f"{where} holds no usage event: it has neither transaction_id nor payload")


def _recorded(record: dict[str, Any], *, every_key: bool) -> Recorded:
    """Keys that Metronome adds to what it shows are left out; a payload counts whole."""
    body = {key: _plain(value) for key, value in record.items() if every_key or key in FIELDS}
    body["properties"] = _parsed(body.get("properties"))
    if body["properties"] is None:
        del body["properties"]
    return Recorded(record["transaction_id"], body, str(_plain(record.get("updated_at", ""))))


def _plain(value: Any) -> Any:
    return rfc3339(value) if isinstance(value, datetime) else value


def _parsed(value: Any) -> Any:
    """JSON text as its value; anything else as it is."""
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return parse_json(value)
    except ValueError:
        return value
