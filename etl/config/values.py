"""Values as a config writes them: times, durations, URLs, paths. Each a pydantic type with its wording.

What a config asks of a mapping: all five fields. Whether each is a good one is for the lints to say.
"""

from __future__ import annotations

import os.path
import re
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    PlainSerializer,
    SecretStr,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from etl.core.http import is_loopback, is_proxy
from etl.core.subscription import FIELDS
from etl.core.windows import iso_moment

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])")


def wrong(text: str) -> PydanticCustomError:
    """What a validator raises: ``text`` completes "the key …"."""
    return PydanticCustomError("etl", "{text}", {"text": text})


def parse_duration(text: str) -> timedelta:
    """``90s``, ``30m``, ``72h`` or ``33d``.

    Raises:
        ValueError: anything else; the message completes "the key …".
    """
    match = _DURATION.fullmatch(text.strip())
    if not match:
        raise ValueError("should be a duration such as 90s, 30m, 72h or 33d")
    try:
        return timedelta(**{_UNITS[match[2]]: float(match[1])})
    except OverflowError:
        raise ValueError("should be a shorter duration") from None


def duration_text(duration: timedelta) -> str:
    """``3d``, ``90s``: as ``parse_duration`` reads it, in the largest unit that leaves no rest."""
    seconds = duration.total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:g}s"


def parse_time(text: str) -> datetime:
    """An ISO 8601 date or time as aware UTC; without a zone it is UTC.

    Raises:
        ValueError: anything else; the message completes "the key …".
    """
    try:
        moment = iso_moment(text.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("should be a time such as 2026-11-01 or 2026-11-01T06:30:00Z") from None


def _duration(value: Any) -> Any:
    return _parsed(parse_duration, value, timedelta)


def _time(value: Any) -> Any:
    return _parsed(parse_time, value, datetime)


def _parsed(parse: Any, value: Any, kind: type) -> Any:
    if isinstance(value, kind):
        return value
    try:
        return parse(str(value))
    except ValueError as error:
        raise wrong(str(error)) from None


def _base_url(value: Any) -> Any:
    """Https only, http for loopback; nothing that the paths of Metronome's API would not fit behind."""
    url = urlsplit(str(value))
    local = url.scheme == "http" and is_loopback(url.hostname or "")
    if not (url.scheme == "https" and url.hostname) and not local:
        raise wrong("should start with https:// (http:// is for loopback only)")
    if url.username or url.password or url.query or url.fragment:
        raise wrong("should have no user, password, query or fragment")
    if url.path.rstrip("/").endswith("/v1"):
        raise wrong("should leave out /v1: it is added")
    return str(value).rstrip("/")


def _proxy(value: SecretStr) -> SecretStr:
    if not is_proxy(value.get_secret_value()):
        raise wrong("should be an http:// or https:// URL")
    return value


def _location(value: Any, info: ValidationInfo) -> Any:
    if value == "":
        raise wrong("should not be empty")
    return beside_config(value, info) if isinstance(value, str) and "://" not in value else value


def beside_config(path: str, info: ValidationInfo) -> str:
    """``path`` made absolute: relative ones start at the config file (a trailing slash is kept)."""
    directory = (info.context or {}).get("directory", Path())
    absolute = os.path.realpath(Path(directory).absolute() / Path(path).expanduser())
    return f"{absolute}/" if path.endswith("/") else absolute


_DURATION_SCHEMA = {"type": "string", "pattern": r"^\d+(\.\d+)?\s*[smhd]$", "examples": ["72h", "33d"]}
_TIME_SCHEMA = {"type": "string", "examples": ["2026-11-01", "2026-11-01T06:30:00Z"]}

Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(duration_text, return_type=str, when_used="json"),
    WithJsonSchema(_DURATION_SCHEMA),
]
UtcTime = Annotated[datetime, BeforeValidator(_time), WithJsonSchema(_TIME_SCHEMA)]
BaseUrl = Annotated[str, BeforeValidator(_base_url), WithJsonSchema({"type": "string", "format": "uri"})]
ProxyUrl = Annotated[SecretStr, AfterValidator(_proxy)]
Location = Annotated[str, BeforeValidator(_location), WithJsonSchema({"type": "string"})]


#: At the root of a mapping Segment keeps a directive for the mapping as a whole under this key.
INTERNAL_DIRECTIVE = "__segment_internal_directive"


def check_mapping(mapping: Any) -> Any:
    """``mapping`` as it stands; raises pydantic's error unless it is an object that names all five fields.

    A mapping that is one directive as a whole (``{"@merge": …}``) yields its fields only when it runs.
    """
    if not isinstance(mapping, dict):
        raise wrong("should be an object with the five fields; leave it out for Segment's defaults")
    missing = [name for name in FIELDS if name not in mapping]
    if missing and not is_directive(mapping):
        raise wrong(f"should name all five fields, but has no {_listed(missing, mapping)}")
    return mapping


def is_directive(mapping: dict[str, Any]) -> bool:
    """Whether the whole mapping is a directive rather than fields."""
    return INTERNAL_DIRECTIVE in mapping or any(key.startswith("@") for key in mapping)


def _listed(missing: list[str], mapping: dict[str, Any]) -> str:
    strangers = [key for key in mapping if key not in FIELDS]
    return ", ".join(name + _near(name, strangers) for name in missing)


def _near(name: str, strangers: list[str]) -> str:
    match = get_close_matches(name, strangers, n=1)
    return f' (is "{match[0]}" meant?)' if match else ""
