"""Dead letters: the same trouble is one letter, and each can be listed, repaired, discarded and erased."""

from __future__ import annotations

from datetime import timedelta

import pytest

from etl.core.report import Counts
from tests.state.building import DAY, days, letter, plan, sent


def record(store, *letters, window=None, **options) -> dict[str, int]:
    """One run that records ``letters``; how many were new."""
    with store.begin(plan(window)) as run:
        new = run.record(sent([]), letters, Counts(), **options)
        run.complete(Counts(), ())
    return dict(new)


def test_the_same_bad_row_in_ten_runs_is_one_letter_with_a_count(store, clock):
    """First and last seen, by run and time; new only once."""
    new = []
    for _ in range(10):
        new.append(record(store, letter()))
        clock.forward(hours=1)
    assert new == [{"rejected": 1}] + [{}] * 9
    (row,) = store.dead_letters("product").to_dict("records")
    runs = store.runs()["run_id"].tolist()
    assert (row["count"], row["first_run"], row["last_run"]) == (10, runs[-1], runs[0])
    assert row["last_seen"] - row["first_seen"] == timedelta(hours=9)


def test_a_letter_keeps_all_there_is_to_know(store):
    """Source event, body, stage, reason, place, ids, digests, when it is due."""
    full = letter(
        outcome="drift", stage="", reason="sent before", transaction_id="t\0", customer_id="c", body='{"a":1}',
        digest="aa", sent_digest="bb", due=DAY,
    )  # fmt: skip
    record(store, full)
    (row,) = store.dead_letters().to_dict("records")
    kept = {name: row[name] for name in full.__dataclass_fields__}
    assert kept == {name: getattr(full, name) for name in full.__dataclass_fields__}
    assert (row["pipeline"], row["account"], row["status"]) == ("product", "production", "open")


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"origin": "b.parquet", "row": 9}, True),
        ({"event": "{}", "customer_id": "other", "cursor": None}, True),
        ({"message_id": "m2"}, False),
        ({"subscription": "other"}, False),
        ({"stage": "limits"}, False),
        ({"reason": "another"}, False),
        ({"outcome": "drift"}, False),
    ],
)
def test_what_makes_two_letters_the_same(store, changes, same):
    """The pair and what befell it: wherever the event was read this time."""
    record(store, letter(), letter(**changes))
    assert len(store.dead_letters()) == (1 if same else 2)


def test_rows_without_a_message_id_are_told_by_their_place(store):
    """Unreadable rows have no id."""
    broken = {"message_id": None, "subscription": "", "outcome": "unreadable", "stage": "", "event": "{{"}
    record(store, letter(**broken), letter(**broken), letter(**broken, row=8), letter(**broken, origin="b"))
    assert store.dead_letters()["count"].tolist() == [2, 1, 1]


def test_a_resolved_letter_that_comes_back_is_new_and_a_discarded_one_is_not(store):
    """Discarding is for good, and says why."""
    drift = {"outcome": "drift", "stage": ""}
    record(store, letter("m1", **drift), letter("m2", **drift))
    numbers = store.dead_letters()["letter"].tolist()
    assert store.resolve(numbers[:1]) == 1
    assert store.discard(numbers, "a test customer") == 1
    assert store.dead_letters().empty
    assert record(store, letter("m1", **drift), letter("m2", **drift)) == {"drift": 1}
    assert store.dead_letters()["message_id"].tolist() == ["m1"]
    (discarded,) = store.dead_letters(status="discarded").to_dict("records")
    assert (discarded["why"], discarded["count"]) == ("a test customer", 2)


def test_a_rejected_pair_that_a_retry_has_sent_stays_closed(store):
    """Its version goes on rejecting it; without a message id another event may lie there."""
    record(store, letter("m1"), letter(None))
    assert store.resolve(store.dead_letters()["letter"].tolist()) == 2
    assert record(store, letter("m1"), letter(None)) == {"rejected": 1}
    assert store.dead_letters()["message_id"].isna().tolist() == [True]
    assert store.dead_letters(status="resolved")["count"].tolist() == [2]


