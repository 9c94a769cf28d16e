"""The report's figures as one HTML file that needs nothing else: no network, no second file.

Everything that comes from events or the config is escaped by the templates; the style and the script are the only
ones the page allows itself (Content-Security-Policy, by their hashes).
"""

from __future__ import annotations

from base64 import b64encode
from datetime import timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from etl.core.outcomes import BY_NAME, ENDS, OUTCOMES, ROWS
from etl.core.windows import rfc3339
from etl.operations.report import plots, wording
from etl.operations.report.advice import advice, fill_gap
from etl.operations.report.plots import Series, series
from etl.operations.report.verdict import verdict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from etl.core.windows import Window
    from etl.operations.report.completeness import Completeness
    from etl.operations.report.data import ReportData

_TEMPLATES = Path(__file__).parent / "templates"


def render(data: ReportData) -> str:
    """The page. The same data give the same text."""
    style, script = f"{_text('report.css')}\n{plots.colours()}", _text("report.js")
    return _environment().get_template("report.html").render(
        data=data,
        verdict=verdict(data),
        title=_title(data),
        policy=_policy(style, script),
        # Both are files of this package and its table of colours, and hold nothing else.
        style=Markup(style),  # noqa: S704
        script=Markup(script),  # noqa: S704
        ends=[(name, data.ends[name], f"It {BY_NAME[name].meaning}.") for name in _names(data)],
        names=_names(data),
        quantities=_quantities(data),
        outcome_bar=_outcome_bar(data),
        times=_times(data),
        lag=_lag(data),
        retries=_retries(data),
        lines=[(one, _line(one, data.scope.window)) for one in data.completeness],
    )  # fmt: skip


def _names(data: ReportData) -> tuple[str, ...]:
    """The outcomes of a run; of a period only what a pair is in the end."""
    return OUTCOMES if data.scope.run_id else ENDS


def _quantities(data: ReportData) -> dict[str, str]:
    """By outcome; of a period only what was sent, as runs may meet the rest again. Nothing where a part is not known."""
    if data.books.unsummed:
        return {}
    names = OUTCOMES if data.scope.run_id else ("sent",)
    known = data.books.quantities
    return {name: f"{known[name]:,f}" for name in names if name in known}


def _title(data: ReportData) -> str:
    scope = data.scope
    if scope.run_id:
        return f"{data.scope.pipeline}: run {scope.run_id}"
    return f"{data.scope.pipeline}: {wording.short_moment(scope.window.since)} to {wording.short_moment(scope.window.until)} UTC"


def _text(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8").strip()


def _policy(style: str, script: str) -> str:
    """Nothing may be loaded, sent or run but what is written in the page itself."""
    hashes = (b64encode(sha256(text.encode()).digest()).decode() for text in (style, script))
    allowed = "style-src 'sha256-{}'; script-src 'sha256-{}'".format(*hashes)
    return f"default-src 'none'; {allowed}; img-src data:; base-uri 'none'; form-action 'none'"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    for name in ("number", "counted", "share", "moment", "short_moment", "duration", "shown", "shown_lines"):
        environment.filters[name] = getattr(wording, name)
    environment.filters["rfc3339"] = rfc3339
    environment.globals |= {
        "meter": plots.meter,
        "advice": advice,
        "fill_gap": fill_gap,
        "ROWS": ROWS,
    }
    return environment


def _outcome_bar(data: ReportData) -> Markup:
    ends, whole = data.ends, data.ends.total()
    told = [f"{name} {ends[name]:,}" for name in OUTCOMES if ends[name]]
    parts = [
        plots.Part(name, ends[name], f"{name}: {ends[name]:,} ({wording.share(ends[name], whole)})")
        for name in OUTCOMES
    ]
    return plots.bar(f"{whole:,} pairs: {', '.join(told)}", parts)


def _times(data: ReportData) -> tuple[Series, Markup]:
    """Usage events by the time of the event."""
    found = series(data.volumes.hours, sum, 0)
    title = f"Usage events sent, by {found.unit} of the event; the figures are in the table below"
    values = [_column(found, begin, n, f"{n:,}") for begin, n in found.points]
    return found, plots.columns(title, values, f"{max((n for _, n in found.points), default=0):,}")


def _column(found: Series, begin: datetime, value: float, told: str) -> plots.Column:
    label = found.label(begin)
    return plots.Column(label, value, f"{label}: {told}")


def _lag(data: ReportData) -> tuple[Series, Markup] | None:
    """The most that the schedule was behind; None where there is nothing to compare."""
    if data.scope.run_id or len(data.books.behind) < 2:
        return None
    found = series(data.books.behind, max, timedelta(0))
    title = f"How far the schedule was behind at most, by {found.unit}"
    values = [_column(found, b, lag.total_seconds(), wording.duration(lag)) for b, lag in found.points]
    return found, plots.columns(title, values, wording.duration(max(lag for _, lag in found.points)), "lag")


def _retries(data: ReportData) -> tuple[Series, Markup] | None:
    if data.scope.run_id or not data.books.totals["retries"]:
        return None
    found = series(data.books.retries, sum, 0)
    title = f"Requests repeated, by {found.unit}"
    values = [_column(found, begin, n, f"{n:,}") for begin, n in found.points]
    return found, plots.columns(title, values, f"{max(n for _, n in found.points):,}", "retry")


def _line(one: Completeness, whole: Window) -> Markup:
    stretches = [
        *_stretches("done", "complete", one.parts, whole),
        *_stretches("gap", "missing", one.missing, whole),
    ]
    told = f"{wording.counted(len(one.missing), 'gap')}, complete up to {wording.moment(one.up_to)}"
    return plots.line(f"{wording.shown(one.name)}: {told}", stretches)


def _stretches(kind: str, what: str, windows: Sequence[Window], whole: Window) -> list[plots.Stretch]:
    length: Any = whole.until - whole.since
    return [
        plots.Stretch(
            kind, (w.since - whole.since) / length, (w.until - whole.since) / length,
            f"{what}: {wording.short_moment(w.since)} to {wording.short_moment(w.until)} UTC",
        )
        for w in windows
    ]  # fmt: skip
