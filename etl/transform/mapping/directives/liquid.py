"""``@liquid``: a Liquid template; ``transform.liquid`` renders it. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from etl.transform import columns
from etl.transform.columns import Failure
from etl.transform.columns.tracks import Values
from etl.transform.liquid.engine import liquid
from etl.transform.mapping.directive import Directive
from etl.transform.mapping.validation import string

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.transform.mapping.directive import Build, Surprise
    from etl.transform.mapping.expression import Expression

_MARKUP = re.compile(r"\{[{%]-?\s*(.*?)\s*-?[%}]\}", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][\w-]*(?:\.[\w-]+|\[[^\]]*\])*")


def _compile(argument: Any, _build: Build) -> Expression:
    return liquid(argument)


def _lint(argument: Any) -> Iterator[Surprise]:
    if not isinstance(argument, str):
        return
    (rendered,) = columns.cells(liquid(argument).column(Values([{}])))
    if isinstance(rendered, Failure):
        yield (
            "liquid-fails",
            f"the template fails on an empty event ({rendered.message}), and events it fails on are rejected",
            "Mind Segment's disabled tags and filters, write {{ properties.key }} without $., and give defaults.",
        )


def _reads(argument: Any) -> list[str]:
    """Every name in the markup, those of tags and filters included."""
    if not isinstance(argument, str):
        return []
    return [name for inner in _MARKUP.findall(argument) for name in _NAME.findall(inner)]


DIRECTIVE = Directive(
    "@liquid",
    "A Liquid template of up to 1,000 characters, without the tags and filters that Segment disables.",
    _compile,
    string,
    _lint,
    {"liquid-fails": "a liquid template that fails"},
    _reads,
)
