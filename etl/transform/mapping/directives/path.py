"""``@path``: what is at a path of the event. Pure."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from etl.transform.javascript.values import get, split_path, strip_root
from etl.transform.mapping.directive import Directive
from etl.transform.mapping.expression import Expression, at, by_row
from etl.transform.mapping.validation import string_or_directive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.transform.mapping.directive import Build, Surprise

#: The top-level fields of Segment's calls.
_EVENT_FIELDS = (
    *(
        "anonymousId",
        "category",
        "channel",
        "context",
        "event",
        "groupId",
        "integrations",
        "messageId",
        "name",
    ),
    *("originalTimestamp", "previousId", "projectId", "properties", "receivedAt", "sentAt", "timestamp"),
    *("traits", "type", "userId", "version", "writeKey"),
)
_ODD_PATH = re.compile(r"^\s|\s$|^\$[^.]|\[\*\]|\[-|\.\.|\[\]|\[\?")


def _compile(argument: Any, build: Build) -> Expression:
    """A directive that yields the path is looked up row by row."""
    source = build(argument)
    if source.constant is not None and isinstance(source.constant[0], str):
        return at(split_path(strip_root(source.constant[0])))
    return by_row("@path", source, lambda text, root: get(root, split_path(strip_root(text))))


def _lint(argument: Any) -> Iterator[Surprise]:
    if not isinstance(argument, str):
        return
    if _ODD_PATH.search(argument):
        yield (
            "path-form",
            f'"{argument}" is no path Segment follows: it knows keys and list positions only',
            "Write $.key.key or $.key[0]; wildcards, filters, negative positions and blanks at the ends do not exist.",
        )
        return
    first = next(iter(split_path(strip_root(argument))), "")
    near = get_close_matches(first, _EVENT_FIELDS, n=1, cutoff=0.75)
    if first and first not in _EVENT_FIELDS and near:
        yield (
            "path-unknown-field",
            f'"{first}" is no field of a track event as Segment has it, so the path finds nothing',
            f'Is "{near[0]}" meant?',
        )


DIRECTIVE = Directive(
    "@path",
    "What is at a path of the event, such as `$.properties.units` or `$.properties.items[0].sku`.",
    _compile,
    string_or_directive,
    _lint,
    {
        "path-form": "a path with syntax Segment does not know",
        "path-unknown-field": "a path that begins with no field of a track event",
    },
    reads=lambda argument: [strip_root(argument) if isinstance(argument, str) else ""],
    sends=False,
)
