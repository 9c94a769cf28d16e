"""Pairs that are held back: drift is reported and never sent; what lies in the future is sent once it is due."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

import etl
from etl.core.ids import digests
from etl.pipeline import wiring
from etl.pipeline.run import run
from etl.standin import Standin
from etl.state import open_state
from tests.support.workspace import Workspace, ago, track

TIME = ago(hours=2)


@pytest.fixture(params=["sqlite", "postgresql"])
def workspace(request: pytest.FixtureRequest, tmp_path: Path, standin: Standin) -> Workspace:
    """On each of the two databases."""
    state = "sqlite:///state.db" if request.param == "sqlite" else request.getfixturevalue("postgres")
    workspace = Workspace(tmp_path, standin, state)
    workspace.config()
    return workspace


def run_at(workspace: Workspace, offset: timedelta, **options: Any) -> etl.Report:
    """A run so much later; the stand-in's clock goes with it."""

    def clock() -> datetime:
        return datetime.now(UTC) + offset

    workspace.standin.configure(now=clock().isoformat())
    config = workspace.load()
    state = open_state(config.state_url(), retention=config.state.retention, now=clock)
    return run(replace(wiring.job_of(config, clock=clock, **options), state=state))


def letters(workspace: Workspace, **where: Any) -> list[dict[str, Any]]:
    """Dead letters as the state lists them."""
    return wiring.state_of(workspace.load()).dead_letters("test", **where).to_dict("records")


def test_changed_content_is_reported_with_both_digests_and_never_sent(workspace: Workspace) -> None:
    """The same id with other content: Metronome keeps the first, so sending it would change nothing and hide it."""
    before, after = track("a", timestamp=TIME), track("a", timestamp=TIME, properties={"count": 2})
    workspace.write([before, track("b", timestamp=TIME)])
    workspace.run(since=ago(days=1))
    first = workspace.standin.bodies()["a"]
    workspace.write([after, track("b", timestamp=TIME)])
    for times in (1, 2):
        report = workspace.run(since=ago(days=1))
        assert (report.drift, report.already_sent, report.sent) == (1, 1, 0)
        assert report.exit_code == (1 if times == 1 else 0)
    (letter,) = letters(workspace)
    assert (letter["outcome"], letter["transaction_id"], letter["count"]) == ("drift", "a", 2)
    assert [letter["digest"], letter["sent_digest"]] == digests_of([letter["body"], first])
    assert workspace.standin.bodies()["a"] == first
    assert workspace.standin.stats()["events"] == 2


def digests_of(bodies: list[str]) -> list[str]:
    return [digest.hex() for digest in digests(pd.Series(bodies, dtype=pd.ArrowDtype(pa.string())))]


def test_an_event_of_the_future_is_sent_by_the_first_run_after_it_came_due(workspace: Workspace) -> None:
    """Held, told about once, not sent early, then sent once, though its window is never read again."""
    workspace.write([track("now"), track("later", timestamp=ago(hours=-60))])
    workspace.config(source={"overlap": "0s"})
    first = workspace.run()
    assert (first.exit_code, first.sent, first.in_future) == (1, 1, 1)
    (letter,) = letters(workspace, outcome="in_future")
    assert letter["due"].to_pydatetime() - datetime.now(UTC) < timedelta(hours=36)
    early = run_at(workspace, timedelta(hours=30))
    assert (early.exit_code, early.sent, early.counts.released) == (0, 0, 0)
    assert list(workspace.standin.accepted()) == ["now"]
    due = run_at(workspace, timedelta(hours=37))
    assert (due.exit_code, due.sent, due.counts.released) == (0, 0, 1)
    assert list(workspace.standin.accepted()) == ["now", "later"]
    assert letters(workspace) == []
    assert run_at(workspace, timedelta(hours=38)).counts.released == 0
    assert workspace.standin.stats()["duplicates"] == 0


