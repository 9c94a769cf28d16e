"""The filters on text. Pure. Source: liquidjs 10.30.1."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from etl.transform.javascript import WHITE_SPACE, joined, units
from etl.transform.javascript.values import UNDEFINED, Value, truthy
from etl.transform.liquid.arrays import steps
from etl.transform.liquid.scope import ThrownError
from etl.transform.liquid.values import at_most, to_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from etl.transform.liquid.scope import Scope

_SPACES = re.compile(f"[{WHITE_SPACE}]+")
_CJK = "\u4e00-\u9fff\uf900-\ufaff\u3400-\u4dbf\u3040-\u309f\u30a0-\u30ff\uac00-\ud7af"


def of_text(function: Callable[[str], Value]) -> Callable[..., Value]:
    """A filter on one text."""

    def apply(scope: Scope, value: Value, *_: Value) -> Value:
        source = scope.printed(value)
        scope.use(len(source))
        return function(source)

    return apply


def of_texts(function: Callable[..., Value], count: int) -> Callable[..., Value]:
    """A filter on ``count`` texts; arguments that are missing are empty."""

    def apply(scope: Scope, *given: Value) -> Value:
        texts = [scope.printed(one) for one in given[:count]]
        scope.use(sum(map(len, texts)))
        return function(*texts, *[""] * (count - len(texts)))

    return apply


def _added(name: str, function: Callable[[str, str], str]) -> Callable[..., Value]:
    """A filter that insists on one argument."""
    apply = of_texts(function, 2)

    def insist(scope: Scope, value: Value, *arguments: Value) -> Value:
        if len(arguments) != 1:
            raise ThrownError(f"{name} expect 2 arguments")
        return apply(scope, value, *arguments)

    return insist


def _replaced(
    scope: Scope, value: Value, pattern: Value = UNDEFINED, other: Value = UNDEFINED, *_: Value
) -> str:
    source, wanted, replacement = (scope.printed(one) for one in (value, pattern, other))
    parts = source.split(wanted) if wanted else list(units(source))
    scope.use(len(source) + (len(parts) - 1) * (len(replacement) - len(wanted)))
    return joined(scope.joined(replacement, parts))


def _removed(scope: Scope, value: Value, pattern: Value = UNDEFINED, *_: Value) -> str:
    source, wanted = scope.printed(value), scope.printed(pattern)
    scope.use(len(source) + len(wanted))
    return source.replace(wanted, "") if wanted else source


def _replaced_last(source: str, pattern: str, replacement: str = "") -> str:
    at = source.rfind(pattern)
    return source if at < 0 else source[:at] + replacement + source[at + len(pattern) :]


def _stripped(*, left: bool, right: bool) -> Callable[..., Value]:
    def strip(scope: Scope, value: Value, characters: Value = UNDEFINED, *_: Value) -> str:
        source = scope.printed(value)
        what = scope.printed(characters) if truthy(characters) else WHITE_SPACE
        scope.use(len(source))
        source = source.lstrip(what) if left else source
        return source.rstrip(what) if right else source

    return strip


def _split(scope: Scope, value: Value, separator: Value = UNDEFINED, *_: Value) -> list[Value]:
    source, glue = scope.printed(value), scope.printed(separator)
    scope.use(len(source))
    parts: list[Value] = list(source.split(glue)) if glue else list(units(source))
    scope.work(len(parts))
    while parts and parts[-1] == "":
        parts.pop()
    return parts


def _capitalized(source: str) -> str:
    head = source[:1]
    return (head if head > "\uffff" else head.upper()) + source[1:].lower()


def _truncated(scope: Scope, value: Value, length: Value = 50, end: Value = "...", *_: Value) -> Value:
    source, tail = scope.printed(value), "..." if end is UNDEFINED else scope.printed(end)
    scope.use(len(source) + len(tail))
    length = 50 if length is UNDEFINED else length
    if at_most(len(units(source)), length) or steps(length, source) >= len(source):
        return value
    return source[: steps(to_number(length) - len(tail), source)] + tail


def _truncated_words(scope: Scope, value: Value, count: Value = 15, end: Value = "...", *_: Value) -> str:
    source, tail = scope.printed(value), "..." if end is UNDEFINED else scope.printed(end)
    scope.use(len(source) + len(tail))
    count = 15 if count is UNDEFINED else count
    limit = 1 if at_most(count, 0) else to_number(count)
    words = _SPACES.split(source.lstrip(WHITE_SPACE))
    kept = int(min(limit, len(words))) if limit == limit else 0  # noqa: PLR0124 - NaN
    return " ".join(words[:kept]) + (tail if len(words) >= limit else "")


def _word_count(scope: Scope, value: Value, mode: Value = UNDEFINED, *_: Value) -> int:
    source = scope.printed(value).strip(WHITE_SPACE)
    scope.use(len(source))
    if not source:
        return 0
    characters = re.findall(f"[{_CJK}]", source)
    if mode == "cjk" or (mode == "auto" and characters):
        return len(characters) + len(re.findall(f"[^{_CJK}{WHITE_SPACE}]+", source))
    return len(_SPACES.split(source))


STRINGS: dict[str, Callable[..., Value]] = {
    "append": _added("append", lambda source, other: source + other),
    "prepend": _added("prepend", lambda source, other: other + source),
    "downcase": of_text(str.lower),
    "upcase": of_text(str.upper),
    "capitalize": of_text(_capitalized),
    "remove": _removed,
    "remove_first": of_texts(lambda source, other: source.replace(other, "", 1), 2),
    "remove_last": of_texts(_replaced_last, 2),
    "replace": _replaced,
    "replace_first": of_texts(lambda source, one, other: source.replace(one, other, 1), 3),
    "replace_last": of_texts(_replaced_last, 3),
    "strip": _stripped(left=True, right=True),
    "lstrip": _stripped(left=True, right=False),
    "rstrip": _stripped(left=False, right=True),
    "strip_newlines": of_text(lambda source: re.sub(r"\r?\n", "", source)),
    "squish": of_text(lambda source: _SPACES.sub(" ", source).strip(WHITE_SPACE)),
    "normalize_whitespace": of_text(lambda source: _SPACES.sub(" ", source)),
    "split": _split,
    "truncate": _truncated,
    "truncatewords": _truncated_words,
    "number_of_words": _word_count,
}
