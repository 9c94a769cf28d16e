"""Resolving a mapping against an event, directive by directive."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tests.reference import json_text
from tests.reference.liquid import render_liquid
from tests.reference.paths import mapping_get
from tests.reference.replacing import replace_literal
from tests.reference.validation import LONGEST_PATTERN, check
from tests.reference.values import (
    UNDEFINED,
    WHITE_SPACE,
    JsError,
    entries,
    equals_empty_string,
    is_number,
    joined,
    keys,
    text,
    truthy,
    type_of,
    utf16_length,
)

_ROOT = "__segment_internal_directive"
_TRIPLE = re.compile(r"\{\{\{([^}]+)\}\}\}")
_DOUBLE = re.compile(r"\{\{([^}]+)\}\}")


def transform(mapping: Any, event: Any) -> Any:
    """The payload before the schema step: checked, resolved, undefined keys removed.

    Raises:
        JsError: The mapping is refused, or a directive fails.
    """
    event = {} if event is UNDEFINED else event
    if not isinstance(event, dict):
        raise JsError(f"data must be an object, got {type_of(event)}")
    mapping = _rooted(dict(entries(mapping)))
    check(mapping)
    return without_undefined(resolve(mapping, event))


def _rooted(mapping: dict[str, Any]) -> Any:
    if _ROOT not in mapping:
        return mapping
    fields = {key: value for key, value in mapping.items() if key != _ROOT}
    root = mapping[_ROOT]
    if root is None:
        raise JsError("Cannot convert undefined or null to object")
    members = entries(root)
    if len(members) > 1:
        raise JsError("The root mapping must only have a single directive object")
    if not members or not isinstance(members[0][1], (dict, list)):
        raise JsError("The root directive must be an object")
    name, directive = members[0]
    if isinstance(directive, dict):
        directive = {**directive, "mapping": fields}
    return [directive] if isinstance(root, list) else {name: directive}


def without_undefined(value: Any) -> Any:
    """A copy without undefined members; a ``__proto__`` member gets lost in the copying."""
    if isinstance(value, list):
        return [without_undefined(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: without_undefined(item)
        for key, item in value.items()
        if item is not UNDEFINED and key != "__proto__"
    }


def is_directive(value: Any) -> bool:
    """Whether every key but ``_metadata`` starts with @, and there is one."""
    names = [key for key in value if key != "_metadata"] if isinstance(value, dict) else []
    return bool(names) and all(key.startswith("@") for key in names)


def resolve(mapping: Any, event: Any) -> Any:
    """The value of a mapping, or of a part of one, for this event."""
    if isinstance(mapping, list):
        return [resolve(item, event) for item in mapping]
    if not isinstance(mapping, dict):
        return mapping
    if not is_directive(mapping):
        return {key: resolve(mapping[key], event) for key in keys(mapping)}
    name = next(key for key in mapping if key.startswith("@"))
    if name not in _DIRECTIVES:
        raise JsError(f"{name} is not a valid directive, got undefined")
    return _DIRECTIVES[name](mapping[name], event)


def _object(options: Any, message: str) -> dict[str, Any]:
    if not isinstance(options, dict):
        raise JsError(message)
    return options


def _need(options: dict[str, Any], key: str, directive: str) -> Any:
    value = options.get(key, UNDEFINED)
    if not truthy(value):
        raise JsError(f'{directive} requires a "{key}" key')
    return value


def _string(directive: str, value: Any, event: Any) -> str:
    resolved = resolve(value, event)
    if not isinstance(resolved, str):
        raise JsError(f"{directive}: expected string, got {type_of(resolved)}")
    return resolved


def _path(value: Any, event: Any) -> Any:
    return mapping_get(event, _string("@path", value, event).replace("$.", "", 1))


def _template(value: Any, event: Any) -> Any:
    def found(match: re.Match[str]) -> str:
        value = mapping_get(event, match[1].strip(WHITE_SPACE))
        return "" if value is None or value is UNDEFINED else text(value)

    return joined(_DOUBLE.sub(found, _TRIPLE.sub(found, _string("@template", value, event))))


def _if(value: Any, event: Any) -> Any:
    options = _object(value, '@if requires an object with an "exists" key')
    exists, blank = options.get("exists", UNDEFINED), options.get("blank", UNDEFINED)
    if not truthy(exists) and not truthy(blank):
        raise JsError('@if requires an "exists" key or a "blank" key')
    tested = resolve(blank if exists is UNDEFINED else exists, event)
    holds = tested is not None and tested is not UNDEFINED
    if exists is UNDEFINED:
        holds = holds and not equals_empty_string(tested)
    if holds:
        return resolve(options.get("then", UNDEFINED), event)
    return resolve(options["else"], event) if truthy(options.get("else", UNDEFINED)) else UNDEFINED


def _case(value: Any, event: Any) -> Any:
    options = _object(value, '@case requires an object with a "operator" key')
    operator = _need(options, "operator", "@case")
    if not truthy(options.get("value", UNDEFINED)):
        return UNDEFINED
    resolved = resolve(options["value"], event)
    if not isinstance(resolved, str):
        return resolved
    if operator not in ("lower", "upper"):
        raise JsError('operator key should have a value of "lower" or "upper"')
    return resolved.lower() if operator == "lower" else resolved.upper()


def _default(options: dict[str, Any], key: str, default: Any) -> Any:
    value = options.get(key)
    return default if value is None else value


def _replace(value: Any, event: Any) -> Any:
    options = _object(value, '@replace requires an object with a "pattern" key')
    pattern = _need(options, "pattern", "@replace")
    if not truthy(options.get("value", UNDEFINED)):
        return UNDEFINED
    subject = resolve(options["value"], event)
    if isinstance(subject, bool) or is_number(subject):
        subject = text(subject)
    replacement = _default(options, "replacement", "")
    ignore_case, everywhere = (
        _default(options, "ignorecase", default=False),
        _default(options, "global", default=True),
    )
    if not all(isinstance(item, str) for item in (subject, pattern, replacement)):
        return ""
    if not isinstance(ignore_case, bool) or not isinstance(everywhere, bool):
        return ""
    done = _replaced(subject, pattern, replacement, ignore_case=ignore_case, everywhere=everywhere)
    pattern, replacement = options.get("pattern2"), _default(options, "replacement2", "")
    if isinstance(pattern, str) and pattern and isinstance(replacement, str):
        done = _replaced(done, pattern, replacement, ignore_case=ignore_case, everywhere=everywhere)
    return done


def _replaced(subject: str, pattern: str, replacement: str, *, ignore_case: bool, everywhere: bool) -> str:
    for name, value in (("pattern", pattern), ("replacement", replacement)):
        if utf16_length(value) > LONGEST_PATTERN:
            raise JsError(f'@replace requires a "{name}" less than {LONGEST_PATTERN} characters')
    return replace_literal(subject, pattern, replacement, ignore_case=ignore_case, everywhere=everywhere)


def _array_path(value: Any, event: Any) -> Any:
    if not isinstance(value, list):
        raise JsError(f"@arrayPath expected array, got {type_of(value)}")
    path = value[0] if value else UNDEFINED
    shape = value[1] if len(value) > 1 else UNDEFINED
    root = mapping_get(event, path.replace("$.", "", 1)) if isinstance(path, str) else resolve(path, event)
    if not isinstance(root, (dict, list)) or not isinstance(shape, dict) or not shape:
        return root
    return [resolve(shape, item) for item in (root if isinstance(root, list) else [root])]


def _flatten(value: Any, event: Any) -> Any:
    options = _object(value, '@flatten requires an object with a "separator" key')
    separator = resolve(_need(options, "separator", "@flatten"), event)
    if not isinstance(separator, str):
        raise JsError("@flatten requires a string separator")
    resolved = resolve(options.get("value", UNDEFINED), event)
    return _flat(resolved, "", separator, omit_arrays=truthy(options.get("omitArrays", UNDEFINED)))


def _flat(value: Any, prefix: str, separator: str, *, omit_arrays: bool) -> dict[str, Any]:
    if not isinstance(value, dict) and (omit_arrays or not isinstance(value, list)):
        return {prefix: value}
    flat: dict[str, Any] = {}
    for key, item in entries(value):
        name = f"{prefix}{separator}{key}" if prefix else key
        flat |= _flat(item, name, separator, omit_arrays=omit_arrays)
    return flat


def _json(value: Any, event: Any) -> Any:
    options = _object(value, '@json requires an object with a "value" key')
    mode = _need(options, "mode", "@json")
    resolved = resolve(_need(options, "value", "@json"), event)
    if mode == "encode":
        encoded = json_text.stringify(resolved)
        return UNDEFINED if encoded is None else encoded
    return _decoded(resolved) if mode == "decode" else UNDEFINED


def _decoded(value: Any) -> Any:
    try:
        return json_text.parse_json(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _merge(value: Any, event: Any) -> Any:
    options = _object(value, '@merge requires an object with an "objects" key and a "direction" key')
    direction = resolve(_need(options, "direction", "@merge"), event)
    objects = _need(options, "objects", "@merge")
    if not isinstance(objects, list):
        raise JsError("@merge: expected opts.array, got object")
    resolved = [resolve(item, event) for item in objects]
    merged: dict[str, Any] = {}
    for item in reversed(resolved) if direction == "left" else resolved:
        merged |= dict(entries(item))
    return merged


def _transform(value: Any, event: Any) -> Any:
    options = _object(value, '@transform requires an object with an "apply" key and a "mapping" key')
    mapping = _need(options, "mapping", "@transform")
    apply = _object(_need(options, "apply", "@transform"), '@transform "apply" key should be an object')
    return resolve(mapping, transform(apply, event))


def _exclude_when_null(value: Any, event: Any) -> Any:
    resolved = resolve(value, event)
    return UNDEFINED if resolved is None else _without_nulls(resolved)


def _without_nulls(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: UNDEFINED if item is None else _without_nulls(item) for key, item in value.items()}


def _liquid(value: Any, event: Any) -> Any:
    if not isinstance(value, str):
        raise JsError("liquid template value must be a string")
    return render_liquid(value, event)


_DIRECTIVES: dict[str, Callable[[Any, Any], Any]] = {
    "@if": _if,
    "@case": _case,
    "@replace": _replace,
    "@arrayPath": _array_path,
    "@path": _path,
    "@template": _template,
    "@literal": resolve,
    "@flatten": _flatten,
    "@json": _json,
    "@merge": _merge,
    "@transform": _transform,
    "@excludeWhenNull": _exclude_when_null,
    "@liquid": _liquid,
}
