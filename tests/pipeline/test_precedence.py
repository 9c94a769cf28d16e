"""The precedence of outcomes, and what counts as the same content."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.core.ids import digests
from etl.core.windows import Window
from etl.pipeline.precedence import NEW, OTHER, SAME, LookUp, canonical, decide
from etl.state import open_state
from tests.state.building import plan

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TEXT = pd.ArrowDtype(pa.string())


def outcome(age: timedelta, seen: int = NEW, sent: int = NEW) -> str:
    stamps = pd.Series([canonical(NOW - age)], dtype=TEXT)
    decided = decide(stamps, np.array([seen]), np.array([sent]), NOW, timedelta(days=33))
    return str(decided[0])


@pytest.mark.parametrize(
    ("age", "seen", "sent", "expected"),
    [
        (timedelta(0), NEW, NEW, "send"),
        (timedelta(days=33), NEW, NEW, "send"),
        (timedelta(days=33, milliseconds=1), NEW, NEW, "too_old"),
        (timedelta(hours=-24), NEW, NEW, "send"),
        (timedelta(hours=-24, milliseconds=-1), NEW, NEW, "in_future"),
        (timedelta(days=99), SAME, OTHER, "duplicate"),
        (timedelta(days=99), SAME, SAME, "duplicate"),
        (timedelta(days=99), OTHER, NEW, "drift"),
        (timedelta(days=99), OTHER, OTHER, "drift"),
        (timedelta(days=99), OTHER, SAME, "already_sent"),
        (timedelta(days=99), NEW, SAME, "already_sent"),
        (timedelta(days=-99), NEW, OTHER, "drift"),
    ],
)
def test_the_first_outcome_that_applies(age: timedelta, seen: int, sent: int, expected: str) -> None:
    """duplicate, already_sent, drift, too_old, in_future, send."""
    assert outcome(age, seen, sent) == expected


def test_a_frame_of_all_outcomes_and_one_of_none():
    ages = [timedelta(0), timedelta(0), timedelta(0), timedelta(days=34), timedelta(days=-2), timedelta(0)]
    stamps = pd.Series([canonical(NOW - age) for age in ages], dtype=TEXT)
    seen, sent = np.array([SAME, *[NEW] * 5]), np.array([NEW, SAME, OTHER, NEW, NEW, NEW])
    decided = decide(stamps, seen, sent, NOW, timedelta(days=33))
    assert list(decided) == ["duplicate", "already_sent", "drift", "too_old", "in_future", "send"]
    assert list(decide(stamps[:0], seen[:0], sent[:0], NOW, timedelta(days=33))) == []


def pairs(rows: list[tuple[str, int, int]], *, twice: bool) -> pd.DataFrame:
    """Of ids, contents and milliseconds before now; ``twice``: the time is also among the properties."""
    stamps = [canonical(NOW - timedelta(milliseconds=ms)) for _, _, ms in rows]
    bodies = [
        f'{{"transaction_id":"{name}","timestamp":"{stamp}","properties":{{"n":{n},"timestamp":"{stamp if twice else 0}"}}}}'
        for (name, n, _), stamp in zip(rows, stamps, strict=True)
    ]
    columns = {"transaction_id": [name for name, _, _ in rows], "timestamp": stamps, "body": bodies}
    frame = pd.DataFrame({name: pd.array(texts, dtype=TEXT) for name, texts in columns.items()})
    return frame.assign(subscription="usage")


ROWS = st.lists(
    st.tuples(st.sampled_from("abcd"), st.integers(0, 1), st.sampled_from([0, 1, 999, 1000, 5000])),
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(batches=st.lists(ROWS, max_size=5), twice=st.booleans())
def test_what_a_run_has_met_is_decided_as_by_a_dict(batches, twice):
    """id → the first content and its time; milliseconds make no other content, unless a property has them too."""
    known: dict[str, tuple[int, int, bytes]] = {}
    window = Window(NOW - timedelta(days=1), NOW)
    with TemporaryDirectory() as folder:
        state = open_state(f"sqlite:///{Path(folder) / 'state.db'}", retention=timedelta(days=90))
        with state.peek(plan(window)) as view, LookUp(view, lambda: NOW, timedelta(days=33)) as look_up:
            for batch in batches:
                frame, expected = pairs(batch, twice=twice), []
                for (name, n, ms), digest in zip(batch, digests(frame["body"]), strict=True):
                    before = known.setdefault(name, (n, ms, digest))
                    if before[2] is digest:
                        expected.append(("send", None))
                        continue
                    apart = abs(before[1] - ms)
                    same = before[0] == n and (apart == 0 if twice else apart < 1000)
                    expected.append(("duplicate" if same else "drift", before[2]))
                judged = look_up.judge(frame)
                assert list(zip(judged["outcome"], judged["earlier"], strict=True)) == expected
