"""What a run counted, and how it reads. The field names are a contract: scripts read them."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from decimal import Context, Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from etl.core.outcomes import BY_NAME, LETTERS, OUTCOMES, ROWS
from etl.core.windows import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from etl.core.windows import Window

#: What a pair ends as while a run counts; what is left of ``matched`` is the last, ``unsent``.
_ENDS = OUTCOMES[:-1]

#: The fields of a report as ``--json`` prints them → what they mean. Figures that are not known are null.
FIELDS: Final[dict[str, str]] = {
    "run_id": "name of the run in the state database; null where none began",
    "exit_code": "what the command exits with",
    "dry_run": "whether nothing was sent and nothing recorded",
    "window": "`since` and `until` of what was run, RFC 3339, on the source's cursor",
    "complete": "whether every pair of the window came to an end; always false of a dry run",
    "read": "rows of any type inside the window, and late ones that are billed; repeats included, not those of skipped files",
    "filtered": "rows that no subscription matched",
    **{name: f"{BY_NAME[name].of}s: each {BY_NAME[name].meaning}" for name in ROWS},
    "matched": "pairs of a track event and a subscription; the sum of the outcomes from `sent` to `unsent`",
    **{name: f"pairs: each {BY_NAME[name].meaning}" for name in OUTCOMES},
    "requests": "requests to Metronome",
    "retries": "requests that were tried again",
    "long_values": "pairs with a property value over `limits.property_value_bytes`, where that is only warned of",
    "released": "held pairs of earlier runs that came due and were sent; not in `matched`",
    "new_letters": "dead letters that no completed run has counted as new: also those that stopped runs recorded",
    "reasons": "of the rejected pairs, the commonest first: `stage: reason` → pairs",
    "by_subscription": "subscription name → its pairs, by outcome",
    "quantities": "subscription name → sums of `report.quantity`, as decimal texts, of `matched` and by outcome; or null",
    "seconds": "how long it took",
    "newest": "newest cursor in the source; asked only by a scheduled run that read nothing out of the overlap",
    "behind_seconds": "how much older that is than the end of the window, if by more than the overlap",
    "notes": "what the run says once: of a subscription that is gone from the config, for one",
    "error": "null, or `type` and `message` of what stopped it",
}


class PairCounts(SimpleNamespace):
    """Pairs of one subscription: ``matched``, and an attribute for each outcome that a pair ends as."""

    def __init__(self) -> None:
        super().__init__(**dict.fromkeys(("matched", *_ENDS), 0))

    @property
    def unsent(self) -> int:
        """Matched pairs that came to no end: 0 in a complete run; in a dry run, what would be sent."""
        return int(self.matched - sum(getattr(self, outcome) for outcome in _ENDS))

    def add(self, other: PairCounts) -> None:
        """Add what was counted elsewhere."""
        for name, number in vars(other).items():
            setattr(self, name, getattr(self, name) + number)

    def as_dict(self) -> dict[str, int]:
        """The counts with ``unsent``, in the contract's order."""
        return {**vars(self), "unsent": self.unsent}


#: A mapping gone wrong can give every pair a reason of its own; memory stays bounded all the same.
_MOST_REASONS, _LONGEST_REASON, _OTHERS = 100, 200, "other reasons"


