"""``etl check``: what no run accepts (``problems``), and surprises, each with its fix (``lints``, docs/lints.md)."""

from etl.lints.checking import Check, check_config, lints, problems
from etl.lints.codes import CODES
from etl.lints.finding import Lint, Problem

__all__ = ["CODES", "Check", "Lint", "Problem", "check_config", "lints", "problems"]
