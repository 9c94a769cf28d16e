"""What each answer of Metronome's ingest means for the usage events of a request. Pure.

The rules are those of ``docs/delivery.md``, from Metronome's API reference ("Status codes", "Send usage events").
An answer not listed there is never guessed at: the run stops, and nothing of the request is recorded.
"""

from __future__ import annotations

import html
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

#: What confirms a request: the whole answer, or its status alone.
Confirm = Literal["answer", "status"]

#: The longest wait a ``Retry-After`` may ask for, in seconds.
LONGEST_WAIT = 300.0

_MESSAGE_LENGTH = 200
_CONSENT = frozenset({"ok", "accepted", "success"})
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


def judge(answer: Answer, events: int, confirm: Confirm = "answer") -> Action:
    """What to do after this answer to a request that carried so many usage events."""
    if answer.status == HTTPStatus.OK:
        return "sent" if confirm == "status" or not doubt(answer, events) else "stop"
    if answer.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE):
        return "halve"
    if answer.status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS) or answer.status >= 500:
        return "retry"
    return "stop"


def doubt(answer: Answer, events: int) -> str:
    """Why this 200 does not confirm that many events; empty if it does.

    Metronome's API reference has no body for it, so an empty one does, and JSON without an error at its top, and a bare
    word of consent. A proxy or a login page may answer with anything else.
    """
    text = _text(answer)
    if not text or text.lower() in _CONSENT:
        return ""
    if is_web_page(answer):
        return "with a web page in it"
    parsed = _parsed(answer.body)
    if parsed is _BROKEN:
        json_begins = answer.content_type.endswith("json") or text[0] in "{["
        return "with broken JSON in it" if json_begins else "with a text in it that confirms nothing"
    if not isinstance(parsed, dict | list):
        consent = parsed is None or parsed is True or str(parsed).strip().lower() in _CONSENT
        return "" if consent else "with a value in it that confirms nothing"
    tops = [part for part in (parsed if isinstance(parsed, list) else [parsed]) if isinstance(part, dict)]
    return next((error for top in tops if (error := _error_at_top(top, events))), "")


def _error_at_top(top: dict[str, Any], events: int) -> str:
    """Which key of the object says that not all was accepted; empty if none does."""
    for name in ("error", "errors"):
        if top.get(name):
            return f"with {name} in it"
    for name in ("statusCode", "status"):
        if _number(top.get(name), 0.0) >= HTTPStatus.BAD_REQUEST:
            return f"with the {name} of a failure in it"
    accepted = top.get("accepted")
    if accepted is False or _number(accepted, events) < events:
        return "with fewer accepted events in it than were sent"
    return ""


def _number(value: Any, otherwise: float) -> float:
    """``value`` as a number, also where JSON has it as text; ``otherwise`` where it is none."""
    try:
        return otherwise if value is None or isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return otherwise


def is_web_page(answer: Answer) -> bool:
    """Whether the body is HTML or XML by its type or its first character; an empty body is neither."""
    text = _text(answer)
    return bool(text) and ("html" in answer.content_type or text.startswith("<"))


def _text(answer: Answer) -> str:
    return answer.body.removeprefix(b"\xef\xbb\xbf").decode(errors="replace").strip()


def describe(answer: Answer, secrets: Collection[str] = ()) -> str:
    """``"400: <message>"``, or the status and its standard phrase where the body has no message.

    One line that quotes no event: ``secrets`` are words to black out, see :func:`clean`.
    """
    message = clean(_message(answer), secrets)
    if message:
        return f"{answer.status}: {message}"
    try:
        return f"{answer.status} {HTTPStatus(answer.status).phrase}"
    except ValueError:
        return str(answer.status)


def excerpt(answer: Answer, secrets: Collection[str]) -> str:
    """The body's first 200 characters, one line; properties of events in it and ``secrets`` are blacked out."""
    parsed = _parsed(answer.body)
    known = parsed is not _BROKEN
    text = json.dumps(_without_properties(parsed), ensure_ascii=False) if known else _text(answer)
    return _shortened(_without(text, {form for secret in secrets for form in _written(secret)}))


def _without_properties(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_properties(item) for item in value]
    if isinstance(value, dict):
        return {k: "…" if k == "properties" else _without_properties(v) for k, v in value.items()}
    return value


def _written(secret: str) -> set[str]:
    """How a JSON text or a web page may have it."""
    return {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        html.escape(secret),
    }


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
    return _shortened(_without(_ECHOES.sub(_black_out, message), secrets))


def _without(text: str, secrets: Collection[str]) -> str:
    for secret in sorted(secrets, key=len, reverse=True):
        if secret in text:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "…", text)
    return text


def _shortened(text: str) -> str:
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
