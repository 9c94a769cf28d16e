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

# The shape of an RFC 3339 timestamp, with 0 for any digit: a batch has few shapes, so few texts are matched.
_RFC3339 = re.compile(rb"0000-00-00T00:00:00(?:\.0+)?(?:Z|[+-]00:00)").fullmatch
_ANY_DIGIT = bytes.maketrans(b"123456789", b"000000000")


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
    if type(batch) is not list:
        raise Refusal(400, "Request body must be an array of events")
    if not 1 <= len(batch) <= MAX_EVENTS:
        raise Refusal(400, f"Request body must hold 1 to {MAX_EVENTS} events, not {len(batch)}")
    if problem(batch, limits) is not None:
        reasons = ((position, problem([event], limits)) for position, event in enumerate(batch))
        raise Refusal(400, next(f"[{position}]{reason}" for position, reason in reasons if reason))
    return [event["transaction_id"] for event in batch]


def problem(events: list[Any], limits: Limits) -> str | None:
    """The first rule that some event breaks, the field first; None if all are valid.

    Field by field over all events: twice as fast as event by event.
    """
    if not _all_are(dict, events):
        return " must be an object"
    ids = [event.get("transaction_id") for event in events]
    if not _all_are(str, ids) or not all(ids) or max(map(len, ids)) > MAX_ID_LENGTH:
        return f".transaction_id must be a string of 1 to {MAX_ID_LENGTH} characters"
    for field in ("customer_id", "event_type"):
        names = [event.get(field) for event in events]
        if not _all_are(str, names) or not all(names):
            return f".{field} must be a non-empty string"
    properties = [event.get("properties", _NO_PROPERTIES) for event in events]
    if not _all_are(dict, properties):
        return ".properties must be an object"
    poisoned = [POISON_KEY in values for values in properties]
    if any(poisoned) or (limits.poison_prefix and any(i.startswith(limits.poison_prefix) for i in ids)):
        return " is not acceptable"
    return _timestamp_problem([event.get("timestamp") for event in events], limits)


_NO_PROPERTIES: dict[str, Any] = {}


def _all_are(kind: type, values: list[Any]) -> bool:
    return set(map(type, values)) == {kind}


def _timestamp_problem(texts: list[Any], limits: Limits) -> str | None:
    times = _times(texts) if _all_are(str, texts) else None
    if times is None:
        return ".timestamp must be an RFC 3339 timestamp"
    if min(times) < limits.oldest:
        return ".timestamp is more than 34 days in the past"
    if max(times) > limits.newest:
        return ".timestamp is more than 24 hours in the future"
    return None


def _times(texts: list[str]) -> list[datetime] | None:
    """The instants of RFC 3339 texts; None if some text is none."""
    shapes = "\n".join(texts).encode(errors="replace").translate(_ANY_DIGIT).split(b"\n")
    if len(shapes) != len(texts) or not all(map(_RFC3339, set(shapes))):
        return None
    try:
        # Hour 24 is no hour of RFC 3339, but one of datetime.fromisoformat from Python 3.13 on.
        return None if "T24" in "".join(texts) else list(map(datetime.fromisoformat, texts))
    except ValueError:
        return None
