"""What is let go, and what never is."""

from __future__ import annotations

import pytest

from etl.core.report import Counts
from etl.state.sent_log import log as sentlog
from etl.state.sent_log import retention
from tests.state.building import days, known, letter, plan, sent


def bill(store, names, letters=(), marks=(), window=None) -> None:
    with store.begin(plan(window)) as run:
        run.record(sent(names), letters, Counts())
        run.complete(Counts(), marks)


def test_a_run_drops_what_was_sent_before_the_retention(store, clock):
    """Rows within it stay, and are found."""
    bill(store, ["old"], [letter()], ["old part"])
    clock.forward(days=60)
    bill(store, ["young"], marks=["young part"])
    clock.forward(days=41)
    bill(store, [])
    with store.begin(plan()) as run:
        assert known(run, sent(["old", "young"])) == [0, 1]
        assert run.marks == {"young part"}
    assert store.sizes()["sent_log"] == 1
    (open_letter,) = store.dead_letters().to_dict("records")
    assert open_letter["event"] is None or open_letter["event"] != open_letter["event"]


def test_closed_letters_go_and_open_ones_stay(store, clock):
    """Nothing is dropped silently: an open letter only loses the event's content, a held one not even that."""
    held = letter("m3", outcome="in_future", stage="", body="{}", due=clock.time)
    bill(store, [], [letter("m1"), letter("m2"), held])
    store.discard(store.dead_letters(message_id="m1")["letter"], "test")
    clock.forward(days=101)
    store.prune()
    rows = store.dead_letters(status=None)
    assert rows["message_id"].tolist() == ["m2", "m3"]
    assert rows["event"].isna().tolist() == [True, False]


@pytest.mark.parametrize("bounded", [True, False])
def test_a_run_prunes_only_so_much_and_prune_the_rest(store, clock, monkeypatch, bounded):
    """A part of a segment may go before the rest; what is left is still found."""
    monkeypatch.setattr(retention, "_ROWS_AT_ONCE", 3)
    monkeypatch.setattr(sentlog, "FULL", 5)
    names = [f"id{n}" for n in range(10)]
    for start in (0, 5):
        bill(store, names[start : start + 5])
    clock.forward(days=101)
    if bounded:
        with store.database.writing_engine.connect() as writer:
            assert retention.prune(store.database, writer, clock.time, store._retention, steps=1) == 3
        with store.begin(plan()) as run:
            assert sum(known(run, sent(names))) == 7
            run.stop(Counts(), RuntimeError())
    store.prune()
    assert store.sizes()["sent_log"] == store.sizes()["segments"] == 0
    bill(store, names)
    assert store.sizes()["sent_log"] == 10


def test_a_segment_that_a_running_run_appends_to_is_left_alone(store, clock):
    """Also when the clock jumped ahead."""
    with store.begin(plan(days(0, 1))) as run:
        run.record(sent(["a"]), [], Counts())
        clock.forward(days=200)
        store.prune()
        run.record(sent(["b"]), [], Counts())
        assert known(run, sent(["a", "b"])) == [1, 1]
        run.complete(Counts(), ())
    assert store.sizes()["sent_log"] == 2


def test_other_runs_notice_what_was_pruned(store, clock):
    """A run that had looked at the dropped segment goes on."""
    bill(store, ["old"])
    clock.forward(days=101)
    with store.begin(plan(days(5, 6))) as run:
        assert known(run, sent(["old"])) == [1]
        store.prune()
        assert known(run, sent(["old"])) == [0]
        run.record(sent(["old"]), [], Counts())
        assert known(run, sent(["old"])) == [1]
