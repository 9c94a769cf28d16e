"""Surprises in single directives of a mapping. Source of every rule: SEGMENT_SEMANTICS §4 and §6."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from etl.authoring.lints.expression import Directive, bare, directive_of, placeholders, segments
from etl.authoring.lints.finding import Finding
from etl.transform import columns
from etl.transform.columns import Failure
from etl.transform.columns.tracks import Values
from etl.transform.liquid.engine import liquid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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


def directive_findings(node: Directive) -> Iterator[Finding]:
    """Everything surprising about one directive, what is inside of it apart."""
    rule = _RULES.get(node.name)
    for code, message, fix in rule(node.argument) if rule else ():
        yield Finding(code, message, fix, node.key)


_Findings = "Iterator[tuple[str, str, str]]"


def _path(argument: Any) -> Iterator[tuple[str, str, str]]:
    if not isinstance(argument, str):
        return
    if _ODD_PATH.search(argument):
        yield (
            "path-form",
            f'"{argument}" is no path Segment follows: it knows keys and list positions only',
            "Write $.key.key or $.key[0]; wildcards, filters, negative positions and blanks at the ends do not exist.",
        )
        return
    first = next(iter(segments(bare(argument))), "")
    near = get_close_matches(first, _EVENT_FIELDS, n=1, cutoff=0.75)
    if first and first not in _EVENT_FIELDS and near:
        yield (
            "path-unknown-field",
            f'"{first}" is no field of a track event as Segment has it, so the path finds nothing',
            f'Is "{near[0]}" meant?',
        )


def _template(argument: Any) -> Iterator[tuple[str, str, str]]:
    names = placeholders(argument) if isinstance(argument, str) else []
    if any(name.startswith("$.") for name in names):
        yield (
            "template-dollar",
            'in a template "$." is not taken off: what it names is never found, and nothing is filled in',
            "Write {{properties.key}} without $.",
        )
    if any(re.match(r"[#/^&>!]|else$", name) or "|" in name for name in names):
        yield (
            "template-logic",
            "templates know no sections, helpers or filters: each {{…}} is only looked up, and this one finds nothing",
            "Use @if, @case or @liquid.",
        )


def _liquid(argument: Any) -> Iterator[tuple[str, str, str]]:
    if not isinstance(argument, str):
        return
    (rendered,) = columns.cells(liquid(argument).column(Values([{}])))
    if isinstance(rendered, Failure):
        yield (
            "liquid-fails",
            f"the template fails on an empty event ({rendered.message}), and events it fails on are rejected",
            "Mind Segment's disabled tags and filters, write {{ properties.key }} without $., and give defaults.",
        )


def _if(argument: Any) -> Iterator[tuple[str, str, str]]:
    if not isinstance(argument, dict):
        return
    if "blank" in argument and "exists" not in argument:
        yield (
            "if-blank",
            '"blank" is inverted in Segment: "then" is taken when the value is not blank',
            'Swap "then" and "else" if the opposite is meant, or use "exists".',
        )
    if "else" in argument and argument["else"] in (0, "", False, None):
        yield (
            "if-else-ignored",
            'an "else" of null, 0, false or "" is ignored: the value is missing then',
            'Take it out, or write {"@literal": …} around it.',
        )
    if _always_exists(argument.get("exists")):
        yield (
            "if-exists-template",
            'a template always exists, be it empty: "else" is never taken',
            'Test the path itself: {"@path": …}.',
        )


def _always_exists(value: Any) -> bool:
    found = directive_of(value)
    return found is not None and found[0] in {"@template", "@liquid", "@replace"}


def _case(argument: Any) -> Iterator[tuple[str, str, str]]:
    operator = argument.get("operator") if isinstance(argument, dict) else None
    if isinstance(operator, str) and operator not in {"lower", "upper"}:
        yield (
            "case-operator",
            f'the operator "{operator}" fails for every text: Segment knows "lower" and "upper" exactly',
            'Write "lower" or "upper".',
        )


def _json(argument: Any) -> Iterator[tuple[str, str, str]]:
    mode = argument.get("mode") if isinstance(argument, dict) else None
    if isinstance(mode, str) and mode not in {"encode", "decode"} and mode.lower() in {"encode", "decode"}:
        yield (
            "json-mode-case",
            f'the mode "{mode}" is accepted and yields nothing: Segment runs "{mode.lower()}" only',
            f'Write "{mode.lower()}".',
        )


def _merge(argument: Any) -> Iterator[tuple[str, str, str]]:
    if not isinstance(argument, dict):
        return
    direction = argument.get("direction")
    if direction is None:
        yield (
            "merge-direction",
            "without a direction @merge fails for every event",
            'Add "direction": "right" (later objects win) or "left" (earlier ones win).',
        )
    elif isinstance(direction, str) and direction != direction.lower():
        outcome = "later objects win" if direction.lower() == "left" else "it works by accident"
        yield (
            "merge-direction",
            f'the direction "{direction}" is accepted and means "right": {outcome}',
            f'Write "{direction.lower()}".',
        )


def _replace(argument: Any) -> Iterator[tuple[str, str, str]]:
    if not isinstance(argument, dict):
        return
    texts = [argument.get(name) for name in ("replacement", "replacement2")]
    if any(isinstance(text, str) and re.search(r"\$[$&`']", text) for text in texts):
        yield (
            "replace-dollar",
            "$$, $&, $` and $' in a replacement stand for parts of the text, as in JavaScript",
            "Write $$ for a dollar sign.",
        )
    patterns = [argument.get(name) for name in ("pattern", "pattern2")]
    if any(
        isinstance(text, str) and re.search(r"\\[dwsb]|\.\*|\.\+|^\^.|.\$$|\[.+\]", text) for text in patterns
    ):
        yield (
            "replace-literal",
            "the pattern looks like a regular expression, and Segment searches for it as plain text",
            "Use @liquid for more than plain text.",
        )


_RULES: dict[str, Callable[[Any], Iterator[tuple[str, str, str]]]] = {
    "@path": _path,
    "@template": _template,
    "@liquid": _liquid,
    "@if": _if,
    "@case": _case,
    "@json": _json,
    "@merge": _merge,
    "@replace": _replace,
}
