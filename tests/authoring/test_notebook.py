"""``etl.runs``, ``etl.sent_log``, ``etl.dead_letters``, ``etl.sample``: the state and the source as DataFrames."""

from __future__ import annotations

import pandas as pd
import pytest

import etl
from etl.core.outcomes import OUTCOMES
from tests.support.workspace import Workspace, ago, track


@pytest.fixture
def run(workspace: Workspace) -> Workspace:
    """Two runs over three events: two sent by the first, one refused by the mapping in both."""
    workspace.write([track("m1"), track("m2", context={"groupId": "other"}), track("m3", context={})])
    workspace.config()
    workspace.run(since=ago(days=1))
    workspace.run(since=ago(days=1))
    return workspace


def test_runs_are_listed_with_what_they_counted(run: Workspace) -> None:
    """The newest first; every count of the report is a column, and they add up."""
    frame = etl.runs(run.load())
    assert list(frame["sent"]) == [0, 2]
    assert list(frame["already_sent"]) == [2, 0]
    assert list(frame["status"]) == ["complete", "complete"]
    assert (frame["matched"] == frame[list(OUTCOMES)].sum(axis=1)).all()
    assert str(frame["matched"].dtype) == "int64[pyarrow]"
    assert frame["by_subscription"][0]["Usage"]["already_sent"] == 2
    assert len(etl.runs(run.load(), limit=1)) == 1


def test_the_sent_log_is_listed_and_narrowed(run: Workspace) -> None:
    """By customer, run, id and time sent."""
    config = run.load()
    frame = etl.sent_log(config)
    assert sorted(frame["transaction_id"]) == ["m1", "m2"]
    assert list(etl.sent_log(config, customer_id="other")["transaction_id"]) == ["m2"]
    assert list(etl.sent_log(config, transaction_ids=["m1", "nope"])["transaction_id"]) == ["m1"]
    first, second = reversed(etl.runs(config)["run_id"])
    assert (len(etl.sent_log(config, run_id=first)), len(etl.sent_log(config, run_id=second))) == (2, 0)
    assert len(etl.sent_log(config, since=ago(hours=1))) == 2
    assert len(etl.sent_log(config, until=ago(hours=1))) == 0
    assert str(frame["sent_at"].dtype) == "timestamp[us, tz=UTC][pyarrow]"


def test_dead_letters_are_listed_without_content_unless_asked(run: Workspace) -> None:
    """``count`` tells that both runs met it."""
    config = run.load()
    frame = etl.dead_letters(config)
    assert list(frame["message_id"]) == ["m3"]
    assert list(frame["count"]) == [2]
    assert "event" not in frame
    assert "m3" in etl.dead_letters(config, content=True)["event"][0]
    assert len(etl.dead_letters(config, outcome="drift")) == 0
    assert len(etl.dead_letters(config, outcome=["drift", "rejected"], stage="schema")) == 1
    assert len(etl.dead_letters(config, status="resolved")) == 0


def test_a_column_that_is_not_there_is_refused(run: Workspace) -> None:
    """With the columns that are."""
    with pytest.raises(etl.ConfigError, match="dead letters have no column 'outcom'; they have letter, "):
        etl.dead_letters(run.load(), outcom="drift")


def test_before_the_first_run_everything_is_empty(workspace: Workspace) -> None:
    """With the same columns, and no database is made."""
    workspace.write([track("m1")])
    workspace.config()
    config = workspace.load()
    frames = (etl.runs(config), etl.sent_log(config), etl.dead_letters(config))
    assert [len(frame) for frame in frames] == [0, 0, 0]
    assert {"matched", "sent", "by_subscription"} <= set(frames[0].columns)
    assert "transaction_id" in frames[1]
    assert not (workspace.path / "state.db").exists()


def test_a_sample_is_what_map_events_takes(run: Workspace) -> None:
    """So many rows of one file, of the events a trigger matches."""
    config = run.load()
    assert etl.sample(config, limit=2).num_rows == 2
    (body,) = etl.map_events(etl.sample(config, trigger='context.groupId = "other"'), config.subscriptions)[
        "body"
    ]
    assert "m2" in body
    assert etl.sample(config, since=pd.Timestamp.now("UTC")).num_rows == 0
