"""``etl report``: one HTML file for a run or a period, read from the state, for people who have to answer for it."""

from etl.operations.report.data import ReportData, collect
from etl.operations.report.page import render
from etl.operations.report.scope import Scope, period, single_run

__all__ = ["ReportData", "Scope", "collect", "period", "render", "single_run"]
