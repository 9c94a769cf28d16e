"""What Segment checks of a mapping before any event, with its own messages. Pure.

Source: segmentio/action-destinations, ``validate.ts`` of its mapping kit. A problem reads ``/<JSON path> <what is
wrong>.``; items of arrays are not looked at.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from etl.transform.javascript.values import javascript_order, kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from etl.transform.mapping.directive import Directive

    Check = Callable[[Any, "Place"], list[str]]

METADATA = "_metadata"


@dataclass(frozen=True)
class Place:
    """Where in a mapping a check stands, and the directives that may stand there."""

    directives: Mapping[str, Directive]
    path: tuple[str, ...] = ()

    def within(self, key: str) -> Place:
        """The place of a member."""
        return replace(self, path=(*self.path, key))

    def problem(self, text: str) -> list[str]:
        """The one problem of this place; ``text`` completes "the value …"."""
        return [f"/{'/'.join(self.path)} {text}."]


def problems(mapping: Any, place: Place) -> list[str]:
    """Everything Segment reports about ``mapping``; any problem fails every event."""
    match _kind(mapping):
        case "directive":
            return raw(mapping, place)
        case "object":
            return _object(mapping, place)
    return []


def is_directive(mapping: Any) -> bool:
    """Whether Segment runs an object as a directive: an ``@`` key, and beside such keys at most ``_metadata``."""
    if not isinstance(mapping, dict) or not any(key.startswith("@") for key in mapping):
        return False
    return all(key.startswith("@") or key == METADATA for key in mapping)


# ------------------------------------------------------------------------------------ checks of a value


def raw(value: Any, place: Place) -> list[str]:
    """Anything; a directive must be a valid one."""
    if _kind(value) != "directive":
        return []
    names = [key for key in value if key.startswith("@")]
    others = [key for key in value if not key.startswith("@") and key != METADATA]
    if len(names) > 1 or others:
        count = len(names) if len(names) > 1 else len(value)
        return place.problem(f"should only have one @-prefixed key but it has {count} keys")
    if names[0] not in place.directives:
        return place.problem(f"has an invalid directive: {names[0]}")
    return place.directives[names[0]].check(value[names[0]], place.within(names[0]))


def string(value: Any, place: Place) -> list[str]:
    """A string."""
    return [] if isinstance(value, str) else place.problem(f"should be a string but {_it_is(value)}")


def boolean(value: Any, place: Place) -> list[str]:
    """A boolean."""
    return [] if isinstance(value, bool) else place.problem(f"should be a boolean but {_it_is(value)}")


def array(value: Any, place: Place) -> list[str]:
    """An array, whatever its items are."""
    return [] if isinstance(value, list) else place.problem(f"should be an array but {_it_is(value, kind)}")


def one_of(*allowed: str) -> Check:
    """One of some strings, in any case."""
    return partial(_one_of, allowed=allowed)


def string_or_directive(value: Any, place: Place) -> list[str]:
    """A string, or a directive."""
    if isinstance(value, str) or _kind(value) == "directive":
        return raw(value, place)
    return place.problem(f"should be a string or a mapping directive but {_it_is(value)}")


def object_or_directive(value: Any, place: Place) -> list[str]:
    """An object whose members are valid, or a directive."""
    if _kind(value) in {"directive", "object"}:
        return problems(value, place)
    return place.problem(f"should be a object or a mapping directive but {_it_is(value)}")


def _one_of(value: Any, place: Place, *, allowed: tuple[str, ...]) -> list[str]:
    if wrong := string(value, place):
        return wrong
    if value.lower() in allowed:
        return []
    quoted = json.dumps(value, ensure_ascii=False)
    return place.problem(f"should be one of {', '.join(allowed)} but it is {quoted}")


def _object(value: Any, place: Place) -> list[str]:
    if _kind(value) != "object":
        return place.problem(f"should be an object but {_it_is(value)}")
    return [problem for key in javascript_order(value) for problem in problems(value[key], place.within(key))]


def _kind(value: Any) -> str:
    if isinstance(value, dict) and any(key.startswith("@") for key in value):
        return "directive"
    return kind(value)


def _it_is(value: Any, kind_of: Callable[[Any], str] = _kind) -> str:
    name = kind_of(value)
    return f"it is {'an' if name[0] in 'aeiou' else 'a'} {name}"


# ----------------------------------------------------------------------------------- checks of members


@dataclass(frozen=True)
class Member:
    """How a member of an object is checked."""

    check: Check
    required: bool


def required(check: Check) -> Member:
    """A member that must be there."""
    return Member(check, required=True)


def optional(check: Check) -> Member:
    """A member that may be missing."""
    return Member(check, required=False)


def members(**checks: Member) -> Check:
    """An object with these members, in the order of Segment's messages. ``else_`` is ``else``, ``global_`` ``global``."""
    named = {name.rstrip("_"): member for name, member in checks.items()}
    return lambda value, place: _members(value, place, named)


def _members(value: Any, place: Place, checks: Mapping[str, Member]) -> list[str]:
    if wrong := _object(value, place):
        return wrong
    return [problem for name, member in checks.items() for problem in _member(value, place, name, member)]


def _member(value: dict[str, Any], place: Place, name: str, member: Member) -> list[str]:
    if name in value:
        return member.check(value[name], place.within(name))
    return place.problem(f"should have field {json.dumps(name)} but it doesn't") if member.required else []
