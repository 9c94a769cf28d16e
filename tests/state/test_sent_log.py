"""The sent log: what was recorded is found, exactly, and nothing is recorded twice."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.core.report import Counts
from etl.state.sent_log import log as sentlog
from tests.state.building import days, known, plan, sent


def ids(store, **where) -> list[str]:
    return [i for table in store.sent_log(**where) for i in table["transaction_id"].to_pylist()]


def one_or_many(name: str, *, many: bool, count: int) -> list[str | None]:
    return [f"{name} {i % 7}" if many else name for i in range(count)]


@pytest.mark.parametrize("many", range(16))
def test_every_row_keeps_its_own_values(store, many):
    """Whatever the rows share, however many there are, and with what is missing or unreadable."""
    count = 9_001 if many in {0, 5, 15} else 70
    vary = [bool(many >> bit & 1) for bit in range(4)]
    times = [
        f"2026-11-01T10:{i // 60 % 60:02d}:{i % 60:02d}.{i % 1000:03d}Z"
        if vary[3]
        else "2026-11-01T10:20:30.456Z"
        for i in range(count)
    ]
    columns = {
        "subscription": one_or_many("subscription", many=vary[0], count=count),
        "customer_id": one_or_many("customer", many=vary[1], count=count),
        "event_type": one_or_many("call", many=vary[2], count=count),
        "timestamp": times,
    }
    if many == 15:
        columns["customer_id"][3], columns["timestamp"][5] = None, "+012026-11-01T10:20:30.456Z"
    frame = sent([f"id {i}" for i in range(count)], [f"body {i}" for i in range(count)], **columns)
    with store.begin(plan()) as run:
        run.record(frame, [], Counts())
    rows = [row for table in store.sent_log() for row in table.to_pylist()]
    names = ["transaction_id", "digest", "subscription", "customer_id", "event_type"]
    expected = zip(
        *(frame[name].astype(object).where(frame[name].notna(), None) for name in names), strict=True
    )
    assert [tuple(row[name] for name in names) for row in rows] == list(expected)
    stamps = [None if text.startswith("+") else datetime.fromisoformat(text) for text in times]
    assert [row["event_time"] for row in rows] == stamps


def test_an_id_is_new_then_it_has_the_same_or_another_content(store):
    """For the run that recorded it, and for the next."""
    with store.begin(plan()) as run:
        assert known(run, sent(["a", "b"])) == [0, 0]
        run.record(sent(["a"]), [], Counts())
        assert known(run, sent(["a", "b"], bodies=["other", "b"])) == [2, 0]
        run.complete(Counts(), ())
    with store.begin(plan()) as run:
        assert known(run, sent(["b", "a", "a"], bodies=["b", "other", "a"])) == [0, 2, 1]


def test_ids_are_unique_within_an_account_only(store):
    """Another Metronome account has its own sent log."""
    with store.begin(plan()) as run:
        run.record(sent(["a"]), [], Counts())
    with store.begin(plan(account="sandbox", fingerprint=None)) as run:
        assert known(run, sent(["a"])) == [0]
        run.record(sent(["a"]), [], Counts())
    assert ids(store) == ["a", "a"]
    assert ids(store, account="sandbox") == ["a"]


def test_recording_an_id_again_keeps_the_first_row(store):
    """Repeats within one call, across calls and across runs are recorded once."""
    with store.begin(plan()) as run:
        run.record(sent(["a", "b", "a"], bodies=["1", "2", "3"]), [], Counts())
        run.record(sent(["b", "c"]), [], Counts())
        run.complete(Counts(), ())
    with store.begin(plan()) as run:
        run.record(sent(["c", "d"], bodies=["x", "d"]), [], Counts())
        assert known(run, sent(["a", "b", "c", "d"], bodies=["1", "2", "c", "d"])) == [1, 1, 1, 1]
    assert sorted(ids(store)) == ["a", "b", "c", "d"]


def test_a_row_tells_its_story_without_the_source(store, clock):
    """Account, id, digest, subscription, customer, type, event time, run, time sent."""
    with store.begin(plan()) as run:
        frame = sent(["a"], customer_id=["acme"], event_type=["api_call"])
        run.record(frame, [], Counts())
    (table,) = store.sent_log()
    (row,) = table.to_pylist()
    assert row == {
        "account": "production",
        "transaction_id": "a",
        "digest": frame["digest"][0],
        "subscription": "usage",
        "customer_id": "acme",
        "event_type": "api_call",
        "event_time": datetime(2026, 11, 1, 10, 20, 30, 456000, UTC),
        "pipeline": "product",
        "run_id": run.run_id,
        "sent_at": clock.time,
    }


@pytest.mark.parametrize("odd", ["nul\0inside", "\ufdd0mark", "émoji 😀", " \n\t'\"\\", "x" * 128])
def test_ids_with_odd_characters_arrive_intact(store, odd):
    """PostgreSQL keeps no NUL; such an id is kept all the same, and stays different from every other."""
    with store.begin(plan()) as run:
        run.record(sent([odd, "nul", '\ufdd0"nul"'], customer_id=[odd] * 3), [], Counts())
        assert known(run, sent([odd, "nul", "nulinside"])) == [1, 1, 0]
    assert odd in ids(store, transaction_ids=[odd])
    assert ids(store, customer_id=odd) == ids(store)


def test_a_dry_run_sees_the_log_and_changes_nothing(store):
    """peek looks up as a run would."""
    with store.begin(plan()) as run:
        run.record(sent(["a"]), [], Counts())
        run.complete(Counts(), ["part"])
    with store.peek(plan()) as view:
        assert known(view, sent(["a", "b"])) == [1, 0]
        assert view.marks == {"part"}
    assert ids(store) == ["a"]
    assert len(store.runs()) == 1


def test_a_dry_run_on_nothing_makes_nothing(tmp_path, open_store, url):
    """A dry run before the first run works, and leaves no file."""
    store = open_store()
    with store.peek(plan()) as view:
        assert known(view, sent(["a"])) == [0]
        assert view.held(plan().window.until) == []
    assert store.versions("product", "production") == []
    assert store.intervals("product", "production") == {}
    assert store.sizes()["sent_log"] == 0
    assert store.discard([1], "why") == store.prune() == 0
    assert list(tmp_path.iterdir()) == []
    if url.startswith("postgresql"):
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        assert sa.inspect(engine).get_table_names() == []


def test_two_runs_side_by_side_record_an_id_once(store):
    """Disjoint windows may meet the same id: whoever records second finds it there."""
    with store.begin(plan(days(0, 1))) as one, store.begin(plan(days(1, 2))) as two:
        assert known(two, sent(["a"])) == [0]
        one.record(sent(["a", "b"]), [], Counts())
        assert known(two, sent(["b"])) == [1]
        two.record(sent(["a", "c"]), [], Counts())
        assert known(one, sent(["a", "b", "c"])) == [1, 1, 1]
        one.record(sent(["c", "d"]), [], Counts())
    assert sorted(ids(store)) == ["a", "b", "c", "d"]


def test_what_others_appended_since_a_lookup_is_looked_at_again(store, monkeypatch):
    """Also by a run that looked before it records, and whatever segment the other run appended to."""
    monkeypatch.setattr(sentlog, "FULL", 2)
    with store.begin(plan()) as earlier:
        earlier.record(sent(["x", "y", "z"]), [], Counts())
        earlier.complete(Counts(), ())
    with store.begin(plan(days(0, 1))) as one, store.begin(plan(days(1, 2))) as two:
        for run in (one, two):
            assert known(run, sent(["a", "b", "c", "d", "e"])) == [0] * 5
        one.record(sent(["a", "b", "c"]), [], Counts(), looked_up=True)
        two.record(sent(["c", "d"]), [], Counts(), looked_up=True)
        one.record(sent(["d", "e"]), [], Counts(), looked_up=True)
        assert known(two, sent(["a", "b", "c", "d", "e", "x"])) == [1, 1, 1, 1, 1, 1]
    assert sorted(ids(store)) == ["a", "b", "c", "d", "e", "x", "y", "z"]


def test_the_log_is_exact_across_many_segments(store, monkeypatch, clock):
    """With tiny segments: full ones, ones taken over, ones grown by another run, stored filters and tails."""
    monkeypatch.setattr(sentlog, "FULL", 8)
    monkeypatch.setattr(sentlog, "_TAIL", 5)
    monkeypatch.setattr(sentlog, "_TAIL_AT_END", 2)
    for start in range(0, 60, 6):
        window = days(start, start + 1)
        with store.begin(plan(window)) as run:
            names = [f"id{n}" for n in range(start, start + 6)]
            assert not any(known(run, sent(names)))
            run.record(sent(names[:4]), [], Counts())
            run.record(sent(names), [], Counts())
            run.complete(Counts(), ())
        clock.forward(days=1)
    with store.begin(plan()) as run:
        everything = [f"id{n}" for n in range(70)]
        assert known(run, sent(everything)) == [1] * 60 + [0] * 10
    assert sorted(ids(store, batch=7)) == sorted(everything[:60])
    assert store.sizes()["segments"] > 5


class Model:
    """What the sent log should be: id → body."""

    def __init__(self) -> None:
        self.rows: dict[str, str] = {}

    def answer(self, name: str, body: str) -> int:
        there = self.rows.get(name)
        return 0 if there is None else 1 if there == body else 2

    def record(self, pairs) -> None:
        for name, body in pairs:
            self.rows.setdefault(name, body)


PAIRS = st.lists(
    st.tuples(st.sampled_from([f"id{n}" for n in range(30)]), st.sampled_from("xy")), max_size=12
)
STEPS = st.lists(st.tuples(st.integers(0, 1), st.booleans(), PAIRS), max_size=12)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rounds=st.lists(STEPS, min_size=1, max_size=3), full=st.sampled_from([3, 1000]))
def test_lookup_and_record_behave_as_a_dict(store, monkeypatch, rounds, full):
    """Two runs at a time, in any interleaving, over tiny and large segments, against a plain dict."""
    monkeypatch.setattr(sentlog, "FULL", full)
    monkeypatch.setattr(sentlog, "_TAIL_AT_END", 2)
    account = f"account-{datetime.now(UTC).timestamp()}"
    model = Model()
    for steps in rounds:
        one, two = (plan(w, account=account, fingerprint=None) for w in (days(0, 1), days(1, 2)))
        with store.begin(one) as first, store.begin(two) as second:
            for which, recording, pairs in steps:
                run = (first, second)[which]
                frame = sent([p[0] for p in pairs], [p[1] for p in pairs])
                if recording:
                    run.record(frame, [], Counts())
                    model.record(pairs)
                else:
                    assert known(run, frame) == [model.answer(n, b) for n, b in pairs]
            first.complete(Counts(), ())
    assert sorted(ids(store, account=account)) == sorted(model.rows)
