"""What a run counted, and how it reads. The field names are the contract of DESIGN §6."""

from __future__ import annotations

from collections.abc import Iterator  # noqa: TC003 - dataclass fields are resolved at run time
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from etl.windows import Window, rfc3339

if TYPE_CHECKING:
    from etl.errors import EtlError

#: What a pair can become; ``matched`` is their sum (DESIGN §1).
OUTCOMES = ("sent", "already_sent", "duplicate", "drift", "too_old", "in_future", "rejected", "unsent")


@dataclass
class PairCounts:
    """Pairs of one subscription, by outcome."""

    matched: int = 0
    sent: int = 0
    already_sent: int = 0
    duplicate: int = 0
    drift: int = 0
    too_old: int = 0
    in_future: int = 0
    rejected: int = 0

    @property
    def unsent(self) -> int:
        """Matched pairs that came to no end: 0 in a complete run; in a dry run, what would be sent."""
        return self.matched - sum(getattr(self, outcome) for outcome in OUTCOMES[:-1])

    def as_dict(self) -> dict[str, int]:
        """The counts with ``unsent``, in the contract's order."""
        return {**asdict(self), "unsent": self.unsent}


@dataclass
class Counts:
    """Everything a run counts while it goes; the pair counts by subscription name."""

    read: int = 0
    filtered: int = 0
    unreadable: int = 0
    requests: int = 0
    retries: int = 0
    new_letters: int = 0
    released: int = 0
    by_subscription: dict[str, PairCounts] = field(default_factory=dict)

    def of(self, subscription: str) -> PairCounts:
        """The pair counts of ``subscription``, made when first asked for."""
        return self.by_subscription.setdefault(subscription, PairCounts())

    @property
    def pairs(self) -> PairCounts:
        """The sum over all subscriptions."""
        total = PairCounts()
        for counts in self.by_subscription.values():
            for f in fields(PairCounts):
                setattr(total, f.name, getattr(total, f.name) + getattr(counts, f.name))
        return total

    def as_dict(self) -> dict[str, Any]:
        """Flat, JSON-ready, with the sums over all subscriptions."""
        return {
            "read": self.read,
            "filtered": self.filtered,
            "unreadable": self.unreadable,
            **self.pairs.as_dict(),
            "requests": self.requests,
            "retries": self.retries,
            "released": self.released,
            "by_subscription": {name: c.as_dict() for name, c in self.by_subscription.items()},
        }
