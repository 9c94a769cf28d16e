"""What every command prints alike: errors and summaries on stderr, JSON on stdout."""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import contextmanager
from decimal import Decimal
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import click
import orjson

from etl.core import logs
from etl.core.errors import ConfigError, EtlError
from etl.core.outcomes import BY_NAME, OUTCOMES
from etl.core.report import Report, total
from etl.core.windows import rfc3339

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator, Mapping

    from etl.core.report import Counts


#: Reasons that a summary lists, and how much of each: a line has 80 columns.
_REASONS, _REASON_WIDTH = 5, 56


def print_json(value: Any) -> None:
    """One JSON object on stdout."""
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY).decode())


def show_error(error: EtlError) -> None:
    """What happened, where, what to do; no traceback."""
    if logs.only_json():
        told = {"type": type(error).__name__, "exit_code": error.exit_code, "message": str(error)}
        logs.tell("error", **told)
        return
    for line in str(error).splitlines() or [type(error).__name__]:
        click.secho(f"etl: {line}" if not line.startswith(" ") else line, fg="red", err=True)
    if isinstance(error, ConfigError) and len(error.problems) > 1:
        click.secho(f"etl: {len(error.problems)} problems; nothing was touched", fg="red", err=True)


def show_unexpected(error: Exception) -> None:
    """A bug: where it was, without the values it had at hand (an exception's text may quote an event)."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    click.secho(
        f"etl: unexpected {type(error).__name__} in {os.path.basename(frame.filename)}:{frame.lineno} "  # noqa: PTH119
        f"({frame.name}). Running the command again is safe. Please report this; "
        "ETL_DEBUG=1 shows the whole traceback, which may quote events",
        fg="red",
        err=True,
    )
    if os.environ.get("ETL_DEBUG") == "1":
        traceback.print_exception(error)


def report_of(run: Callable[[], Report], *, as_json: bool, quiet: bool = False) -> int:
    """Call ``run``, print its report, give its exit code; with ``as_json`` an object whatever happens.

    With ``quiet`` a run that leaves nothing to look at prints nothing: cron mails whatever is printed.
    """
    try:
        report = run()
    except EtlError as error:
        with readers_may_leave():
            if as_json:
                print_json(_failed(error).as_dict())
            elif error.report is not None:
                show_report(error.report)
        raise
    except Exception as error:  # noqa: BLE001 - a bug, or a terminal that went away; either way an object is printed
        with readers_may_leave():
            show_unexpected(error)
            if as_json:
                told = {"type": type(error).__name__, "message": "unexpected; standard error says where"}
                print_json(Report(exit_code=3, error=told).as_dict())
        return 3
    with readers_may_leave():
        if as_json:
            print_json(report.as_dict())
        elif report.exit_code or not quiet:
            show_report(report)
    return report.exit_code


@contextmanager
def readers_may_leave() -> Iterator[None]:
    """Whoever read our output has gone: nothing more can be said, but the exit code still is."""
    try:
        yield
    except BrokenPipeError:
        for stream in (sys.__stdout__, sys.__stderr__):  # click may have put something over them
            if stream is None:
                continue
            try:
                stream.flush()
            except BrokenPipeError:
                # What is left in the buffer would fail again when Python ends, and take the place of the exit code.
                with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device
                    os.dup2(nowhere.fileno(), stream.fileno())


def _failed(error: EtlError) -> Report:
    told = {"type": type(error).__name__, "message": str(error)}
    return error.report or Report(exit_code=error.exit_code, error=told)


def show_report(report: Report) -> None:
    """A summary for people, on stderr; as a log event where JSON was asked for."""
    if logs.only_json():
        told = {name: value for name, value in report.as_dict().items() if name not in ("windows", "error")}
        logs.tell("report", **told)
        return
    for line in summary(report):
        click.echo(line, err=True)


def _long(seconds: float) -> str:
    hours = round(seconds / 3600)
    return f"{hours} hours" if hours < 72 else f"{hours // 24} days"


def _quantities(quantities: Mapping[str, Mapping[str, str]] | None) -> Iterator[str]:
    """The sums of all subscriptions, a line for each outcome that has one."""
    for outcome in ("matched", *OUTCOMES) if quantities else ():
        value = total(Decimal(sums[outcome]) for sums in (quantities or {}).values())
        if value or outcome == "matched":
            yield f"{'quantity' if outcome == 'matched' else '':<10}{value:>12,f}  {outcome}"


def _reasons(reasons: Counter[str]) -> Iterator[str]:
    """The commonest, a line each."""
    for reason, number in reasons.most_common(_REASONS):
        text = reason if len(reason) <= _REASON_WIDTH else f"{reason[: _REASON_WIDTH - 1]}…"
        yield f"{number:>22,}  {text}"
    if (rest := sum(reasons.values()) - sum(number for _, number in reasons.most_common(_REASONS))) > 0:
        yield f"{rest:>22,}  for other reasons"


def _outcomes(counts: Counts, *, dry_run: bool) -> Iterator[str]:
    """A line for each that occurs, with what is wrong with it; a dry run says what would be sent."""
    pairs = counts.pairs
    for outcome in OUTCOMES:
        number = getattr(pairs, outcome)
        if dry_run and outcome == "unsent":
            yield f"  would send{number:>10,}"
        elif number or (outcome == "sent" and not dry_run):
            meaning = BY_NAME[outcome].meaning if BY_NAME[outcome].to_look_at else ""
            yield f"  {outcome:<13}{number:>7,}  {meaning}".rstrip()
        if outcome == "rejected":
            yield from _reasons(counts.reasons)


def summary(report: Report) -> list[str]:
    """The report as lines of at most 80 columns."""
    if report.counts is None:
        return []
    return [*_counted(report, report.counts), *_beside(report, report.counts), *_warned(report)]


def _counted(report: Report, counts: Counts) -> Iterator[str]:
    """Rows and pairs, and what became of them."""
    state = "complete" if report.complete else "dry run" if report.dry_run else "NOT complete"
    broken = f", {counts.unreadable:,} UNREADABLE" if counts.unreadable else ""
    yield f"window    {report.window} {state}"
    yield f"read      {counts.read:>12,} rows, {counts.filtered:,} matched no subscription{broken}"
    yield f"matched   {counts.pairs.matched:>12,} pairs of a track event and a subscription"
    yield from _outcomes(counts, dry_run=report.dry_run)
    yield from _quantities(report.quantities)


def _beside(report: Report, counts: Counts) -> Iterator[str]:
    """Figures beside the sum."""
    if counts.late:
        yield f"late      {counts.late:>12,} pairs ARRIVED TOO LATE to be billed"
    if counts.broken:
        yield f"broken    {counts.broken:>12,} files or tables that COULD NOT BE READ"
    if counts.long_values:
        yield f"long      {counts.long_values:>12,} pairs have a property value over limits.property_value_bytes"
    if counts.released:
        yield f"released  {counts.released:>12,} held pairs of earlier runs that came due"
    if report.seconds is not None:
        rate = counts.pairs.sent / report.seconds if report.seconds else 0
        yield f"took      {report.seconds:>12.1f} s, {counts.requests:,} requests, {rate:,.0f} events/s sent"


def _warned(report: Report) -> Iterator[str]:
    """What somebody should know or do."""
    if report.newest is not None:
        yield f"newest row {rfc3339(report.newest)} in the source"
    if report.behind_seconds is not None:
        yield f"BEHIND: that is {_long(report.behind_seconds)} before the window's end, more than source.overlap. If"
        yield "rows of that time are still to come, they are billed when they arrive, as far"
        yield "as max_age allows (source.late)."
    for note in report.notes:
        yield from wrap(f"NOTE: {note}", 80)
    if report.to_look_at and not report.dry_run:
        yield "look at them with: etl dead-letters list"
