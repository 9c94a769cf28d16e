"""A subscription compiled once, then applied to any number of batches: trigger, mapping, schema, body. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etl.transform import columns
from etl.transform.fql import FqlError, Trigger, compile_trigger
from etl.transform.mapping.compiler import Fields, Mapping, compile_mapping
from etl.transform.usage.body import EXECUTE_PATHS, LEAKED, bodies, execute_failures
from etl.transform.usage.schema import CheckedFields, check

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.core.layouts import Path
    from etl.core.subscription import Subscription
    from etl.transform.columns.tracks import Roots

TOO_DEEP = "the event is nested too deeply"


@dataclass(frozen=True)
class Mapped:
    """What a mapping made of events; ``row`` is the position among them, every frame is in its order.

    ``accepted``: ``row`` int64, and strings ``subscription, transaction_id, customer_id, timestamp`` (ISO),
    ``event_type, body`` (canonical JSON text); never null.
    ``rejected``: ``row`` int64, and strings ``subscription, stage`` (``mapping``, ``schema``, ``execute`` or
    ``serialize``), ``reason`` (Segment's words), ``transaction_id, customer_id`` (null where not known).
    """

    accepted: pd.DataFrame
    rejected: pd.DataFrame


@dataclass(frozen=True)
class Compiled:
    """A subscription ready to be applied. Made by ``compile_subscription``, never raises for what events hold.

    ``trigger``: None where the text is no valid FQL, ``invalid`` then says why.
    """

    subscription: Subscription
    trigger: Trigger | None
    invalid: str | None
    mapping: Mapping

    @property
    def problems(self) -> tuple[str, ...]:
        """Why no event will ever be sent: an invalid trigger, and what Segment refuses of the mapping."""
        return (*([self.invalid] if self.invalid is not None else []), *self.mapping.problems)

    @property
    def paths(self) -> frozenset[Path] | None:
        """The paths of the event that are looked at; None: any, so the whole event is needed."""
        if self.mapping.paths is None:
            return None
        return self.mapping.paths | EXECUTE_PATHS | (self.trigger.paths if self.trigger else frozenset())

    def match(self, events: Roots) -> tuple[np.ndarray, pd.DataFrame]:
        """Bool per event: the trigger matches; and the events for which it fails, in no case among those.

        The frame has the columns of ``Mapped.rejected``, with stage ``subscription``: every event if the trigger
        is invalid, else those for which Segment throws while matching.
        """
        if self.trigger is None:
            nothing = np.zeros(len(events), bool)
            return nothing, self._rejected(range(len(events)), "subscription", [self.invalid] * len(events))
        mask, errors = self.trigger.matches(events)
        rows = sorted(errors)
        return mask, self._rejected(rows, "subscription", [errors[row] for row in rows])

    def map(self, events: Roots) -> Mapped:
        """Map, check and write every one of ``events``: they are taken to match.

        An event nested too deeply for Python's stack is rejected alone, at stage ``mapping``.
        """
        try:
            return self._map(events)
        except RecursionError:
            if len(events) < 2:
                return Mapped(self._nothing(), self._rejected(range(len(events)), "mapping", [TOO_DEEP]))
        half = len(events) // 2
        return _together(
            self.map(events.take(np.arange(half))), self.map(events.take(np.arange(half, len(events)))), half
        )

    def _map(self, events: Roots) -> Mapped:
        if self.mapping.problems:
            reason = " | ".join(self.mapping.problems)
            return Mapped(
                self._nothing(), self._rejected(range(len(events)), "mapping", [reason] * len(events))
            )
        fields = self.mapping.resolve(events)
        checked = check(fields, len(events))
        stages, reasons = _outcomes(fields, checked, execute_failures(events))
        accepted = np.flatnonzero(columns.numpy(pc.is_null(reasons)))
        refused = np.flatnonzero(columns.numpy(pc.is_valid(reasons)))
        return Mapped(
            self._accepted(fields, checked, accepted), self._refused(checked, refused, stages, reasons)
        )

    # ------------------------------------------------------------------------------------------- frames

    def _accepted(self, resolved: Fields, checked: CheckedFields, rows: np.ndarray) -> pd.DataFrame:
        fields, leaked = checked.fields, resolved.columns.get(LEAKED)
        # All of them, as a rule, and then they are not copied.
        if len(rows) < len(checked.reasons):
            fields = {name: field.take(rows) for name, field in fields.items()}
            leaked = None if leaked is None else columns.take(leaked, rows)
        body = bodies(fields, leaked, numbers_as_text=self.subscription.numbers == "string")
        names = ("transaction_id", "customer_id", "timestamp", "event_type")
        return self._frame(rows, {name: fields[name].texts for name in names} | {"body": body})

    def _refused(
        self, checked: CheckedFields, rows: np.ndarray, stages: pa.Array, reasons: pa.Array
    ) -> pd.DataFrame:
        at = pa.array(rows)
        ids = {name: checked.fields[name].texts for name in ("transaction_id", "customer_id")}
        known = {name: texts.take(at) for name, texts in ids.items() if texts is not None}
        return self._frame(rows, {"stage": stages.take(at), "reason": reasons.take(at)} | known)

    def _rejected(
        self, rows: Sequence[int] | range, stage: str, reasons: Sequence[str | None]
    ) -> pd.DataFrame:
        nothing = pa.nulls(len(rows), pa.string())
        said = {"stage": pa.array([stage] * len(rows), pa.string()), "reason": pa.array(reasons, pa.string())}
        return self._frame(
            np.array(rows, np.int64), said | {"transaction_id": nothing, "customer_id": nothing}
        )

    def _nothing(self) -> pd.DataFrame:
        empty = pa.array([], pa.string())
        names = ("transaction_id", "customer_id", "timestamp", "event_type", "body")
        return self._frame(np.array([], np.int64), dict.fromkeys(names, empty))

    def _frame(self, rows: np.ndarray, texts: dict[str, pa.Array]) -> pd.DataFrame:
        name = pa.repeat(pa.scalar(self.subscription.name, pa.string()), len(rows))
        arrays = {"row": pa.array(rows, pa.int64()), "subscription": name, **texts}
        data = {column: pd.arrays.ArrowExtensionArray(array) for column, array in arrays.items()}
        return pd.DataFrame(data, copy=False)


def compile_subscription(subscription: Subscription) -> Compiled:
    """Any subscription; what is wrong with it is in ``problems`` and in what it rejects, never raised."""
    mapping = compile_mapping(subscription.mapping)
    try:
        return Compiled(subscription, compile_trigger(subscription.trigger), None, mapping)
    except FqlError as error:
        return Compiled(subscription, None, f"Invalid subscription : {error}", mapping)


def _together(first: Mapped, second: Mapped, offset: int) -> Mapped:
    """The two halves of a batch; the second begins at ``offset``."""
    pairs = ((first.accepted, second.accepted), (first.rejected, second.rejected))
    accepted, rejected = (
        pd.concat([one, two.assign(row=two["row"] + offset)], ignore_index=True) for one, two in pairs
    )
    return Mapped(accepted, rejected)


def _outcomes(fields: Fields, checked: CheckedFields, executed: pa.Array | None) -> tuple[pa.Array, pa.Array]:
    """Per row the first stage that refuses it and why; NA where none does."""
    late = checked.fields["timestamp"].unserialisable
    steps = {
        "mapping": None if fields.failures is None else pa.array(fields.failures, pa.string()),
        "schema": checked.reasons,
        "execute": executed,
        "serialize": late,
    }
    held = {stage: reasons for stage, reasons in steps.items() if reasons is not None}
    stages = pc.coalesce(*(pc.if_else(pc.is_valid(reasons), stage, None) for stage, reasons in held.items()))
    return stages, pc.coalesce(*held.values())
