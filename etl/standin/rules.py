"""Metronome's documented rules for ``POST /v1/ingest``: what a request may hold.

Where its documents are silent, the stricter reading is taken: a stand-in that forgives would hide what
production refuses. Nothing here keeps state; what was accepted before is the ledger's business.
"""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NoReturn

import orjson

MAX_EVENTS = 100
MAX_ID_LENGTH = 128
#: An event may be this old, and an accepted transaction_id is remembered for as long.
PAST = timedelta(days=34)
FUTURE = timedelta(hours=24)
#: An event whose properties have this key is refused, for tests of how a refused event is isolated.
POISON_KEY = "__poison__"

# Hours end at 23 here, because datetime.fromisoformat takes 24:00 from Python 3.13 on.
_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt](?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
).fullmatch


class Refusal(Exception):  # noqa: N818 - an answer, not a failure of the stand-in
    """An answer other than 200: ``status`` and the ``message`` of its JSON body."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True)
class Limits:
    """What is acceptable now: timestamps in ``[oldest, newest]``, and ids without ``poison_prefix``."""

    oldest: datetime
    newest: datetime
    poison_prefix: str | None = None

    @classmethod
    def at(cls, now: datetime, poison_prefix: str | None = None) -> Limits:
        """34 days back and 24 hours ahead of ``now``."""
        return cls(now - PAST, now + FUTURE, poison_prefix)


def decoded(body: bytes, encoding: str, limit: int) -> bytes:
    """The request's body without its ``Content-Encoding``; refuses more than ``limit`` bytes (413)."""
    if encoding == "gzip":
        body = _gunzipped(body, limit)
    elif encoding not in {"", "identity"}:
        raise Refusal(415, f"Content-Encoding {encoding!r} is not supported")
    if len(body) > limit:
        raise Refusal(413, f"Request body exceeds {limit} bytes")
    return body


def _gunzipped(body: bytes, limit: int) -> bytes:
    inflate = zlib.decompressobj(wbits=31)
    try:
        text = inflate.decompress(body, limit + 1)
    except zlib.error:
        raise Refusal(400, "Request body is not valid gzip") from None
    if len(text) <= limit and (not inflate.eof or inflate.unused_data):
        raise Refusal(400, "Request body is not valid gzip")
    return text


def parsed(body: bytes) -> Any:
    """JSON to Python values; refuses what is no JSON (400)."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return _parsed_leniently(body)


def _parsed_leniently(body: bytes) -> Any:
    # orjson refuses lone surrogates and 1e400, which are JSON by its grammar.
    try:
        return json.loads(body, parse_constant=_not_json)
    except (ValueError, RecursionError):
        raise Refusal(400, "Request body is not valid JSON") from None


def _not_json(constant: str) -> NoReturn:
    raise ValueError(constant)


def batch_ids(batch: Any, limits: Limits) -> list[str]:
    """The transaction_ids of a batch of 1 to 100 valid events, in order; one bad event refuses all (400)."""
    if not isinstance(batch, list):
        raise Refusal(400, "Request body must be an array of events")
    if not 1 <= len(batch) <= MAX_EVENTS:
        raise Refusal(400, f"Request body must hold 1 to {MAX_EVENTS} events, not {len(batch)}")
    ids = []
    for position, event in enumerate(batch):
        problem = event_problem(event, limits)
        if problem is not None:
            raise Refusal(400, f"[{position}]{problem}")
        ids.append(event["transaction_id"])
    return ids


def event_problem(event: Any, limits: Limits) -> str | None:  # noqa: PLR0911 - one per rule
    """What is wrong with one event, the field first; None if nothing is."""
    if type(event) is not dict:
        return " must be an object"
    get = event.get
    transaction_id = get("transaction_id")
    if type(transaction_id) is not str or not 0 < len(transaction_id) <= MAX_ID_LENGTH:
        return f".transaction_id must be a string of 1 to {MAX_ID_LENGTH} characters"
    customer_id = get("customer_id")
    if type(customer_id) is not str or not customer_id:
        return ".customer_id must be a non-empty string"
    event_type = get("event_type")
    if type(event_type) is not str or not event_type:
        return ".event_type must be a non-empty string"
    properties = get("properties", _NO_PROPERTIES)
    if type(properties) is not dict:
        return ".properties must be an object"
    if POISON_KEY in properties or (limits.poison_prefix and transaction_id.startswith(limits.poison_prefix)):
        return " is not acceptable"
    return _timestamp_problem(get("timestamp"), limits)


_NO_PROPERTIES: dict[str, Any] = {}


def _timestamp_problem(text: Any, limits: Limits) -> str | None:
    if type(text) is not str or _RFC3339(text) is None:
        return ".timestamp must be an RFC 3339 timestamp"
    try:
        at = datetime.fromisoformat(text.upper())
    except ValueError:
        return ".timestamp must be an RFC 3339 timestamp"
    if at < limits.oldest:
        return ".timestamp is more than 34 days in the past"
    if at > limits.newest:
        return ".timestamp is more than 24 hours in the future"
    return None