@dataclass
class Counts:
    """Everything a run counts while it goes; the pair counts by subscription name.

    ``newest_read``: the newest cursor of the rows read so far; no count, and not among them in ``as_dict``.
    """

    read: int = 0
    filtered: int = 0
    unreadable: int = 0
    late: int = 0
    broken: int = 0
    requests: int = 0
    retries: int = 0
    long_values: int = 0
    new_letters: dict[str, int] = field(default_factory=dict)
    released: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    by_subscription: dict[str, PairCounts] = field(default_factory=dict)
    quantities: dict[str, dict[str, Decimal]] = field(default_factory=dict)
    newest_read: datetime | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False, compare=False)

    def of(self, subscription: str) -> PairCounts:
        """The pair counts of ``subscription``, made when first asked for."""
        return self.by_subscription.setdefault(subscription, PairCounts())

    def add(self, outcome: str, by_subscription: Mapping[str, int]) -> None:
        """Count pairs under ``outcome`` (or ``matched``); safe from any thread."""
        with self._lock:
            for name, number in by_subscription.items():
                counts = self.of(name)
                setattr(counts, outcome, getattr(counts, outcome) + int(number))

    def add_reasons(self, reasons: Mapping[str, int]) -> None:
        """Count rejected pairs by ``stage: reason``."""
        with self._lock:
            for text, number in reasons.items():
                reason = text[:_LONGEST_REASON]
                room = reason in self.reasons or len(self.reasons) < _MOST_REASONS
                self.reasons[reason if room else _OTHERS] += number

    def add_quantities(self, outcome: str, by_subscription: Mapping[str, Decimal]) -> None:
        """Add to the sums of ``outcome`` (or ``matched``); safe from any thread."""
        with self._lock:
            for name, value in by_subscription.items():
                sums = self.quantities.setdefault(name, {})
                sums[outcome] = total((sums.get(outcome, Decimal(0)), value))

    def add_new_letters(self, by_outcome: Mapping[str, int]) -> None:
        """Count dead letters that were recorded for the first time."""
        for outcome, number in by_outcome.items():
            self.new_letters[outcome] = self.new_letters.get(outcome, 0) + number

    def forget_letters(self, by_outcome: Mapping[str, int]) -> None:
        """Count them no more: they were dropped again (circuit breaker)."""
        self.new_letters = dict(Counter(self.new_letters) - Counter(by_outcome))

    def say_letters(self, by_outcome: Mapping[str, int]) -> None:
        """The run is complete: besides its own, letters of runs that stopped are new now."""
        self.new_letters = dict(Counter(self.new_letters) | Counter(by_outcome))

    def saw(self, cursor: datetime | None) -> None:
        """Rows up to ``cursor`` were read."""
        if cursor is not None and (self.newest_read is None or cursor > self.newest_read):
            self.newest_read = cursor

    def include(self, other: Counts) -> None:
        """Add what another run counted."""
        for name in ("read", "filtered", *ROWS, "requests", "retries", "long_values", "released"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.add_new_letters(other.new_letters)
        self.add_reasons(other.reasons)
        with self._lock:
            for name, counts in other.by_subscription.items():
                self.of(name).add(counts)
            for name, sums in other.quantities.items():
                for outcome, value in sums.items():
                    self.add_quantities(outcome, {name: value})

    @property
    def pairs(self) -> PairCounts:
        """The sum over all subscriptions."""
        total = PairCounts()
        with self._lock:  # else a count added meanwhile shows as an outcome without its match
            for counts in self.by_subscription.values():
                total.add(counts)
        return total

    def as_dict(self) -> dict[str, Any]:
        """Flat, JSON-ready, with the sums over all subscriptions; one moment's counts, from any thread."""
        with self._lock:
            return self._now()

    def _now(self) -> dict[str, Any]:
        return {
            "read": self.read,
            "filtered": self.filtered,
            **{name: getattr(self, name) for name in ROWS},
            **self.pairs.as_dict(),
            "requests": self.requests,
            "retries": self.retries,
            "long_values": self.long_values,
            "released": self.released,
            "new_letters": sum(self.new_letters.values()),
            "reasons": dict(self.reasons.most_common()),
            "by_subscription": {name: c.as_dict() for name, c in self.by_subscription.items()},
            "quantities": {name: _sums(sums) for name, sums in self.quantities.items()} or None,
        }


#: Exact for every sum of numbers that a double can hold.
_EXACT = Context(prec=2_000)


def total(values: Iterable[Decimal]) -> Decimal:
    """Their sum, digit for digit."""
    whole = Decimal(0)
    for value in values:
        whole = _EXACT.add(whole, value)
    return whole


def plain(value: Decimal) -> str:
    """As a plain decimal: ``1200.5``."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _sums(sums: Mapping[str, Decimal]) -> dict[str, str]:
    """Of ``matched`` and each outcome; what is left of it is ``unsent``."""
    known = {name: sums.get(name, Decimal(0)) for name in ("matched", *_ENDS)}
    ended = total(known[name] for name in _ENDS)
    unsent = total((known["matched"], ended.copy_negate()))
    return {name: plain(value) for name, value in {**known, "unsent": unsent}.items()}


@dataclass(frozen=True)
class Report:
    """A run as ``--json`` prints it and ``etl.run`` returns it; unknown figures are None.

    ``window`` is what was run; ``seconds`` wall-clock; ``error`` None or ``{"type": …, "message": …}``.
    ``new_letters`` and ``released`` go beyond the contract: dead letters recorded for the first time, and
    ``in_future`` pairs of earlier runs that came due and were sent, which are outside ``matched``. ``newest``: the
    newest cursor in the source, which only a scheduled run asks that read nothing out of the overlap, and only
    some sources know cheaply; ``behind_seconds``: how much older it is than the end of the window, if by more than
    the overlap. ``notes``: what is said once.
    """

    run_id: str | None = None
    exit_code: int = 0
    dry_run: bool = False
    window: Window | None = None
    complete: bool = False
    counts: Counts | None = None
    seconds: float | None = None
    error: dict[str, str] | None = None
    newest: datetime | None = None
    behind_seconds: float | None = None
    notes: Sequence[str] = ()

    def __getattr__(self, name: str) -> Any:
        """Every count is an attribute of the report: ``report.sent``, ``report.by_subscription``."""
        if name in _COUNT_FIELDS:
            return None if self.counts is None else self.counts.as_dict()[name]
        raise AttributeError(f"a report has no field {name!r}; it has {', '.join(self.as_dict())}")

    @property
    def to_look_at(self) -> int:
        """Pairs and rows that somebody has to look at."""
        return 0 if self.counts is None else sum(self.counts.as_dict()[name] for name in LETTERS)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, keys in the contract's order."""
        counts = self.counts.as_dict() if self.counts else dict.fromkeys(_COUNT_FIELDS)
        edges = (self.window.since, self.window.until) if self.window else (None, None)
        since, until = (rfc3339(edge) if edge else None for edge in edges)
        return {
            "run_id": self.run_id,
            "exit_code": self.exit_code,
            "dry_run": self.dry_run,
            "window": {"since": since, "until": until},
            "complete": self.complete,
            **counts,
            "seconds": None if self.seconds is None else round(self.seconds, 3),
            "newest": None if self.newest is None else rfc3339(self.newest),
            "behind_seconds": None if self.behind_seconds is None else round(self.behind_seconds),
            "notes": list(self.notes),
            "error": self.error,
        }


_COUNT_FIELDS = tuple(Counts().as_dict())
