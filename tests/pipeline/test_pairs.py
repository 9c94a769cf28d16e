"""Batches are examined in pieces where many subscriptions match: the same pairs, in bounded memory."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import pyarrow as pa
import pytest

from etl.core.layouts import WHOLE_EVENT
from etl.core.ports import EventBatch, Unreadable
from etl.core.subscription import DEFAULT_MAPPING, Subscription
from etl.core.windows import ALL_TIME
from etl.pipeline import pairs as examining
from etl.pipeline.limits import Limits
from etl.pipeline.pairs import Billing, in_pieces
from etl.transform import compile_subscription


def billing(name: str, trigger: str) -> Billing:
    return Billing(name, compile_subscription(Subscription(name, trigger, DEFAULT_MAPPING)), ALL_TIME)


EVERYTHING = 'type = "track"'
UNREADABLE = Unreadable("file", 99, "not JSON", "{")


def batch(rows: int, **more: object) -> EventBatch:
    events = [
        f'{{"type":"track","event":"e{i % 2}","messageId":"m{i}","context":{{"groupId":"g"}},"timestamp":"2026-11-01T00:00:00Z",'
        '"properties":{}}'
        for i in range(rows)
    ]
    return EventBatch(
        table=pa.table({WHOLE_EVENT: pa.array(events, pa.json_())}),
        layout="segment",
        cursor=pa.array([datetime(2026, 11, 1, tzinfo=UTC)] * rows, pa.timestamp("us", "UTC")),
        rows=pa.array(range(1000, 1000 + rows), pa.int64()),
        origin="file",
        **more,  # type: ignore[arg-type]
    )


def origins(pieces: list[examining.Examined]) -> pd.DataFrame:
    """Every pair with the row of the origin that it came from."""
    frames = [
        piece.pairs.assign(origin=[piece.batch.rows[row].as_py() for row in piece.pairs["row"]])
        for piece in pieces
    ]
    return pd.concat(frames)[["origin", "subscription", "transaction_id", "body"]].reset_index(drop=True)


def sizes(pieces: list[examining.Examined]) -> list[int]:
    return [piece.batch.table.num_rows for piece in pieces]


@pytest.fixture
def twelve_pairs(monkeypatch):
    monkeypatch.setattr(examining, "MOST_PAIRS", 12)


def test_a_batch_that_all_match_is_cut_and_makes_the_same_pairs(twelve_pairs, monkeypatch):
    billings = [billing(f"s{n}", EVERYTHING) for n in range(4)]
    pieces = list(in_pieces([batch(10)], billings, Limits()))
    assert sizes(pieces) == [3, 3, 3, 1]
    monkeypatch.setattr(examining, "MOST_PAIRS", 1_000)
    whole = list(in_pieces([batch(10)], billings, Limits()))
    assert sizes(whole) == [10]
    pd.testing.assert_frame_equal(origins(pieces), origins(whole))
    assert len(origins(whole)) == 40


def test_pieces_grow_where_few_match_and_shrink_at_once_where_all_do(twelve_pairs):
    few = [billing(f"s{n}", 'event = "never"') for n in range(4)]
    assert sizes(list(in_pieces([batch(60)], few, Limits()))) == [3, 6, 12, 12, 12, 12, 3]
    all_but_two = [*few[:2], billing("a", EVERYTHING), billing("b", EVERYTHING)]
    assert sizes(list(in_pieces([batch(15)], all_but_two, Limits()))) == [3, 6, 6]


def test_what_is_said_of_a_batch_is_said_once(twelve_pairs):
    billings = [billing(f"s{n}", EVERYTHING) for n in range(4)]
    pieces = list(in_pieces([batch(7, unreadable=[UNREADABLE], mark="m", done=0.5)], billings, Limits()))
    assert [list(piece.batch.unreadable) for piece in pieces] == [[UNREADABLE], [], []]
    assert [piece.batch.mark for piece in pieces] == [None, None, "m"]
    assert [piece.batch.done for piece in pieces] == [0.5] * 3


def test_a_batch_without_rows_is_passed_on(twelve_pairs):
    pieces = list(
        in_pieces([batch(0, unreadable=[UNREADABLE], mark="m")], [billing("a", EVERYTHING)], Limits())
    )
    assert [(piece.batch.unreadable, piece.batch.mark, len(piece.pairs)) for piece in pieces] == [
        ([UNREADABLE], "m", 0)
    ]


def test_rejected_pairs_count_as_pairs(twelve_pairs):
    """They are kept until they are recorded, too."""
    broken = {**DEFAULT_MAPPING, "customer_id": {"@path": "$.missing"}}
    billings = [
        Billing(f"s{n}", compile_subscription(Subscription(f"s{n}", EVERYTHING, broken)), ALL_TIME)
        for n in range(4)
    ]
    pieces = list(in_pieces([batch(10)], billings, Limits()))
    assert sizes(pieces) == [3, 3, 3, 1]
    assert sum(len(piece.rejected) for piece in pieces) == 40