def test_half_an_emoji_is_held_and_released_like_anything_else(workspace: Workspace) -> None:
    """A lone surrogate in a property, and in what names the customer."""
    odd = {"count": 1, "name": "\ud83d"}
    workspace.write(
        [
            track("later", timestamp=ago(hours=-60), properties=odd),
            track("other", timestamp=ago(hours=-60), properties=odd, context={"groupId": "half \udc00"}),
        ]
    )
    workspace.config(source={"overlap": "0s"})
    assert workspace.run().in_future == 2
    due = run_at(workspace, timedelta(hours=37))
    assert (due.exit_code, due.counts.released) == (0, 2)
    assert workspace.standin.accepted()["other"]["customer_id"] == "half \udc00"
    assert sorted(workspace.standin.accepted()) == ["later", "other"]
    assert letters(workspace) == []
    again = run_at(
        workspace,
        timedelta(hours=37),
        window=(datetime.now(UTC) - timedelta(days=1), datetime.now(UTC)),
        kind="ad-hoc",
    )
    assert (again.already_sent, again.sent, again.drift) == (2, 0, 0)


def test_an_event_of_the_future_that_is_read_again_is_sent_once_and_not_held_any_more(
    workspace: Workspace,
) -> None:
    """The window that holds it is run again after it came due: one of the two ways sends it, both close it."""
    workspace.write([track("now"), track("later", timestamp=ago(hours=-60))])
    workspace.run(since=ago(days=1))
    since = (datetime.now(UTC) - timedelta(days=1), datetime.now(UTC))
    again = run_at(workspace, timedelta(hours=37), window=since, kind="ad-hoc")
    assert again.sent + again.counts.released == 1
    assert list(workspace.standin.accepted()) == ["now", "later"]
    assert letters(workspace) == []
    assert workspace.standin.stats()["duplicates"] == 0
    assert run_at(workspace, timedelta(hours=38)).counts.released == 0


def test_a_held_event_whose_id_was_sent_with_other_content_becomes_drift(workspace: Workspace) -> None:
    """It came due, but another event with its id was billed meanwhile: told, not sent."""
    workspace.write([track("later", timestamp=ago(hours=-60))])
    workspace.run(since=ago(days=1))
    workspace.write([track("later", timestamp=TIME)], "other.parquet")
    (workspace.path / "tracks" / "a.parquet").unlink()
    assert workspace.run(since=ago(days=1)).sent == 1
    workspace.config(source={"overlap": "0s"})
    due = run_at(workspace, timedelta(hours=37))
    assert due.counts.released == 0
    (letter,) = letters(workspace)
    assert (letter["outcome"], letter["transaction_id"]) == ("drift", "later")
    assert [letter["digest"], letter["sent_digest"]] == digests_of(
        [letter["body"], workspace.standin.bodies()["later"]]
    )
    assert workspace.standin.stats()["events"] == 1


def test_two_held_events_with_one_id_are_billed_once(workspace: Workspace) -> None:
    """Read by two runs, so that neither knew of the other: the first one held is sent, the second told as drift."""
    mapping = {
        "transaction_id": {"@path": "$.properties.id"},
        "customer_id": {"@path": "$.context.groupId"},
        "timestamp": {"@path": "$.timestamp"},
        "event_type": {"@path": "$.event"},
        "properties": {"@path": "$.properties"},
    }
    workspace.config([{"name": "Usage", "mapping": mapping}])
    for number in (1, 2):
        event = track(f"m{number}", timestamp=ago(hours=-60), properties={"id": "one", "n": number})
        workspace.write([event])
        assert workspace.run(since=ago(days=1)).in_future == 1
    (workspace.path / "tracks" / "a.parquet").unlink()
    workspace.write([track("m3", properties={"id": "now"})])
    due = run_at(workspace, timedelta(hours=37))
    assert (due.sent, due.counts.released) == (1, 1)
    assert sorted(workspace.standin.accepted()) == ["now", "one"]
    run_at(workspace, timedelta(hours=38))
    assert workspace.standin.stats()["events"] == 2
    assert workspace.standin.accepted()["one"]["properties"]["n"] == 1
    assert [letter["outcome"] for letter in letters(workspace)] == ["drift"]
