"""What the subscriptions of a config must be to one another."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import combinations
from typing import TYPE_CHECKING

from etl.core.windows import Window

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etl.config.document import Document
    from etl.config.models import SubscriptionSection
    from etl.core.subscription import Subscription

#: Segment's limit for one destination (Segment's documentation, "Actions").
MAX_SUBSCRIPTIONS = 50


def check_versions(sections: Mapping[int, SubscriptionSection], document: Document) -> None:
    """Note too many subscriptions, and names that two share at the same time.

     Versions of one subscription share its name and count once; they must be disjoint in ``[from, until)``
    .
    """
    names = {section.name for section in sections.values()}
    if len(names) > MAX_SUBSCRIPTIONS:
        document.problem(("subscriptions",), f"should be at most {MAX_SUBSCRIPTIONS}, but are {len(names)}")
    for (first, one), (second, other) in combinations(sections.items(), 2):
        if one.name == other.name and span(one).overlaps(span(other)):
            document.problem(("subscriptions", second, "name"), _shared(first, other.name))


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
