"""``@liquid`` written down plainly: outputs with filters, ``if``, ``unless``, ``assign``, ``capture`` and ``comment``.

As much of liquidjs as generated mappings hold; of the rest, the recorded cases and Segment's own packages are the judges.
"""

from __future__ import annotations

import re
from typing import Any

from tests.reference import liquid_filters
from tests.reference.values import (
    UNDEFINED,
    JsError,
    double,
    is_index,
    is_number,
    joined,
    units,
    utf16_length,
)

_LONGEST = 1000
_DISABLED_FILTERS = ("concat", "find", "has", "map", "reject", "reverse", "sort", "uniq", "type")
_PART = re.compile(r"\{\{(.*?)\}\}|\{%(.*?)%\}", re.DOTALL)
_PATH = re.compile(r"[A-Za-z_][\w-]*(?:\.[\w-]+|\[\d+\]|\['[^']*'\])*")
_KEY = re.compile(r"\['([^']*)'\]|\[(\d+)\]|([\w-]+)")
_ARGUMENT = re.compile(r"'[^']*'|\"[^\"]*\"|[^,\s]+")
_QUOTES = re.compile(r"'[^']*'|\"[^\"]*\"")


def render_liquid(template: str, event: Any) -> str:
    """The template filled from the event; raises ``JsError`` where it is too long, does not parse or is not allowed."""
    if utf16_length(template) > _LONGEST:
        raise JsError("liquid template values are limited to 1000 characters")
    rendering = _Rendering(template, event if isinstance(event, dict) else {})
    text, end = rendering.run(0, shown=True)
    if end:
        raise JsError(f"liquid: tag {end} not found")
    return joined(text)


class _Rendering:
    def __init__(self, template: str, event: dict[str, Any]) -> None:
        self.scope = dict(event)
        self.parts: list[tuple[str, str]] = []
        at = 0
        for match in _PART.finditer(template):
            self.parts.append(("text", template[at : match.start()]))
            self.parts.append(("output", match[1]) if match[1] is not None else ("tag", match[2].strip()))
            at = match.end()
        if re.search(r"\{[{%]", template[at:]):
            raise JsError("liquid: not closed")
        self.parts.append(("text", template[at:]))
        self.at = 0

    def run(self, depth: int, *, shown: bool) -> tuple[str, str]:
        """Text up to a tag that ends something, and that tag; nothing is evaluated unless ``shown``."""
        text = ""
        while self.at < len(self.parts):
            kind, inside = self.parts[self.at]
            self.at += 1
            name, _, rest = inside.partition(" ")
            if kind == "text":
                text += inside
            elif kind == "output":
                value = self.piped(inside, shown=shown)
                text += liquid_filters.printed(value)
            elif name.startswith("end") or name == "else":
                if not depth:
                    raise JsError(f"liquid: tag {name} not found")
                return text, name
            else:
                text += self.tag(name, rest, depth, shown=shown)
        if depth:
            raise JsError("liquid: not closed")
        return text, ""

    def tag(self, name: str, rest: str, depth: int, *, shown: bool) -> str:
        if name == "assign":
            variable, _, source = rest.partition("=")
            self.scope[variable.strip()] = self.piped(source, shown=shown)
            return ""
        if name == "capture":
            self.scope[rest.strip()], _ = self.run(depth + 1, shown=shown)
            return ""
        if name == "comment":
            self.run(depth + 1, shown=False)
            return ""
        if name not in ("if", "unless"):
            raise JsError(f"liquid: tag {name} not found or disabled")
        taken = shown and self.holds(rest) is (name == "if")
        then, end = self.run(depth + 1, shown=taken)
        other = self.run(depth + 1, shown=shown and not taken)[0] if end == "else" else ""
        return then if taken else other if shown else ""

    def holds(self, condition: str) -> bool:
        left, operator, right = [*re.split(r"\s+(==|contains)\s+", condition.strip()), "", ""][:3]
        one = self.operand(left)
        if operator == "contains":
            wanted = self.operand(right)
            return wanted in one if isinstance(one, list) else isinstance(one, str) and str(wanted) in one
        if operator:
            wanted = self.operand(right)
            return (
                type(one) is type(wanted) and one == wanted
                if not is_number(one)
                else is_number(wanted) and one == wanted
            )
        return one is not None and one is not UNDEFINED and one is not False

    def piped(self, source: str, *, shown: bool) -> Any:
        """A value and its filters; the syntax is checked whether ``shown`` or not."""
        texts: list[str] = []
        plain = _QUOTES.sub(lambda match: texts.append(match[0]) or f"\0{len(texts) - 1}\0", source)
        first, *steps = (
            re.sub("\0(\\d+)\0", lambda m: texts[int(m[1])], step).strip() for step in plain.split("|")
        )
        value = self.operand(first)
        for step in steps:
            name, _, given = step.partition(":")
            arguments = [self.operand(one) for one in _ARGUMENT.findall(given)]
            if name in _DISABLED_FILTERS and shown:
                raise JsError(f'filter "{name}" is disabled')
            function = liquid_filters.FILTERS.get(name)
            value = function(value, *arguments) if function and shown else value
        return value if shown else None

    def operand(self, source: str) -> Any:
        if _QUOTES.fullmatch(source):
            return source[1:-1]
        if re.fullmatch(r"-?\d+(\.\d+)?", source):
            return liquid_filters.plain_number(float(source))
        if source in ("true", "false"):
            return source == "true"
        if not _PATH.fullmatch(source):
            raise JsError(f"liquid: invalid value {source}")
        value: Any = self.scope
        for match in _KEY.finditer(source):
            value = _member(value, match[1] or match[2] or match[3] or "")
        return value


def _member(value: Any, key: str) -> Any:
    """What an object has itself; ``size`` of what can be counted; items of arrays and texts."""
    if isinstance(value, dict) and key in value:
        held = value[key]
        return liquid_filters.plain_number(double(held)) if is_number(held) else held
    if key in ("size", "length") and isinstance(value, (list, str)):
        return len(value) if isinstance(value, list) else utf16_length(value)
    if key == "size" and isinstance(value, dict):
        return len(value)
    if isinstance(value, (list, str)) and is_index(key):
        items = value if isinstance(value, list) else units(value)
        return items[int(key)] if int(key) < len(items) else UNDEFINED
    return value if value is None or value is UNDEFINED else UNDEFINED
