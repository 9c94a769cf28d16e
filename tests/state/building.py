"""Plans, frames and dead letters for tests of the state."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pandas as pd
import pyarrow as pa

from etl.core.ids import digests, transaction_keys
from etl.core.ports import DeadLetter, RunPlan, SubscriptionVersion
from etl.core.windows import Window
from etl.state.run_log import View
from etl.state.sent_log.rows import binaries

DAY = datetime(2026, 11, 1, tzinfo=UTC)
_TEXT = pd.ArrowDtype(pa.string())


@dataclass
class Clock:
    """``clock()`` is ``clock.time``."""

    time: datetime = datetime(2026, 11, 20, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def forward(self, **step: float) -> None:
        self.time += timedelta(**step)


def days(first: float, last: float) -> Window:
    """From day ``first`` of November 2026 (the 1st is 0) to day ``last``."""
    return Window(DAY + timedelta(days=first), DAY + timedelta(days=last))


def plan(window: Window | None = None, **changes) -> RunPlan:
    window = window or days(0, 1)
    version = SubscriptionVersion("usage", "v1", None, None, DAY, 'type = "track"', "{}")
    values = {
        "pipeline": "product",
        "account": "production",
        "kind": "scheduled",
        "window": window,
        "subscriptions": [version],
        "intervals": {"usage": window},
        "scope": "scope",
        "fingerprint": "0123",
        "touches": {("usage", "v1"): [window]},
    }
    return RunPlan(**{**values, **changes})


def sent(ids, bodies=None, **columns) -> pd.DataFrame:
    """Usage events as the pipeline hands them over; the body of an id is the id unless given."""
    ids = list(ids)
    values = {
        "subscription": ["usage"] * len(ids),
        "transaction_id": ids,
        "customer_id": ["customer"] * len(ids),
        "timestamp": ["2026-11-01T10:20:30.456Z"] * len(ids),
        "event_type": ["call"] * len(ids),
        "body": bodies or ids,
    }
    frame = pd.DataFrame(
        {name: pd.Series(cells, dtype=_TEXT) for name, cells in {**values, **columns}.items()}
    )
    frame = frame.assign(row=pd.Series(range(len(ids)), dtype="int64"))
    return frame.assign(key=transaction_keys(frame["transaction_id"]), digest=digests(frame["body"]))


def known(log: View, pairs: pd.DataFrame) -> list[int]:
    """Of each pair: 0 where its id is not in the sent log, 1 where it is with the pair's body, 2 with another."""
    found, own = log.lookup(pairs), binaries(digests(pairs["body"]))
    return [0 if at not in found else 1 if found[at].digest == own[at] else 2 for at in range(len(pairs))]


def letter(message_id: str | None = "m1", **changes) -> DeadLetter:
    values = {
        "subscription": "usage",
        "outcome": "rejected",
        "stage": "mapping",
        "reason": "customer_id is missing",
        "origin": "a.parquet",
        "row": 7,
        "cursor": DAY,
        "message_id": message_id,
        "transaction_id": None,
        "customer_id": None,
        "event": '{"secret":1}',
        "body": None,
    }
    return DeadLetter(**{**values, **changes})
