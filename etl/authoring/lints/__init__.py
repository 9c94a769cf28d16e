"""``etl check``: what no run accepts (``problems``), and surprises, each with its fix (``lints``, docs/lints.md).

A module each for triggers, mappings, pairs of subscriptions and samples of events; ``checking`` puts them together,
``finding`` has every code. Not here: what is surprising about one directive, which is in the directive's own file.
"""

from etl.authoring.lints.checking import Check, check_config, lints, problems
from etl.authoring.lints.finding import CODES, Lint, Problem

__all__ = ["CODES", "Check", "Lint", "Problem", "check_config", "lints", "problems"]
