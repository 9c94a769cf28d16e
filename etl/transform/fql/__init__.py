"""Triggers: Segment's FQL, compiled once into a function from a frame of track events to a boolean column. Pure.

Text goes through ``lexer`` and ``parser`` to ``match``; ``disjoint`` compares two triggers. Not here: what is surprising
about a trigger (``authoring.lints``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from etl.transform.fql.disjoint import provably_disjoint
from etl.transform.fql.lexer import FqlError, Token
from etl.transform.fql.match import Matcher
from etl.transform.fql.parser import Condition, Group, Node, Throwing, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from etl.core.layouts import Path
    from etl.transform.columns.tracks import Roots

__all__ = [
    "Condition",
    "FqlError",
    "Group",
    "Node",
    "Throwing",
    "Token",
    "Trigger",
    "compile_trigger",
    "provably_disjoint",
]


@dataclass(frozen=True)
class Trigger:
    """A compiled trigger.

    ``root``: its conditions. ``tokens``: every word of the text, in order. ``ignored``: those that Segment
    passes over without effect, such as a condition on ``messageId``.
    """

    text: str
    root: Group
    tokens: tuple[Token, ...]
    ignored: tuple[Token, ...]

    @property
    def paths(self) -> frozenset[Path]:
        """The paths of the track event that matching looks at."""
        return frozenset(condition.path for condition in conditions(self.root) if condition.path is not None)

    @property
    def size(self) -> int:
        """How many conditions it has."""
        return sum(1 for _ in conditions(self.root))

    def matches(self, events: Roots) -> tuple[npt.NDArray[np.bool_], dict[int, str]]:
        """Which rows match; and for the rows where Segment throws instead (never in the mask), its message."""
        matcher = Matcher(events)
        mask = matcher.matches(self.root, np.ones(len(events), dtype=bool))
        return mask, matcher.errors


def compile_trigger(text: Any) -> Trigger:
    """Raises ``FqlError`` (a ``ValueError``) where Segment would call the subscription invalid."""
    if not isinstance(text, str):
        raise FqlError(f"it must be a string, not {type(text).__name__}")
    if not text:
        raise FqlError("it is empty")
    parsed = parse(text)
    return Trigger(text, parsed.root, parsed.tokens, parsed.ignored)


def conditions(node: Node) -> Iterator[Condition]:
    """Every condition of the tree, in the order written."""
    if isinstance(node, Condition):
        yield node
    elif isinstance(node, Group):
        for child in node.children:
            yield from conditions(child)
