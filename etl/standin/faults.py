"""Faults the stand-in can be told to commit, drawn per request by rate and seed.

A fault is an object with a ``kind`` and, as it needs them:

=========== ========================================================================================
``kind``    what happens
=========== ========================================================================================
status      ``status`` is answered, with ``retry_after`` (sent as it is) and ``message`` if given
delay       the answer comes after ``seconds``
reset       the connection is reset
truncate    a 200 breaks off in the middle of its body
web_page    a 200 with an HTML page in it
silence     no answer, ever
=========== ========================================================================================

``when`` says how far the request got: ``before_body`` (``reset`` only: nothing was read), ``before_taking``
(read, but the events were not taken; the default) or ``after_taking``. ``rate`` is the share of requests
(default 1), ``times`` how often at most, ``path`` which requests (default ``/v1/ingest``). Rates add up: a
request gets one fault or none.

What the stand-in can be told, at its start and while it runs.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Sequence


Kind = Literal["status", "delay", "reset", "truncate", "web_page", "silence"]
When = Literal["before_body", "before_taking", "after_taking"]


@dataclass(frozen=True)
class Fault:
    """One fault; see the module. ``seconds`` of a delay; ``times`` None is without bound."""

    kind: Kind
    rate: float = 1.0
    when: When = "before_taking"
    status: int = 500
    retry_after: str | float | None = None
    message: str = "injected by the stand-in"
    seconds: float = 0.0
    times: int | None = None
    path: str = "/v1/ingest"

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if self.kind not in get_args(Kind):
            raise ValueError(f"fault kind {self.kind!r} is not one of {', '.join(get_args(Kind))}")
        if self.when not in get_args(When):
            raise ValueError(f"fault when {self.when!r} is not one of {', '.join(get_args(When))}")
        if self.when == "before_body" and self.kind != "reset":
            raise ValueError("before_body goes with the kind reset only")
        if not 0 <= self.rate <= 1:
            raise ValueError(f"fault rate {self.rate!r} is not between 0 and 1")

    @property
    def name(self) -> str:
        """What counts are kept under: ``status 503 after_taking``."""
        kind = f"status {self.status}" if self.kind == "status" else self.kind
        return kind if self.when == "before_taking" else f"{kind} {self.when}"


class Faults:
    """Draws the fault of each request."""

    def __init__(self, faults: Sequence[dict[str, Any]] = (), seed: int = 0) -> None:
        self._faults = [_fault(item) for item in faults]
        self._left = [fault.times for fault in self._faults]
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose

    def draw(self, path: str) -> Fault | None:
        """The fault for the next request to ``path``, or None."""
        if not self._faults:
            return None
        point = self._random.random()
        for position, fault in enumerate(self._faults):
            if fault.path != path or self._left[position] == 0:
                continue
            if point < fault.rate:
                return self._spend(position, fault)
            point -= fault.rate
        return None

    def _spend(self, position: int, fault: Fault) -> Fault:
        left = self._left[position]
        if left is not None:
            self._left[position] = left - 1
        return fault


def _fault(item: dict[str, Any]) -> Fault:
    known = {f.name for f in fields(Fault)}
    unknown = sorted(set(item) - known)
    if unknown or "kind" not in item:
        wrong = f"unknown key {unknown[0]!r}" if unknown else "missing key 'kind'"
        raise ValueError(f"fault: {wrong}; keys are {', '.join(sorted(known))}")
    return Fault(**item)


DEFAULT_MAX_BODY = 1 << 20


@dataclass(frozen=True)
class Settings:
    """Settings as their JSON has them, checked.

    ``faults`` and ``seed``: see ``etl.standin.faults``. ``poison_prefix``: events whose transaction_id begins
    so are refused. ``now``: the clock stands at this RFC 3339 time; None is the real one. ``max_body``: in
    bytes, decompressed. ``customers`` and ``billable_metrics``: what the read-back endpoints list.
    """

    faults: list[dict[str, Any]] = field(default_factory=list)
    seed: int = 0
    poison_prefix: str | None = None
    now: str | None = None
    max_body: int = DEFAULT_MAX_BODY
    customers: list[dict[str, Any]] = field(default_factory=list)
    billable_metrics: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        Faults(self.faults, self.seed)
        if self.now is not None and datetime.fromisoformat(self.now).tzinfo is None:
            raise ValueError(f"now {self.now!r} has no time zone")

    def changed(self, values: dict[str, Any]) -> Settings:
        """A copy with ``values`` in place. Raises ``ValueError`` for what is unknown or wrong."""
        known = {f.name: getattr(self, f.name) for f in fields(self)}
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ValueError(f"unknown setting {unknown[0]!r}; settings are {', '.join(sorted(known))}")
        return Settings(**(known | values))

    def clock(self) -> datetime:
        """The stand-in's now, UTC."""
        return datetime.fromisoformat(self.now).astimezone(UTC) if self.now else datetime.now(UTC)
