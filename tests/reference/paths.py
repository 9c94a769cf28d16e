"""Looking a path up in an event: the mapping's ``get`` and the trigger's."""

from __future__ import annotations

import re
from typing import Any

from tests.reference.values import UNDEFINED, Function, JsError, is_index, joined, truthy, units, utf16_length

_MAPPING_SEPARATORS = re.compile(r"""\[(?="|'|\d)|\.|(?<=["'\d])\]+""", re.ASCII)
_TRIGGER_PARTS = re.compile(r"[^\[.\]]+")

#: What every JavaScript object inherits, besides its constructor and its prototype.
OBJECT = [
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toLocaleString",
    "toString",
    "valueOf",
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
]
_ARRAY = [
    "at",
    "concat",
    "copyWithin",
    "entries",
    "every",
    "fill",
    "filter",
    "find",
    "findIndex",
    "findLast",
    "findLastIndex",
    "flat",
    "flatMap",
    "forEach",
    "includes",
    "indexOf",
    "join",
    "keys",
    "lastIndexOf",
    "map",
    "pop",
    "push",
    "reduce",
    "reduceRight",
    "reverse",
    "shift",
    "slice",
    "some",
    "sort",
    "splice",
    "toReversed",
    "toSorted",
    "toSpliced",
    "unshift",
    "values",
    "with",
]
_STRING = [
    "anchor",
    "at",
    "big",
    "blink",
    "bold",
    "charAt",
    "charCodeAt",
    "codePointAt",
    "concat",
    "endsWith",
    "fixed",
    "fontcolor",
    "fontsize",
    "includes",
    "indexOf",
    "italics",
    "lastIndexOf",
    "link",
    "localeCompare",
    "match",
    "matchAll",
    "normalize",
    "padEnd",
    "padStart",
    "repeat",
    "replace",
    "replaceAll",
    "search",
    "slice",
    "small",
    "split",
    "startsWith",
    "strike",
    "sub",
    "substr",
    "substring",
    "sup",
    "toLocaleLowerCase",
    "toLocaleUpperCase",
    "toLowerCase",
    "toUpperCase",
    "trim",
    "trimEnd",
    "trimStart",
    "isWellFormed",
    "toWellFormed",
]
_NUMBER = ["toExponential", "toFixed", "toPrecision"]
_FUNCTION = ["apply", "bind", "call"]

_PROTOTYPES: dict[type, tuple[str, list[str]]] = {
    dict: ("Object", []),
    list: ("Array", _ARRAY),
    str: ("String", _STRING),
    bool: ("Boolean", []),
    Function: ("Function", _FUNCTION),
}


def mapping_get(value: Any, path: str) -> Any:
    """What ``path`` (without its ``$.``) finds, or the first falsy value on the way."""
    if path in ("", "."):
        return value
    parts = [part for part in _MAPPING_SEPARATORS.split(path) if part]
    return _walk(value, [part.replace("'", "").replace('"', "") for part in parts])


def trigger_get(value: Any, path: str) -> Any:
    """The same for a trigger's condition.

    Raises:
        JsError: The path holds nothing but separators.
    """
    if not path:
        return UNDEFINED
    parts = _TRIGGER_PARTS.findall(path)
    if not parts:
        raise JsError("Cannot read properties of null (reading 'reduce')")
    return _walk(value, parts)


def _walk(value: Any, parts: list[str]) -> Any:
    for part in parts:
        value = member(value, part) if truthy(value) else value
    return value


def member(value: Any, key: str) -> Any:
    """``value[key]`` for a truthy value, inherited members included."""
    if isinstance(value, dict) and key in value:
        return value[key]
    if isinstance(value, list) and is_index(key):
        return value[int(key)] if int(key) < len(value) else UNDEFINED
    if isinstance(value, str) and is_index(key):
        unit = units(value)[int(key) : int(key) + 1]
        return joined(unit) if unit else UNDEFINED
    if key == "length" and isinstance(value, (list, str)):
        return len(value) if isinstance(value, list) else utf16_length(value)
    if isinstance(value, Function) and key == "name":
        return value.name
    return _inherited(value, key)


def _inherited(value: Any, key: str) -> Any:
    constructor, methods = _PROTOTYPES.get(type(value), ("Number", _NUMBER))
    if key == "constructor":
        return Function(constructor)
    if key == "__proto__":
        return {}
    return Function(key) if key in methods or key in OBJECT else UNDEFINED
