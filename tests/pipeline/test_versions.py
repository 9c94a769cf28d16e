"""Edited subscriptions."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from etl.core.errors import ConfigError
from etl.core.ports import SubscriptionVersion
from etl.core.subscription import Subscription
from etl.core.windows import Window
from etl.pipeline.versions import refuse_edits


def day(number: int) -> datetime:
    return datetime(2026, 11, number, tzinfo=UTC)


OLD = Subscription("Usage", 'type = "track"', {"transaction_id": {"@path": "$.messageId"}})
NEW_MAPPING = {"transaction_id": {"@path": "$.properties.id"}}
KNOWN = [SubscriptionVersion("Usage", OLD.version, None, None, day(1), '"old"', '{"old":1}')]
TOUCHED = {("Usage", OLD.version): [Window(day(1), day(10))]}


def new(since: datetime | None = None, until: datetime | None = None) -> Subscription:
    return Subscription("Usage", OLD.trigger, NEW_MAPPING, since, until)


def test_an_unchanged_subscription_runs_on() -> None:
    """The version is the same."""
    refuse_edits([OLD], KNOWN, TOUCHED)


def test_an_edit_is_refused_with_the_lines_to_paste() -> None:
    """The old version until, the new one from, the end of what the old one has run."""
    with pytest.raises(ConfigError) as refused:
        refuse_edits([new()], KNOWN, TOUCHED)
    assert str(refused.value) == (
        "the trigger or mapping of subscription 'Usage' has changed since it was last run. To bill nothing twice, "
        "say from when the new version applies, and keep the old one until then:\n"
        "  subscriptions:\n"
        '    - name: "Usage"\n'
        "      until: 2026-11-10T00:00:00Z\n"
        '      trigger: "old"\n'
        '      mapping: {"old":1}\n'
        '    - name: "Usage"\n'
        "      from: 2026-11-10T00:00:00Z\n"
        '      trigger: "type = \\"track\\""\n'
        '      mapping: {"transaction_id": {"@path": "$.properties.id"}}'
    )


def test_a_from_before_the_old_watermark_is_refused() -> None:
    """Events in between were billed under the old ids."""
    with pytest.raises(
        ConfigError, match="from 2026-11-09T00:00:00Z, but another version of it has run up to"
    ):
        refuse_edits([new(since=day(9))], KNOWN, TOUCHED)


def test_the_pasted_lines_are_accepted() -> None:
    """Old until T, new from T."""
    old = Subscription(OLD.name, OLD.trigger, OLD.mapping, None, day(10))
    refuse_edits([old, new(since=day(10))], KNOWN, TOUCHED)


def test_going_back_to_an_earlier_version_is_refused_too() -> None:
    """What the newer version billed must not be billed again under the older ids."""
    touched = {**TOUCHED, ("Usage", new().version): [Window(day(10), day(15))]}
    with pytest.raises(ConfigError, match="2026-11-15"):
        refuse_edits([OLD], KNOWN, touched)


def test_other_names_do_not_matter() -> None:
    """A new name is not an edit."""
    refuse_edits([Subscription("Other", "t", NEW_MAPPING)], KNOWN, TOUCHED)
