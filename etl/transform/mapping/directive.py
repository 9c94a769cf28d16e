"""What a directive consists of, and how parts of a mapping are compiled with a table of directives. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from etl.transform.javascript.values import entries, javascript_order
from etl.transform.mapping.expression import Expression, array_of, constant, failing, object_of
from etl.transform.mapping.validation import Place, is_directive, problems

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from etl.transform.mapping.validation import Check

    #: A lint without its place: its code, what happens, and what to write instead.
    Surprise = tuple[str, str, str]


ROOT_DIRECTIVE = "__segment_internal_directive"


def no_text(argument: Any) -> Any:
    """``Directive.values`` where a string as the argument is no value that is sent, but a path or a template."""
    return None if isinstance(argument, str) else argument


def without(*settings: str) -> Callable[[Any], Any]:
    """``Directive.values`` where strings in these members are settings, such as ``"mode": "encode"``."""

    def values(argument: Any) -> Any:
        if not isinstance(argument, dict):
            return no_text(argument)
        return {
            key: item for key, item in argument.items() if key not in settings or not isinstance(item, str)
        }

    return values


@dataclass(frozen=True)
class Directive:
    """One ``{"@name": argument}``.

    ``meaning``: its line in docs/configuration.md. ``compile``: the argument as an expression; it raises nothing, what
    Segment fails on is a failing expression. ``check``: what Segment refuses before any event. ``lint``: what is valid
    and surprising about an argument, with ``codes`` of docs/lints.md (code → what it is about). ``reads``: the paths of
    the event that an argument names, without ``$.``; ``""`` is a path that is computed. ``values``: the part of an
    argument that holds values and other directives, under its own keys; ``sends``: whether those values are sent, and
    not looked up as paths or filled in as templates.
    """

    name: str
    meaning: str
    compile: Callable[[Any, Build], Expression]
    check: Check
    lint: Callable[[Any], Iterable[Surprise]] = lambda _: ()
    codes: Mapping[str, str] = field(default_factory=dict)
    reads: Callable[[Any], list[str]] = lambda _: []
    values: Callable[[Any], Any] = no_text
    sends: bool = True


def prepare(mapping: Any) -> Any:
    """A whole mapping as Segment processes it: the directive at its root, if any, gets the fields as ``mapping``.

    Raises ``ValueError`` with Segment's words.
    """
    fields = dict(entries(mapping))
    if not isinstance(mapping, dict) or ROOT_DIRECTIVE not in fields:
        return fields
    root = fields.pop(ROOT_DIRECTIVE)
    if root is None:
        raise ValueError("Cannot convert undefined or null to object")
    members = entries(root)
    if len(members) > 1:
        raise ValueError("The root mapping must only have a single directive object")
    if not members or not isinstance(members[0][1], (dict, list)):
        raise ValueError("The root directive must be an object")
    name, argument = members[0]
    given = {**argument, "mapping": fields} if isinstance(argument, dict) else argument
    return [given] if isinstance(root, list) else {name: given}


@dataclass(frozen=True)
class Build:
    """Compiles any part of a mapping: ``build(part)``.

    ``exact``: whether the directive that is handed this keeps keys that resolve to undefined. ``@merge`` and
    ``@flatten`` look at such keys; anywhere else they are left out.
    """

    directives: Mapping[str, Directive]
    exact: bool = False

    def __call__(self, part: Any, *, exact: bool = False) -> Expression:
        """``exact``: what the directives inside ``part`` are handed."""
        if isinstance(part, list):
            return array_of([self(item, exact=exact) for item in part])
        if not isinstance(part, dict):
            return constant(part)
        if not is_directive(part):
            members = {key: self(part[key], exact=exact) for key in javascript_order(part)}
            return object_of(members, exact=exact)
        name = next(key for key in part if key.startswith("@"))
        if name not in self.directives:
            return failing(f"{name} is not a valid directive, got undefined")
        return self.directives[name].compile(part[name], replace(self, exact=exact))

    def problems(self, mapping: Any) -> list[str]:
        """What Segment reports about a mapping before any event."""
        return problems(mapping, Place(self.directives))
