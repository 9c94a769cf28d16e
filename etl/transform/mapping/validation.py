"""What Segment finds wrong with a mapping before it looks at any event, in Segment's own words. Pure.

Source: SEGMENT_SEMANTICS §5. A problem reads ``/<JSON path> <what is wrong>.``; items of arrays are not looked at.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from etl.transform.javascript import units
from etl.transform.javascript.values import UNDEFINED, javascript_order, kind

if TYPE_CHECKING:
    from collections.abc import Callable

    Stack = tuple[str, ...]
    Check = Callable[[Any, Stack], list[str]]

METADATA = "_metadata"
#: UTF-16 units that ``pattern`` and ``replacement`` of ``@replace`` may have.
MAX_REPLACE = 10


def problems(mapping: Any, stack: Stack = ()) -> list[str]:
    """Everything Segment would report about ``mapping``; any problem fails every event."""
    match _kind(mapping):
        case "directive":
            return _directive(mapping, stack)
        case "object":
            return _object(mapping, stack)
    return []


def is_directive(mapping: Any) -> bool:
    """Whether Segment runs an object as a directive: an ``@`` key, and beside such keys at most ``_metadata``."""
    if not isinstance(mapping, dict) or not any(key.startswith("@") for key in mapping):
        return False
    return all(key.startswith("@") or key == METADATA for key in mapping)


# --------------------------------------------------------------------------------------------- of any kind


def _kind(value: Any) -> str:
    if isinstance(value, dict) and any(key.startswith("@") for key in value):
        return "directive"
    return kind(value)


def _problem(stack: Stack, text: str) -> list[str]:
    return [f"/{'/'.join(stack)} {text}."]


def _it_is(value: Any) -> str:
    found = _kind(value)
    return f"it is {'an' if found[0] in 'aeiou' else 'a'} {found}"


def _directive(mapping: dict[str, Any], stack: Stack) -> list[str]:
    names = [key for key in mapping if key.startswith("@")]
    others = [key for key in mapping if not key.startswith("@") and key != METADATA]
    if len(names) > 1 or others:
        count = len(names) if len(names) > 1 else len(mapping)
        return _problem(stack, f"should only have one @-prefixed key but it has {count} keys")
    check = _DIRECTIVES.get(names[0])
    if check is None:
        return _problem(stack, f"has an invalid directive: {names[0]}")
    return check(mapping[names[0]], (*stack, names[0]))


def _object(value: Any, stack: Stack) -> list[str]:
    if _kind(value) != "object":
        return _problem(stack, f"should be an object but {_it_is(value)}")
    return [found for key in javascript_order(value) for found in problems(value[key], (*stack, key))]


def _array(value: Any, stack: Stack) -> list[str]:
    if isinstance(value, list):
        return []
    found = kind(value)
    return _problem(stack, f"should be an array but it is {'an' if found[0] in 'aeiou' else 'a'} {found}")


def _string(value: Any, stack: Stack) -> list[str]:
    return [] if isinstance(value, str) else _problem(stack, f"should be a string but {_it_is(value)}")


def _boolean(value: Any, stack: Stack) -> list[str]:
    return [] if isinstance(value, bool) else _problem(stack, f"should be a boolean but {_it_is(value)}")


def _raw(value: Any, stack: Stack) -> list[str]:
    return _directive(value, stack) if _kind(value) == "directive" else []


def _string_or_directive(value: Any, stack: Stack) -> list[str]:
    if _kind(value) == "directive":
        return _directive(value, stack)
    if isinstance(value, str):
        return []
    return _problem(stack, f"should be a string or a mapping directive but {_it_is(value)}")


def _object_or_directive(value: Any, stack: Stack) -> list[str]:
    match _kind(value):
        case "directive":
            return _directive(value, stack)
        case "object":
            return _object(value, stack)
    return _problem(stack, f"should be a object or a mapping directive but {_it_is(value)}")


def _length(value: Any, stack: Stack, *, least: int) -> list[str]:
    if found := _string(value, stack):
        return found
    if len(units(value)) < least:
        return _problem(stack, f"should be a string of length {least} or greater")
    if len(units(value)) > MAX_REPLACE:
        return _problem(stack, f"should be a string of length {MAX_REPLACE} or less")
    return []


def _one_of(value: Any, stack: Stack, *, allowed: tuple[str, ...]) -> list[str]:
    if found := _string(value, stack):
        return found
    if value.lower() in allowed:
        return []
    quoted = json.dumps(value, ensure_ascii=False)
    return _problem(stack, f"should be one of {', '.join(allowed)} but it is {quoted}")


# ------------------------------------------------------------------------------------------ of directives


def _field(value: dict[str, Any], stack: Stack, name: str, check: Check, required: bool) -> list[str]:
    if name in value:
        return check(value[name], (*stack, name))
    return _problem(stack, f"should have field {json.dumps(name)} but it doesn't") if required else []


def _array_path(value: Any, stack: Stack) -> list[str]:
    if found := _array(value, stack):
        return found
    path, shape = [*value, UNDEFINED, UNDEFINED][:2]
    return _string_or_directive(path, stack) or problems(shape, stack)


def _merge(value: Any, stack: Stack) -> list[str]:
    direction: Check = partial(_one_of, allowed=("left", "right"))
    if found := _fields(value, stack, {"direction": (direction, False), "objects": (_array, True)}):
        return found
    return next((found for member in value["objects"] if (found := _object_or_directive(member, ()))), [])


def _fields(value: Any, stack: Stack, fields: dict[str, tuple[Check, bool]]) -> list[str]:
    if found := _object(value, stack):
        return found
    checks = fields.items()
    return [
        found for name, (check, required) in checks for found in _field(value, stack, name, check, required)
    ]


def _with_fields(**fields: tuple[Check, bool]) -> Check:
    return lambda value, stack: _fields(value, stack, fields)


_REQUIRED, _OPTIONAL = True, False
_DIRECTIVES: dict[str, Check] = {
    "@if": _with_fields(exists=(_raw, _OPTIONAL), then=(_raw, _OPTIONAL), **{"else": (_raw, _OPTIONAL)}),
    "@case": _with_fields(operator=(_string, _OPTIONAL), value=(_string_or_directive, _OPTIONAL)),
    "@replace": _with_fields(
        pattern=(partial(_length, least=1), _REQUIRED),
        replacement=(partial(_length, least=0), _OPTIONAL),
        value=(_string_or_directive, _REQUIRED),
        ignorecase=(_boolean, _OPTIONAL),
        **{"global": (_boolean, _OPTIONAL)},
    ),
    "@arrayPath": _array_path,
    "@path": _string_or_directive,
    "@json": _with_fields(
        value=(_raw, _REQUIRED), mode=(partial(_one_of, allowed=("encode", "decode")), _REQUIRED)
    ),
    "@flatten": _with_fields(separator=(_string, _OPTIONAL), value=(_raw, _REQUIRED)),
    "@merge": _merge,
    "@template": _string_or_directive,
    "@literal": _raw,
    "@transform": _with_fields(
        apply=(_object_or_directive, _REQUIRED), mapping=(_object_or_directive, _REQUIRED)
    ),
    "@excludeWhenNull": _raw,
    "@liquid": _string,
}
DIRECTIVES = frozenset(_DIRECTIVES)