def test_letters_are_listed_by_any_column_and_counted_by_reason(store):
    """One value, or a list of them."""
    record(
        store,
        letter("m1"),
        letter("m2", reason="too long"),
        letter("m3", outcome="drift", stage="", reason="x"),
    )
    record(store, letter("m1"))
    assert store.dead_letters(outcome="drift")["message_id"].tolist() == ["m3"]
    assert store.dead_letters(message_id=["m1", "m2"], reason="too long")["message_id"].tolist() == ["m2"]
    assert store.dead_letters("another").empty
    counts = store.letter_counts("product").to_dict("records")
    assert [(c["reason"], c["letters"], c["sightings"]) for c in counts] == [
        ("x", 1, 1), ("customer_id is missing", 1, 2), ("too long", 1, 1),
    ]  # fmt: skip


def test_the_circuit_breaker_keeps_none_of_the_new_letters(store):
    """Older ones stay."""
    record(store, letter("old"))
    with store.begin(plan()) as run:
        run.record(sent([]), [letter("old"), letter("new")], Counts())
        run.stop(Counts(), RuntimeError(), forget_letters=True)
    assert store.dead_letters()["message_id"].tolist() == ["old"]


def test_a_held_pair_comes_back_when_due_and_is_closed_when_sent(store, clock):
    """The earliest first; closing it is part of the transaction that records it as sent."""
    late, soon = (
        letter(
            name, outcome="in_future", stage="", transaction_id=name, body='{"t":1}', due=clock.time + wait
        )
        for name, wait in (("late", timedelta(hours=2)), ("soon", timedelta(hours=1)))
    )
    record(store, late, soon)
    with store.begin(plan(days(1, 2))) as run:
        assert run.held(clock.time) == []
        clock.forward(hours=3)
        held = run.held(clock.time)
        assert [h.letter for h in held] == [soon, late]
        run.record(sent(["soon"]), [], Counts(), released=[held[0].number])
        assert [h.letter.transaction_id for h in run.held(clock.time)] == ["late"]
    assert [h.letter for h in store.held("product", "production", clock.time)] == [late]
    assert store.held("product", "sandbox", clock.time) == []
    (closed,) = store.dead_letters(status="resolved").to_dict("records")
    assert closed["why"] == f"settled by run {run.run_id}"


def test_without_events_only_a_held_body_is_kept_until_it_is_sent(open_store, clock):
    """Else the event could never be billed; once sent, it goes too."""
    store = open_store(keep_events=False)
    future = {"outcome": "in_future", "stage": "", "transaction_id": "t", "due": clock.time}
    record(store, letter("m1", body="BODY"), letter("m2", body="BODY", **future))
    rows = store.dead_letters()
    assert rows["event"].isna().all()
    assert rows["body"].fillna("").tolist() == ["", "BODY"]
    with store.begin(plan(days(1, 2))) as run:
        (held,) = run.held(clock.time)
        run.record(sent(["t"]), [], Counts(), released=[held.number])
    assert store.dead_letters(status=None)["body"].isna().all()


def test_erasing_a_customer_leaves_nothing_of_them_but_that_it_was_billed(store):
    """Letters lose content and ids and stay closed; the sent log keeps the transaction_id alone."""
    with store.begin(plan()) as run:
        run.record(sent(["a", "b"], customer_id=["gone", "stays"]), [], Counts())
    record(store, letter("m1", customer_id="gone", transaction_id="t", body="{}"), letter("m2"))
    assert store.erase(customer_id="gone") == {"dead_letters": 1, "sent_log": 1}
    (table,) = store.sent_log()
    assert table["customer_id"].to_pylist() == [None, "stays"]
    (row,) = store.dead_letters(status="discarded").to_dict("records")
    assert [row[c] for c in ("customer_id", "message_id", "transaction_id", "event", "body")] == [None] * 5
    assert record(store, letter("m1", customer_id="gone")) == {}
    assert store.erase(message_id="m2") == {"dead_letters": 1, "sent_log": 0}
    assert store.dead_letters().empty
