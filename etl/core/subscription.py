"""A subscription: a name, a trigger, a mapping, and the part of the cursor's time line it belongs to."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from datetime import datetime

#: Segment's preset of the "Metronome (Actions)" destination, from its published package.
DEFAULT_TRIGGER = 'type = "track"'
DEFAULT_MAPPING: dict[str, Any] = {
    "transaction_id": {"@path": "$.messageId"},
    "customer_id": {"@path": "$.context.groupId"},
    "timestamp": {"@path": "$.timestamp"},
    "event_type": {"@path": "$.event"},
    "properties": {"@path": "$.properties"},
}

#: The five fields of a usage event, in the order in which a body names them.
FIELDS = ("transaction_id", "customer_id", "timestamp", "event_type", "properties")


@dataclass(frozen=True)
class Subscription:
    """What Segment calls a subscription (or action) of a destination.

    ``trigger`` (FQL text) and ``mapping`` (any JSON) are taken as given, wrong or not: a trigger that does not
    parse rejects events at stage ``subscription``, a wrong mapping at stage ``mapping``.
    ``since`` and ``until`` are the config's ``from`` and ``until``: UTC, half-open, on the source's cursor.
    ``numbers``: ``"string"`` sends every number inside ``properties`` as its decimal text.
    """

    name: str
    trigger: Any
    mapping: Any
    since: datetime | None = None
    until: datetime | None = None
    numbers: Literal["preserve", "string"] = "preserve"

    @property
    def version(self) -> str:
        """32 hex digits that change whenever the trigger, the mapping or ``numbers`` do."""
        # json, not orjson: integers of any length and half surrogate pairs are valid in a mapping.
        content = json.dumps([self.trigger, self.mapping, self.numbers], sort_keys=True)
        return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()
