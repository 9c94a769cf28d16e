"""``@liquid``: placeholder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from liquid import Environment

from etl.transform import columns
from etl.transform.columns import Failure
from etl.transform.expression import Expression, failing

if TYPE_CHECKING:
    import pandas as pd

    from etl.transform.tracks import Roots


def liquid(argument: Any) -> Expression:
    if not isinstance(argument, str):
        return failing("liquid template value must be a string")
    try:
        template = Environment().from_string(argument)
    except Exception as error:
        return failing(str(error))

    def render(root):
        try:
            return template.render(root)
        except Exception as error:
            return Failure(str(error))

    def column(roots: Roots) -> pd.Series:
        return columns.tightened([render(root) for root in roots.whole()])

    return Expression(column, None)
