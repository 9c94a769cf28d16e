"""What a config asks of a mapping: all five fields. Whether each is a good one is for the lints to say."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from etl.config.values import wrong
from etl.subscription import FIELDS

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
