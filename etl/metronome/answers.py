"""What each answer of Metronome's ingest means for the usage events of a request. Pure.

The rules are those of ``docs/delivery.md``, from Metronome's API reference ("Status codes", "Send usage events").
An answer not listed there is never guessed at: the run stops, and nothing of the request is recorded.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

import orjson

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

#: ``sent``: every event was accepted. ``halve``: an event is bad, or the body too large: find out which.
#: ``retry``: nothing is known, send the same ids again. ``stop``: no later request would fare better.
Action = Literal["sent", "halve", "retry", "stop"]

#: The longest wait a ``Retry-After`` may ask for, in seconds.
LONGEST_WAIT = 300.0

_MESSAGE_LENGTH = 200
_FIELDS = frozenset({"transaction_id", "customer_id", "timestamp", "event_type", "properties"})
#: Text that may echo an event: JSON objects, quoted strings; unclosed ones to the end.
_ECHOES = re.compile(
    r"""\{.*\}|\{.*|"(?:[^"\\]|\\.)*"|".*|(?<!\w)'[^']*'(?!\w)|`[^`]*`""",
    re.DOTALL,
)


@dataclass(frozen=True)
class NoAnswer:
    """A request that failed on its way: whether Metronome took the events is not known."""

    reason: str


@dataclass(frozen=True)
class Answer:
    """A response: ``content_type`` in lower case, without parameters; ``body`` may be cut short."""

    status: int
    content_type: str = ""
    retry_after: str | None = None
    body: bytes = b""


def judge(answer: Answer) -> Action:
    """What to do after this answer to a request that carried at least one usage event."""
    if answer.status == HTTPStatus.OK:
        return "stop" if _not_metronome(answer) else "sent"
    if answer.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE):
        return "halve"
    if answer.status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS) or answer.status >= 500:
        return "retry"
    return "stop"


def _not_metronome(answer: Answer) -> str:
    """Why a 200 cannot be Metronome's (a proxy or a login page may answer for it); empty if it can.

    Metronome documents no body for 200, so an empty one, JSON and plain text are all taken.
    """
    if not answer.body.strip():
        return ""
    if is_web_page(answer):
        return "with a web page in it"
    if answer.content_type.endswith("json") and _parsed(answer.body) is _BROKEN:
        return "with a body that is not the JSON it claims to be"
    return ""


def is_web_page(answer: Answer) -> bool:
    """Whether the body is HTML or XML by its type or its first character; an empty body is neither."""
    text = answer.body.lstrip(b"\xef\xbb\xbf \t\r\n")
    return bool(text) and ("html" in answer.content_type or text.startswith(b"<"))


def describe(answer: Answer, secrets: Collection[str] = ()) -> str:
    """``"400: <message>"``, or the status and its standard phrase where the body has no message.

    One line that quotes no event: ``secrets`` are words to black out, see :func:`clean`.
    """
    if answer.status == HTTPStatus.OK:
        return f"200 {_not_metronome(answer)}".rstrip()
    message = clean(_message(answer), secrets)
    if message:
        return f"{answer.status}: {message}"
    try:
        return f"{answer.status} {HTTPStatus(answer.status).phrase}"
    except ValueError:
        return str(answer.status)


_BROKEN = object()


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return _BROKEN


def _message(answer: Answer) -> str:
    """Metronome's errors are ``{"message": "..."}``; any other shape has none."""
    parsed = _parsed(answer.body)
    message = parsed.get("message") if isinstance(parsed, dict) else None
    return message if isinstance(message, str) else ""


def clean(message: str, secrets: Collection[str] = ()) -> str:
    """A server's message without what it may have copied from an event: one line, at most 200 characters.

    Objects and quoted texts become ``…`` (field names of a usage event stay), and so does every whole word that
    is one of ``secrets``: the property values of the events that were sent.
    """
    text = _ECHOES.sub(_black_out, message)
    for secret in sorted(secrets, key=len, reverse=True):
        if secret in text:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "…", text)
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= _MESSAGE_LENGTH else text[: _MESSAGE_LENGTH - 1] + "…"


def _black_out(echo: re.Match[str]) -> str:
    return echo[0] if echo[0][1:-1] in _FIELDS else "…"


def property_values(bodies: Iterable[str]) -> set[str]:
    """The texts and numbers in the ``properties`` of usage events, as a message might repeat them."""
    return {value for body in bodies for value in _leaves(_properties(body))}


def _properties(body: str) -> Any:
    return json.loads(body, parse_float=str, parse_int=str).get("properties")


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _leaves(item)
    elif isinstance(value, str) and value.strip():
        yield value


def retry_after(header: str | None, now: datetime) -> float:
    """Seconds that a ``Retry-After`` (seconds or an HTTP date, RFC 9110) asks to wait: 0 to 300, 0 if unreadable."""
    if header is None:
        return 0.0
    try:
        seconds = float(header)
    except ValueError:
        seconds = _seconds_until(header, now)
    return min(max(seconds, 0.0), LONGEST_WAIT) if seconds == seconds else 0.0  # noqa: PLR0124 - NaN


def _seconds_until(date: str, now: datetime) -> float:
    try:
        due = parsedate_to_datetime(date)
    except ValueError:
        return 0.0
    return (due.replace(tzinfo=due.tzinfo or UTC) - now).total_seconds()
