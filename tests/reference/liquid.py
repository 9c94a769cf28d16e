"""``@liquid``: python-liquid, made to behave like liquidjs as Segment sets it up (semantics §6)."""

from __future__ import annotations

from functools import lru_cache
from io import StringIO
from typing import Any, TextIO

from liquid import BoundTemplate, Environment, RenderContext, TokenStream
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.echo_tag import EchoNode, EchoTag
from liquid.exceptions import LiquidError
from liquid.tag import Tag

from tests.reference import liquid_filters
from tests.reference.values import JsError, double, is_index, is_number, joined, units, utf16_length

_LONGEST = 1000
_DISABLED_TAGS = ("case", "for", "include", "layout", "render", "tablerow")
_DISABLED_FILTERS = (
    "array_to_sentence_string", "concat", "find", "find_exp", "find_index", "find_index_exp", "group_by",
    "group_by_exp", "has", "has_exp", "map", "newline_to_br", "reject", "reject_exp", "reverse", "sort",
    "sort_natural", "uniq", "where_exp", "type",
)  # fmt: skip


def render_liquid(template: str, event: Any) -> str:
    """The template filled in from the event.

    Raises:
        JsError: The template is too long, does not parse, or uses what Segment disabled.
    """
    if utf16_length(template) > _LONGEST:
        raise JsError("liquid template values are limited to 1000 characters")
    try:
        buffer = StringIO()
        parsed = _parsed(template)
        parsed.render_with_context(_JsContext(parsed, globals=_scope(event)), buffer)
        return joined(buffer.getvalue())
    except (LiquidError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise JsError(f"liquid: {error}") from error


@lru_cache(maxsize=1000)
def _parsed(template: str) -> BoundTemplate:
    return _ENVIRONMENT.from_string(template)


def _scope(event: Any) -> dict[str, Any]:
    return {key: _in_liquid(item) for key, item in event.items()} if isinstance(event, dict) else {}


def _in_liquid(value: Any) -> Any:
    """Numbers as doubles, or as ints where that prints the same."""
    if isinstance(value, dict):
        return {key: _in_liquid(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_in_liquid(item) for item in value]
    return liquid_filters.plain_number(double(value)) if is_number(value) else value


class _JsContext(RenderContext):
    """Looks members up as liquidjs does: own ones, ``size``, ``first`` and ``last``."""

    def get_item(self, obj: Any, key: Any) -> Any:
        if obj is None:
            return None
        if isinstance(obj, list) and isinstance(key, int):
            return obj[key]
        name = key if isinstance(key, str) else liquid_filters.printed(key)
        if isinstance(obj, dict) and name in obj:
            return obj[name]
        if name in ("size", "length") and isinstance(obj, (list, str)):
            return len(obj) if isinstance(obj, list) else utf16_length(obj)
        if name == "size" and isinstance(obj, dict):
            return len(obj)
        if name in ("first", "last") and isinstance(obj, list):
            return obj[0 if name == "first" else -1]
        return self._indexed(obj, name)

    def _indexed(self, obj: Any, name: str) -> Any:
        if not is_index(name) or not isinstance(obj, (list, str)):
            raise KeyError(name)
        return (obj if isinstance(obj, list) else units(obj))[int(name)]


class _JsOutputNode(OutputNode):
    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        return buffer.write(liquid_filters.printed(self.expression.evaluate(context)))


class _JsOutput(Output):
    node_class = _JsOutputNode


class _JsEchoNode(EchoNode):
    render_to_output = _JsOutputNode.render_to_output


class _JsEcho(EchoTag):
    node_class = _JsEchoNode


class _Disabled(Tag):
    block = False

    def parse(self, stream: TokenStream) -> Any:
        raise JsError(f'tag "{stream.current.value}" is disabled')


def _disabled_filter(name: str) -> Any:
    def run(*_: Any, **__: Any) -> None:
        raise JsError(f'filter "{name}" is disabled')

    return run


class _JsEnvironment(Environment):
    suppress_blank_control_flow_blocks = False

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        self.add_tag(_JsOutput)
        self.add_tag(_JsEcho)
        for name in _DISABLED_TAGS:
            self.tags[name] = type(name.title(), (_Disabled,), {"name": name, "end": f"end{name}"})(self)
        self.filters = {name: self.filters[name] for name in ("date", "where") if name in self.filters}
        self.filters |= liquid_filters.FILTERS
        self.filters |= {name: _disabled_filter(name) for name in _DISABLED_FILTERS}


_ENVIRONMENT = _JsEnvironment(strict_filters=False)
