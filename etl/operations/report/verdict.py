"""The answer to "did it run, did we bill everything?", in words. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from etl.operations.report.wording import counted, duration, moment, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from etl.operations.report.books import RunLine
    from etl.operations.report.data import ReportData

Level = Literal["good", "look", "bad", "none"]

#: A schedule of which too little is known to say more is taken for a daily one.
_USUAL = timedelta(hours=8, minutes=40)
#: Behind by so many of the usual distances between runs is late; never before an hour has passed.
_PATIENCE = 3
_AT_LEAST = timedelta(hours=1)

_ENDS = {
    "stopped": "stopped before its window was complete",
    "abandoned": "was killed before its window was complete",
}


@dataclass(frozen=True)
class Point:
    """Something that the answer rests on; ``section``: the id of where the page shows it."""

    level: Level
    text: str
    section: str


@dataclass(frozen=True)
class Verdict:
    """``answer``: a few words. ``points``: why, the gravest first."""

    level: Level
    answer: str
    points: Sequence[Point]


def verdict(data: ReportData) -> Verdict:
    """The answer for what was collected."""
    if not data.books.number:
        points = _of_time(data) if data.up_to else ()
        return Verdict("none", "Nothing was run in this period", tuple(points))
    found = sorted(_points(data), key=lambda point: ("bad", "look", "none", "good").index(point.level))
    level = found[0].level if found and found[0].level in ("bad", "look") else "good"
    answers = _RUN_ANSWERS if data.scope.run_id else _ANSWERS
    return Verdict(level, _unfinished(data) or answers[level], tuple(found))


_ANSWERS: dict[str, str] = {
    "good": "It ran, and everything was billed",
    "look": "It ran, but some events need a look",
    "bad": "Not everything is billed yet",
}
_RUN_ANSWERS: dict[str, str] = {
    "good": "This run completed its window, and everything in it was billed",
    "look": "This run completed its window, but some events need a look",
    "bad": "This run did not complete its window",
}


def _unfinished(data: ReportData) -> str | None:
    """A single run of which the end is not known, or whose work another run has done."""
    if not data.scope.run_id:
        return None
    status = data.books.listed[0].status
    if status == "running":
        return "This run is still going, or was killed"
    return (
        "This run stopped; its window has been completed since"
        if status != "complete" and _made_good(data)
        else None
    )


def _made_good(data: ReportData) -> bool:
    return bool(data.completeness) and not data.missing and data.up_to is not None


def _points(data: ReportData) -> Iterator[Point]:
    yield from _of_runs(data)
    yield from _of_time(data)
    yield from _of_letters(data)
    yield from _of_books(data)


def _of_runs(data: ReportData) -> Iterator[Point]:
    newest = data.books.listed[0]
    if newest.status in _ENDS:
        made_good = data.scope.run_id is not None and _made_good(data)
        which = "The run" if data.scope.run_id else "The newest run"
        yield Point("look" if made_good else "bad", f"{which} {_ENDS[newest.status]}{_why(newest)}", "runs")
    elif newest.status == "running":
        yield Point(
            "look", f"A run that began on {moment(newest.started)} is still going, or was killed", "runs"
        )
    earlier = sum(data.books.statuses[status] for status in _ENDS) - (newest.status in _ENDS)
    if earlier:
        yield Point(
            "none", f"{counted(earlier, 'earlier run')} did not complete; later runs take that up", "runs"
        )


def _why(run: RunLine) -> str:
    lines = (run.error or "").splitlines()
    return f": {shown(lines[0], 240)}" if lines else ""


def _of_time(data: ReportData) -> Iterator[Point]:
    scope = data.scope
    if not scope.run_id and data.missing:
        gaps = "1 stretch of time was" if data.missing == 1 else f"{data.missing:,} stretches of time were"
        yield Point("bad", f"{gaps} never completed", "completeness")
    if scope.at and scope.open and data.up_to and scope.at - data.up_to > _patience(data):
        behind = duration(scope.at - data.up_to)
        yield Point(
            "bad", f"Nothing has been completed for {behind}: is the schedule running?", "completeness"
        )
    if scope.run_id is None:
        for one in data.completeness:
            if one.up_to is None and not one.missing:
                yield Point("bad", f"{shown(one.name)}: no scheduled window is complete yet", "completeness")


def _patience(data: ReportData) -> timedelta:
    return max((data.books.usual or _USUAL) * _PATIENCE, _AT_LEAST)


def _of_letters(data: ReportData) -> Iterator[Point]:
    letters = data.letters
    repairs = letters.to_look_at - letters.held
    if repairs:
        yield Point("look", f"{counted(repairs, 'dead letter')} to look at", "dead-letters")
    if letters.held:
        are = "event is" if letters.held == 1 else "events are"
        yield Point(
            "look", f"{letters.held:,} {are} held until due, and then sent by themselves", "dead-letters"
        )


def _of_books(data: ReportData) -> Iterator[Point]:
    if not data.books.adds_up:
        yield Point("bad", "The counts of the runs do not add up; please report this", "outcomes")
    if data.unlisted:
        yield Point("none", f"{_ledger(data)}", "outcomes")


def _ledger(data: ReportData) -> str:
    more = "fewer" if data.unlisted > 0 else "more"
    return (
        f"The sent log holds {counted(abs(data.unlisted), 'id')} {more} than these runs counted: pruned after the "
        "retention, or recorded first by another run"
    )
