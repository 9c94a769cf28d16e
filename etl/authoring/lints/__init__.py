"""``etl check``: what no run accepts (``problems``), and surprises, each with its fix (``lints``, docs/lints.md)."""

from etl.authoring.lints.checking import Check, check_config, lints, problems
from etl.authoring.lints.finding import CODES, Lint, Problem

__all__ = ["CODES", "Check", "Lint", "Problem", "check_config", "lints", "problems"]
