"""``@literal``. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etl.transform.mapping.directive import Directive
from etl.transform.mapping.validation import raw

if TYPE_CHECKING:
    from etl.transform.mapping.directive import Build
    from etl.transform.mapping.expression import Expression


def _compile(argument: Any, build: Build) -> Expression:
    return build(argument, exact=build.exact)


DIRECTIVE = Directive(
    "@literal",
    "The value as it stands. Directives inside it run all the same.",
    _compile,
    raw,
    values=lambda argument: argument,
)
