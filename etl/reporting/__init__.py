"""``etl report``: one HTML file for a run or a period, read from the state, for people who have to answer for it."""

from etl.reporting.data import ReportData, collect
from etl.reporting.page import render
from etl.reporting.scope import Scope, period, single_run

__all__ = ["ReportData", "Scope", "collect", "period", "render", "single_run"]
