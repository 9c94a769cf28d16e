"""Whose time a moment is: edits that are refused, versions that the config lists no more, renames. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from etl.core.errors import ConfigError
from etl.core.ports import SubscriptionVersion
from etl.core.subscription import Subscription
from etl.core.windows import Window
from etl.pipeline.versions import Books, refuse_edits, unlisted


def day(number: int) -> datetime:
    return datetime(2026, 11, number, tzinfo=UTC)


def version(n: int, since: int | None = None, until: int | None = None, name: str = "Usage") -> Subscription:
    """Version ``n`` of a subscription, from one day to another."""
    mapping = {"transaction_id": {"@path": f"$.properties.id{n}"}}
    edges = [None if number is None else day(number) for number in (since, until)]
    return Subscription(name, 'type = "track"', mapping, *edges)


def books(*touched: tuple[Subscription, int, int]) -> Books:
    """Versions as their runs left them, each with the days that it touched."""
    found: dict[tuple[str, str], list[Window]] = {}
    for one, first, last in touched:
        found.setdefault((one.name, one.version), []).append(Window(day(first), day(last)))
    return Books([kept(one) for one, _, _ in touched], found)


def kept(one: Subscription) -> SubscriptionVersion:
    texts = {"trigger": json.dumps(one.trigger), "mapping": json.dumps(one.mapping)}
    return SubscriptionVersion(one.name, one.version, one.since, one.until, day(1), **texts)


def times(
    listed: Sequence[Subscription], known: Books, retired: Mapping[str, datetime] | None = None
) -> list[tuple[str, int | None, int | None]]:
    """Which version (its id's number) bills which days though the config does not list it."""
    return [
        (
            str(one.mapping["transaction_id"]["@path"])[-1],
            one.since and one.since.day,
            one.until and one.until.day,
        )
        for one in unlisted(listed, known, retired or {})
    ]


# ---------------------------------------------------------------------------------------------- edits

OLD, TOUCHED = version(1), books((version(1), 1, 10)).touched


def test_an_unchanged_subscription_runs_on() -> None:
    """The version is the same."""
    refuse_edits([OLD], TOUCHED)


def test_an_edit_is_refused_until_it_says_from_when_it_applies() -> None:
    """The end of what the version before has run; that one need not be listed."""
    with pytest.raises(ConfigError) as refused:
        refuse_edits([version(2)], TOUCHED)
    assert str(refused.value) == (
        "the trigger or mapping of subscription 'Usage' has changed since it was last run. To bill nothing twice, "
        "say from when the new version applies; the version before goes on to bill what came before that, and need "
        "not be listed. `etl amend` writes it into the config:\n"
        "  subscriptions:\n"
        '    - name: "Usage"\n'
        "      from: 2026-11-10T00:00:00Z"
    )
    refuse_edits([version(2, 10)], TOUCHED)


def test_a_from_before_the_old_watermark_is_refused() -> None:
    """Events in between were billed under the old ids."""
    with pytest.raises(
        ConfigError, match="from 2026-11-09T00:00:00Z, but another version of it has run up to"
    ):
        refuse_edits([version(2, 9)], TOUCHED)


def test_a_version_that_stays_listed_is_accepted() -> None:
    """Old until T, new from T."""
    refuse_edits([version(1, None, 10), version(2, 10)], TOUCHED)


def test_going_back_to_an_earlier_version_is_refused_too() -> None:
    """What the newer version billed must not be billed again under the older ids."""
    with pytest.raises(ConfigError, match="2026-11-15"):
        refuse_edits([OLD], books((OLD, 1, 10), (version(2), 10, 15)).touched)


def test_other_names_do_not_matter() -> None:
    """A new name is not an edit."""
    refuse_edits([version(2, name="Other")], TOUCHED)


# ------------------------------------------------------------------------------------------- timeline


def test_a_version_that_is_listed_no_more_has_the_time_up_to_its_successor() -> None:
    """From its own from (none), over what it billed, to the from of the next: also where it did not run."""
    assert times([version(2, 12)], books((version(1), 1, 10))) == [("1", None, 12)]


def test_three_versions_of_which_the_config_lists_the_last() -> None:
    """Each ends where the next begins."""
    known = books((version(1), 1, 10), (version(2, 10), 10, 15))
    assert times([version(3, 15)], known) == [("1", None, 10), ("2", 10, 15)]


def test_a_version_that_never_completed_its_first_days_has_them_from_its_from() -> None:
    """What the version before left untouched is that one's."""
    known = books((version(1), 1, 8), (version(2, 10), 12, 15))
    assert times([version(3, 15)], known) == [("1", None, 10), ("2", 10, 15)]


def test_a_name_that_is_gone_has_what_it_touched() -> None:
    """And no day more, or less."""
    known = books((version(1), 1, 10))
    assert times([version(2, name="Other")], known) == [("1", None, 10)]


@pytest.mark.parametrize("end", [5, 14])
def test_retired_says_when_a_name_ended(end: int) -> None:
    """Earlier than what it billed, or later."""
    assert times([], books((version(1), 1, 10)), {"Usage": day(end)}) == [("1", None, end)]


def test_retired_ends_every_version_of_a_name() -> None:
    known = books((version(1), 1, 10), (version(2, 10), 10, 15))
    assert times([], known, {"Usage": day(5)}) == [("1", None, 5)]
    assert times([], known, {"Usage": day(12)}) == [("1", None, 10), ("2", 10, 12)]


def test_a_version_that_came_back_has_both_of_its_times() -> None:
    """The state keeps its last from only; what it touched before the other version says the rest."""
    again = version(1, 20)
    known = books((version(1), 1, 10), (version(2, 10), 10, 20))
    known = replace(known, versions=[kept(again), *known.versions[1:]])
    assert times([again], known) == [("1", 1, 10), ("2", 10, 20)]


def test_what_a_listed_version_gives_up_is_nobodys() -> None:
    """Its from or until was moved: the config says so."""
    known = books((version(1), 1, 10))
    assert times([version(1, None, 8)], known) == []
    assert times([version(1, 5)], known) == []


def test_an_until_of_its_own_is_kept() -> None:
    """The config had ended it before it was taken out."""
    assert times([version(2, 20)], books((version(1, None, 10), 1, 10))) == [("1", None, 10)]


def test_numbers_are_part_of_a_version() -> None:
    """Which of the two it was the state knows by its hash."""
    one = replace(version(1), numbers="string")
    (found,) = unlisted([], books((one, 1, 10)), {})
    assert found == replace(one, until=day(10))


# -------------------------------------------------------------------------------------------- renames


def pending(was: Mapping[str, str], known: Books) -> dict[str, str]:
    return known.pending(was)


def test_a_rename_is_done_once() -> None:
    """What is recorded is not done again, even where the old name is used anew."""
    known = books((version(1, name="A"), 1, 10))
    assert pending({"B": "A"}, known) == {"A": "B"}
    assert pending({"B": "A"}, replace(known, inputs={("was", "B"): "A"})) == {}


def test_an_unknown_old_name_is_harmless() -> None:
    assert pending({"B": "A"}, books((version(1, name="B"), 1, 10))) == {}


def test_names_are_swapped_and_chained_at_once() -> None:
    known = books((version(1, name="A"), 1, 10), (version(2, name="B"), 1, 5))
    swapped = known.renamed({"A": "B", "B": "A"})
    assert set(swapped.touched) == {("B", version(1).version), ("A", version(2).version)}
    chained = known.renamed({"A": "B", "B": "C"})
    assert set(chained.touched) == {("B", version(1).version), ("C", version(2).version)}


def test_a_name_that_takes_over_another_has_both_histories() -> None:
    known = replace(
        books((version(1, name="A"), 1, 10), (version(1, name="B"), 10, 15)),
        intervals={"A": [Window(day(1), day(10))], "B": [Window(day(10), day(15))]},
    )
    joined = known.renamed({"A": "B"})
    assert joined.intervals == {"B": [Window(day(1), day(15))]}
    assert joined.touched == {("B", version(1).version): [Window(day(1), day(15))]}
