"""Checking a mapping before it is resolved: all complaints at once, in Segment's words."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.reference.values import UNDEFINED, JsError, keys, type_of, utf16_length

Path = tuple[str, ...]
Check = Callable[[Any, Path], None]

LONGEST_PATTERN = 10


class MappingError(JsError):
    """One complaint or several, already put into words."""

    def __init__(self, complaints: list[str]) -> None:
        super().__init__(" | ".join(complaints))
        self.complaints = complaints


def _fail(message: str, path: Path) -> None:
    raise MappingError([f"/{'/'.join(path)} {message}."])


def _kind(value: Any) -> str:
    if isinstance(value, dict) and any(key.startswith("@") for key in value):
        return "directive"
    return type_of(value)


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def check(mapping: Any, path: Path = ()) -> None:
    """Check a mapping or a part of one; items of arrays are not looked at.

    Raises:
        MappingError: With everything that is wrong.
    """
    kind = _kind(mapping)
    if kind == "directive":
        _directive(mapping, path)
    elif kind == "object":
        _collect(lambda key: check(mapping[key], (*path, key)), keys(mapping))


def _collect(step: Callable[[str], None], names: list[str]) -> None:
    complaints: list[str] = []
    for name in names:
        try:
            step(name)
        except MappingError as error:
            complaints += error.complaints
    if complaints:
        raise MappingError(complaints)


def _directive(value: dict[str, Any], path: Path) -> None:
    names = [key for key in keys(value) if key.startswith("@")]
    if len(names) > 1:
        _fail(f"should only have one @-prefixed key but it has {len(names)} keys", path)
    if any(key != "_metadata" for key in value if key not in names):
        _fail(f"should only have one @-prefixed key but it has {len(value)} keys", path)
    name = names[0]
    if name not in _DIRECTIVES:
        _fail(f"has an invalid directive: {name}", path)
    _DIRECTIVES[name](value[name], (*path, name))


def _anything(value: Any, path: Path) -> None:
    if _kind(value) == "directive":
        _directive(value, path)


def _directive_or_string(value: Any, path: Path) -> None:
    kind = _kind(value)
    if kind == "directive":
        _directive(value, path)
    elif kind != "string":
        _fail(f"should be a string or a mapping directive but it is {_article(kind)}", path)


def _directive_or_object(value: Any, path: Path) -> None:
    kind = _kind(value)
    if kind in ("directive", "object"):
        check(value, path)
    else:
        _fail(f"should be a object or a mapping directive but it is {_article(kind)}", path)


def _exactly(expected: str) -> Check:
    def run(value: Any, path: Path) -> None:
        if (kind := _kind(value)) != expected:
            _fail(f"should be {_article(expected)} but it is {_article(kind)}", path)

    return run


def _string_of(shortest: int) -> Check:
    def run(value: Any, path: Path) -> None:
        _exactly("string")(value, path)
        if utf16_length(value) < shortest:
            _fail(f"should be a string of length {shortest} or greater", path)
        if utf16_length(value) > LONGEST_PATTERN:
            _fail(f"should be a string of length {LONGEST_PATTERN} or less", path)

    return run


def _one_of(*allowed: str) -> Check:
    def run(value: Any, path: Path) -> None:
        _exactly("string")(value, path)
        if value.lower() not in allowed:
            _fail(
                f"should be one of {', '.join(allowed)} but it is {json.dumps(value, ensure_ascii=False)}",
                path,
            )

    return run


def _array(value: Any, path: Path) -> None:
    if not isinstance(value, list):
        _fail(f"should be an array but it is {_article(type_of(value))}", path)


def _fields(required: dict[str, Check], optional: dict[str, Check], order: list[str]) -> Check:
    def run(value: Any, path: Path) -> None:
        _exactly("object")(value, path)
        check(value, path)

        def field(name: str) -> None:
            if name in value:
                (required | optional)[name](value[name], (*path, name))
            elif name in required:
                _fail(f"should have field {json.dumps(name)} but it doesn't", path)

        _collect(field, order)

    return run


def _array_path(value: Any, path: Path) -> None:
    _array(value, path)
    _directive_or_string(value[0] if value else UNDEFINED, path)
    if len(value) > 1:
        check(value[1], path)


def _merge(value: Any, path: Path) -> None:
    _fields({"objects": _array}, {"direction": _one_of("left", "right")}, ["direction", "objects"])(
        value, path
    )
    for item in value["objects"]:
        _directive_or_object(item, ())


_DIRECTIVES: dict[str, Check] = {
    "@if": _fields({}, dict.fromkeys(("exists", "then", "else"), _anything), ["exists", "then", "else"]),
    "@case": _fields(
        {}, {"operator": _exactly("string"), "value": _directive_or_string}, ["operator", "value"]
    ),
    "@replace": _fields(
        {"pattern": _string_of(1), "value": _directive_or_string},
        {"replacement": _string_of(0), "ignorecase": _exactly("boolean"), "global": _exactly("boolean")},
        ["pattern", "replacement", "value", "ignorecase", "global"],
    ),
    "@arrayPath": _array_path,
    "@path": _directive_or_string,
    "@json": _fields({"value": _anything, "mode": _one_of("encode", "decode")}, {}, ["value", "mode"]),
    "@flatten": _fields({"value": _anything}, {"separator": _exactly("string")}, ["separator", "value"]),
    "@merge": _merge,
    "@template": _directive_or_string,
    "@literal": _anything,
    "@transform": _fields(
        {"apply": _directive_or_object, "mapping": _directive_or_object}, {}, ["apply", "mapping"]
    ),
    "@excludeWhenNull": _anything,
    "@liquid": _exactly("string"),
}
