"""What the stand-in can be told, at its start and while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from etl.standin.faults import Faults

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
