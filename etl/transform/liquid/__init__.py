"""``@liquid``: python-liquid parses, and what it parsed is evaluated as liquidjs does, row by row. Pure.

Source: SEGMENT_SEMANTICS §6, and the behaviour of liquidjs 10.30.1 with Segment's disabled tags and filters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from liquid import Environment
from liquid.exceptions import LiquidError

from etl.transform import columns
from etl.transform.columns import Failure
from etl.transform.javascript import units
from etl.transform.liquid.tags import TAGS
from etl.transform.liquid.values import Scope, with_plain_literals
from etl.transform.mapping.expression import Expression, constant, failing

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from liquid import BoundTemplate

    from etl.transform.columns.tracks import Roots
    from etl.transform.javascript.values import Value

MAX_LENGTH = 1000


class SegmentLiquid(Environment):
    """Liquid as Segment allows it. Filters are looked up by ``liquid_tags``, not here."""

    suppress_blank_control_flow_blocks = False
    shorthand_indexes = True
    logical_not_operator = True
    loop_iteration_limit: ClassVar[int | None] = 0

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:  # noqa: ARG002 - python-liquid's signature
        """Only the tags that Segment has, evaluated as liquidjs does."""
        for tag in TAGS:
            self.add_tag(tag)


_ENVIRONMENT = SegmentLiquid()


def liquid(argument: Any) -> Expression:
    """A template of at most 1000 characters; it may look anywhere in the event."""
    if not isinstance(argument, str):
        return failing("liquid template value must be a string")
    if not argument:
        return constant("")
    if len(units(argument)) > MAX_LENGTH:
        return failing("liquid template values are limited to 1000 characters")
    try:
        template = _ENVIRONMENT.from_string(with_plain_literals(argument))
    except (LiquidError, ValueError, RecursionError) as error:
        return failing(_words(error))
    return Expression(_rows(lambda root: rendered(template, root)), None)


def rendered(template: BoundTemplate, root: Value) -> Value:
    """The template filled from one root; a Failure where liquidjs throws."""
    try:
        return Scope(template, root).render()
    except (LiquidError, ValueError, ArithmeticError, RecursionError) as error:
        return Failure(_words(error))


def _rows(render: Callable[[Value], Value]) -> Callable[[Roots], pd.Series]:
    return lambda roots: columns.tightened([render(root) for root in roots.whole()])


def _words(error: Exception) -> str:
    """The first line: what follows quotes the template."""
    return str(error.args[0] if error.args else error).split("\n", 1)[0]
