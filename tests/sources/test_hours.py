"""Which parts of a window are read again."""

from __future__ import annotations

from datetime import timedelta

from etl.core.windows import Window
from etl.sources.warehouse import Hour, Stretch, stretches
from tests.sources.support import START, at

DAY = Window(START, at(24))


def hour(number, rows=5, checksum="c"):
    return Hour(at(number), rows, checksum)


def hours_of(found):
    return [
        ((s.window.since - START) / timedelta(hours=1), (s.window.until - START) / timedelta(hours=1))
        for s in found
    ]


def test_hours_without_rows_are_bridged_and_each_hour_with_rows_has_a_mark():
    (stretch,) = stretches("t", [hour(3), hour(1), hour(9)], DAY, set())
    assert stretch.window == Window(at(1), at(10))
    assert [mark.split("|")[1:4] for mark in stretch.marks] == [
        ["2026-11-01T01", "1h", "5"],
        ["2026-11-01T03", "1h", "5"],
        ["2026-11-01T09", "1h", "5"],
    ]


def test_what_is_done_is_not_read_and_parts_what_is():
    done = {stretches("t", [hour(5)], DAY, set())[0].marks[0]}
    assert hours_of(stretches("t", [hour(n) for n in (3, 4, 5, 6)], DAY, done)) == [(3, 5), (6, 7)]
    assert stretches("t", [hour(5)], DAY, done) == []


def test_a_mark_is_of_one_table_one_count_and_one_checksum():
    done = set(stretches("t", [hour(5)], DAY, set())[0].marks)
    for other in (stretches("u", [hour(5)], DAY, done), stretches("t", [hour(5, 6)], DAY, done)):
        assert hours_of(other) == [(5, 6)]
    assert hours_of(stretches("t", [hour(5, 5, "d")], DAY, done)) == [(5, 6)]


def test_the_ends_of_a_window_are_read_but_not_marked():
    window = Window(at(1.5), at(3.25))
    assert stretches("t", [hour(1), hour(2), hour(3)], window, set()) == [
        Stretch(window, stretches("t", [hour(2)], DAY, set())[0].marks)
    ]


def test_days_are_one_part_once_late_rows_are_rare():
    """Four days before the window's end and earlier; the count of the day is that of its hours."""
    window = Window(START, at(24 * 6))
    found = stretches("t", [hour(n) for n in range(24 * 6)], window, set())
    marks = [mark.split("|")[1:4] for stretch in found for mark in stretch.marks]
    assert marks[:3] == [
        ["2026-11-01T00", "24h", "120"],
        ["2026-11-02T00", "24h", "120"],
        ["2026-11-03T00", "1h", "5"],
    ]
    assert len(marks) == 2 + 96


def test_a_day_the_window_begins_in_is_hours():
    window = Window(at(5), at(24 * 6))
    found = stretches("t", [hour(n) for n in range(5, 30)], window, set())
    assert [mark.split("|")[2] for mark in found[0].marks] == ["1h"] * 19 + ["24h"]


def test_marks_are_short_enough_for_an_index():
    (stretch,) = stretches("schema.table", [hour(1, 10**9, "x" * 500)], DAY, set())
    assert len(stretch.marks[0]) < 100
