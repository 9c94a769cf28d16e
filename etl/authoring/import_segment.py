"""Moving in from Segment: a destination's subscriptions, as its Public API lists them, as a config of ours.

The answer of ``GET /destinations/{id}/subscriptions`` is ``{"data": {"subscriptions": [{"id", "name", "actionSlug",
"enabled", "trigger", "settings", …}]}}`` (docs.segmentapis.com, Destinations); ``settings`` is the mapping.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from etl.config.document import escape
from etl.config.values import is_directive
from etl.core.errors import ConfigError
from etl.core.subscription import FIELDS

#: What Segment calls the one action of "Metronome (Actions)".
ACTION = "sendEvent"
_LONGEST_NAME = 128
#: Characters JSON may hold as they are and YAML may not, or takes for line breaks.
_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")

_HEAD = """\
# Made by `etl import-segment` from the subscriptions of a Segment destination. Triggers and mappings are Segment's,
# as they stand. Put in where the events are and what is billed, then run `etl check` on this file.
pipeline: segment-import          # a stable name: state is kept under it
source:
  type: parquet                   # or warehouse, or logs: see docs/configuration.md
  path: exports/tracks/
  # start: 2026-11-01             # where the first scheduled run begins
subscriptions:
"""
_TAIL = """\
destination:
  account: production             # which Metronome account or environment this bills
  api_token: ${METRONOME_BEARER_TOKEN}
state:
  url: sqlite:///state/etl.db
"""


@dataclass(frozen=True)
class _Entry:
    """One subscription in YAML, and why it is commented out (None = it is not)."""

    text: str
    note: str | None


def import_segment(text: str) -> str:
    """A config (YAML text with comments) for Segment's answer, given as JSON ``text``.

    Subscriptions that Segment would not send with are commented out with the reason; those of other actions are only
    named. Names are made unique. ``load_config`` accepts the result.

    Raises:
        ConfigError: the text is no such answer, is one page of several, or has no subscription that is enabled.
    """
    subscriptions = _subscriptions(_parsed(text))
    names = _unique_names(subscriptions)
    entries = [_entry(one, name) for one, name in zip(subscriptions, names, strict=True)]
    if not any(entry.note is None for entry in entries):
        reasons = "; ".join(f"{_quoted(n)} {entry.note}" for n, entry in zip(names, entries, strict=True))
        raise ConfigError(f"none of Segment's subscriptions can be taken over: {reasons or 'there are none'}")
    return _HEAD + "".join(map(_written, entries)) + _TAIL


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = str(error)
    raise ConfigError(f"Segment's answer is not JSON: {reason}")


def _subscriptions(answer: Any) -> list[dict[str, Any]]:
    """The list inside the answer, whether all of the answer was saved or a part of it."""
    while isinstance(answer, dict) and isinstance(answer.get("data"), dict | list):
        answer = answer["data"]
    if isinstance(answer, dict) and (answer.get("pagination") or {}).get("next"):
        raise ConfigError("this is one page of several: ask Segment for all with ?pagination.count=200")
    if isinstance(answer, dict):
        answer = answer.get("subscriptions", [answer["subscription"]] if "subscription" in answer else None)
    if not isinstance(answer, list) or not all(isinstance(one, dict) for one in answer):
        raise ConfigError(
            'this is not what Segment answers to GET /destinations/{id}/subscriptions: it has no "subscriptions" list'
        )
    return answer


def _unique_names(subscriptions: list[dict[str, Any]]) -> list[str]:
    names: list[str] = []
    for number, one in enumerate(subscriptions, 1):
        words = str(one.get("name") or "").split() or ["Subscription", str(number)]
        plain = " ".join(words)[:_LONGEST_NAME].strip()
        name, count = plain, 1
        while name in names:
            count += 1
            name = f"{plain[: _LONGEST_NAME - 6]} ({count})"
        names.append(name)
    return names


def _mapping(subscription: dict[str, Any]) -> Any:
    return next(
        (subscription[key] for key in ("mappings", "mapping", "settings") if subscription.get(key)), {}
    )


def _entry(subscription: dict[str, Any], name: str) -> _Entry:
    mapping = _mapping(subscription)
    note = _note(subscription, mapping)
    lines = [
        f"  - name: {_yaml(name)}{_origin(subscription)}",
        f"    trigger: {_yaml(subscription.get('trigger'))}",
    ]
    if note is not None and note.startswith("belongs to"):
        return _Entry(f"  - {_quoted(name)}", note)
    if not mapping:
        return _Entry("\n".join([*lines, "    # No mapping of its own: Segment's defaults."]), note)
    if not isinstance(mapping, dict):
        return _Entry("\n".join([*lines, f"    mapping: {_yaml(mapping)}"]), note)
    fields = [f"      {_key(field)}: {_yaml(value)}" for field, value in mapping.items()]
    return _Entry("\n".join([*lines, "    mapping:", *fields]), note)


def _note(subscription: dict[str, Any], mapping: Any) -> str | None:
    """Why a subscription is not taken over; None when it is."""
    missing = [field for field in FIELDS if field not in mapping] if isinstance(mapping, dict) else []
    action = subscription.get("actionSlug") or ACTION
    trigger = subscription.get("trigger")
    if str(action).lower() != ACTION.lower() and (missing or not mapping):
        return f"belongs to another action, {_quoted(str(action))}"
    if subscription.get("enabled") is False:
        return "is disabled in Segment"
    if not isinstance(trigger, str) or not trigger:
        return "has no trigger, so Segment sends nothing with it"
    if not isinstance(mapping, dict):
        return "has a mapping that is no object, so Segment rejects every event"
    if mapping and missing and not is_directive(mapping):
        return f"maps no {', '.join(missing)}, so Segment rejects every event"
    return None


def _origin(subscription: dict[str, Any]) -> str:
    known = {"Segment's": subscription.get("id"), "action": subscription.get("actionSlug")}
    words = [f"{word} {_quoted(str(value))}" for word, value in known.items() if value]
    return f"   # {', '.join(words)}" if words else ""


def _written(entry: _Entry) -> str:
    if entry.note is None:
        return f"{entry.text}\n"
    commented = "".join(f"  #{line[1:]}\n" for line in entry.text.splitlines())
    return f"  # Left out: it {entry.note}.\n{commented}"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[a-z]\w*", name, re.ASCII) else _quoted(name)


def _yaml(value: Any) -> str:
    """A value as JSON, which YAML reads the same; references are escaped so that they stay text."""
    return _quoted(_escaped(value))


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, dict):
        return {key: _escaped(item) for key, item in value.items()}
    return [_escaped(item) for item in value] if isinstance(value, list) else value


def _quoted(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = ""
    if not text:
        raise ConfigError("a mapping holds a number too large for JSON")
    return _UNSAFE.sub(lambda char: f"\\u{ord(char[0]):04x}", text)
