"""``@liquid`` as an expression of a mapping: parsed once, rendered row by row. Pure.

Source: the mapping kit of Segment's actions-core, which sets up liquidjs 10.30.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etl.transform import columns
from etl.transform.columns import Failure
from etl.transform.javascript import joined, units
from etl.transform.liquid.scope import Scope
from etl.transform.liquid.tags import LiquidError, template
from etl.transform.mapping.expression import Expression, constant, failing

if TYPE_CHECKING:
    import pandas as pd

    from etl.transform.columns.tracks import Roots
    from etl.transform.javascript.values import Value
    from etl.transform.liquid.tags import Render

MAX_LENGTH = 1000


def liquid(argument: Any) -> Expression:
    """A template of at most 1000 characters; it may look anywhere in the event."""
    if not isinstance(argument, str):
        return failing("liquid template value must be a string")
    if not argument:
        return constant("")
    source = units(argument)
    if len(source) > MAX_LENGTH:
        return failing("liquid template values are limited to 1000 characters")
    try:
        render = template(source)
    except LiquidError as error:
        return failing(str(error))
    except RecursionError:
        return failing("the template is nested too deeply")

    def column(roots: Roots) -> pd.Series:
        return columns.tightened([rendered(render, root) for root in roots.whole()])

    return Expression(column, None)


def rendered(render: Render, root: Value) -> Value:
    """The template filled from one root; a Failure where liquidjs throws."""
    try:
        return joined(render(Scope(root)))
    except LiquidError as error:
        return Failure(str(error))
    except RecursionError:
        return Failure("the template is nested too deeply")
