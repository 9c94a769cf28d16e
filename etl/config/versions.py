"""What the subscriptions of a config must be to one another."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import combinations
from typing import TYPE_CHECKING

from etl.core.windows import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from etl.config.document import Document
    from etl.config.models import SubscriptionSection
    from etl.core.subscription import Subscription

#: Segment's limit for one destination (Segment's documentation, "Actions").
MAX_SUBSCRIPTIONS = 50


def check_versions(
    sections: Mapping[int, SubscriptionSection], retired: Iterable[str], document: Document
) -> None:
    """Note too many subscriptions, names that two share at the same time, and names that are and are gone.

    Versions of one subscription share its name and count once; they must be disjoint in ``[from, until)``.
    """
    names = {section.name for section in sections.values()}
    if len(names) > MAX_SUBSCRIPTIONS:
        document.problem(("subscriptions",), f"should be at most {MAX_SUBSCRIPTIONS}, but are {len(names)}")
    for (first, one), (second, other) in combinations(sections.items(), 2):
        if one.name == other.name and span(one).overlaps(span(other)):
            document.problem(("subscriptions", second, "name"), _shared(first, other.name))
    for name in {*retired} & names:
        document.problem(
            ("retired", name), "is the name of a subscription: give that an until, or take this out"
        )
    _check_renames(sections, document)


def _check_renames(sections: Mapping[int, SubscriptionSection], document: Document) -> None:
    """Note a name that two subscriptions say they had, and versions of one that do not agree."""
    new: dict[str, str] = {}
    old: dict[str, str] = {}
    for position, one in sections.items():
        if one.was is None:
            continue
        here = ("subscriptions", position, "was")
        if one.was == one.name:
            document.problem(here, "is its own name")
        elif new.setdefault(one.was, one.name) != one.name:
            document.problem(
                here, f'is "{one.was}", as is that of "{new[one.was]}": only one can take its place'
            )
        elif old.setdefault(one.name, one.was) != one.was:
            document.problem(here, f'is "{one.was}", but that of another version of "{one.name}" is not')


def _shared(first: int, name: str) -> str:
    return (
        f'is "{name}", as is subscriptions[{first}].name: give each a name of its own, '
        "or, for versions of one subscription, a from and until that do not overlap"
    )


def span(section: SubscriptionSection | Subscription) -> Window:
    """From its ``from`` to its ``until``, open ends as far as times go."""
    return Window(
        section.since or datetime.min.replace(tzinfo=UTC), section.until or datetime.max.replace(tzinfo=UTC)
    )
