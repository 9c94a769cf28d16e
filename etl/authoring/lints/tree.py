"""A mapping as a tree to walk: its directives, its raw values, and the paths of the event that they read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etl.transform.mapping.directive import no_text
from etl.transform.mapping.directives import DIRECTIVES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from etl.config.document import KeyPath


@dataclass(frozen=True)
class Node:
    """``{"@name": argument}``; ``key`` leads to it, its own name included."""

    name: str
    argument: Any
    key: KeyPath


@dataclass(frozen=True)
class Raw:
    """A value that is sent as it stands."""

    value: Any
    key: KeyPath


def directive_of(value: Any) -> tuple[str, Any] | None:
    """Name and argument where ``value`` is a directive: an object with a key that begins with ``@``."""
    if not isinstance(value, dict):
        return None
    return next(((key, argument) for key, argument in value.items() if key.startswith("@")), None)


def walk(value: Any, key: KeyPath = ()) -> Iterator[Node | Raw]:
    """Every directive and every raw scalar in ``value``, outermost first."""
    if directive := directive_of(value):
        name, argument = directive
        yield Node(name, argument, (*key, name))
        known = DIRECTIVES.get(name)
        inside = walk(known.values(argument) if known else no_text(argument), (*key, name))
        yield from inside if known is None or known.sends else _nodes(inside)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from walk(item, (*key, name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from walk(item, (*key, number))
    else:
        yield Raw(value, key)


def _nodes(walked: Iterable[Node | Raw]) -> Iterator[Node]:
    return (node for node in walked if isinstance(node, Node))


def reads(value: Any) -> list[str]:
    """The paths of the event that ``value`` reads, without ``$.``; ``""`` stands for one that is computed."""
    nodes = [node for node in _nodes(walk(value)) if node.name in DIRECTIVES]
    return [path for node in nodes for path in DIRECTIVES[node.name].reads(node.argument)]
