"""Backfills: a stretch of the past, window by window."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

import etl
from tests.support.workspace import Workspace, ago, track

if TYPE_CHECKING:
    from etl.pipeline.backfill import BackfillReport


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    workspace.config()
    workspace.write([track("m1", receivedAt=ago()), track("m2", receivedAt=ago(days=2))])
    return workspace


def backfill(workspace: Workspace, since: datetime, until: datetime) -> BackfillReport:
    return etl.backfill(workspace.load(), since, until)


def test_an_until_that_is_still_to_come_is_now(filled: Workspace) -> None:
    """What is reported as complete has passed; the rest of the last day is the next backfill's."""
    began = datetime.now(UTC)
    since = began.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=2)
    report = backfill(filled, since, since + timedelta(days=30))
    assert report.window is not None
    assert report.windows[-1].window is not None
    assert report.window.since == since
    assert began <= report.window.until == report.windows[-1].window.until <= datetime.now(UTC)
    assert (report.complete, report.sent, len(report.windows)) == (True, 2, 3)
    again = backfill(filled, since, since + timedelta(days=30))
    assert (len(again.skipped), len(again.windows), again.already_sent) == (2, 1, 1)


def test_a_stretch_that_is_still_to_come_is_refused(filled: Workspace) -> None:
    """Most likely its year is wrong: to say that it is complete would be a lie."""
    with pytest.raises(etl.ConfigError, match=r"the window \[2100-01-01T00:00:00Z, .*\) is still to come"):
        backfill(filled, datetime(2100, 1, 1, tzinfo=UTC), datetime(2100, 1, 3, tzinfo=UTC))
