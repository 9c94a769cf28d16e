"""What the pipeline asks of its parts: the protocols, and the plain data that crosses them.

A *source* yields event batches, a *destination* opens a delivery that takes chunks; only ``wiring`` knows which of
them is in use. The state is ``etl.state``'s: it has one implementation, and no protocol here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime, timedelta

    import numpy as np
    import pandas as pd
    import pyarrow as pa

    from etl.core.layouts import Layout, Path
    from etl.core.report import Counts
    from etl.core.windows import Window

RunKind = Literal["scheduled", "ad-hoc", "backfill"]

# --------------------------------------------------------------------------------------------- source


@dataclass(frozen=True)
class Unreadable:
    """A broken row: where it is (``origin``, ``row`` = line or row number, from 1) and why; ``text`` if known."""

    origin: str
    row: int
    reason: str
    text: str | None = None


@dataclass(frozen=True)
class EventBatch:
    """Track events read together: all from one origin (a file, or a table), with that origin's own types.

    ``table``: one row per event; JSON text columns carry the Arrow type ``pa.json_()``.
    ``cursor``: ``timestamp[us, UTC]``, as long as ``table``, never null, every value inside the asked window.
    ``rows``: int64, the row's position in the origin, from 0.
    ``mark``: set on the last batch of a part of the source (an unchanged file, an hour of a table) that was read
    whole within the window; a later run that passes it in ``done`` need not read that part again.
    ``known``: marks of parts whose late rows need not be looked for, although this run does not read them.
    ``late``: whether its rows arrived too late to be billed (set by the run, not by the source).
    ``done``: the part (0 to 1) of all that is to be read that has been read with this batch; None = not known.
    """

    table: pa.Table
    layout: Layout
    cursor: pa.Array
    rows: pa.Array
    origin: str
    unreadable: Sequence[Unreadable] = ()
    mark: str | None = None
    done: float | None = None
    known: Collection[str] = ()
    late: bool = False


@dataclass(frozen=True)
class Late:
    """Rows behind the window of a scheduled run, which it looks for too.

    Received from ``since`` on they are billed; those of before ``begin`` are nobody's, and what lies between is listed.
    ``known``: marks of parts whose rows behind the window were dealt with. ``listing``: no run has looked for late rows
    yet, so whatever is behind the window is listed only. ``asked``: whether a warehouse is asked this time.
    """

    since: datetime
    begin: datetime
    known: Collection[str] = frozenset()
    listing: bool = False
    asked: bool = True


class Source(Protocol):
    """Where track events come from."""

    def batches(
        self,
        window: Window,
        paths: Collection[Path] | None = None,
        done: Collection[str] = frozenset(),
        late: Late | None = None,
    ) -> Iterator[EventBatch]:
        """Rows of any type whose cursor lies in ``window``, repeats included, in bounded memory.

        ``paths``: the paths of the event that will be looked at (None = all); columns outside them may be left
        out. Parts whose mark is in ``done`` are skipped. ``late``: also the rows behind the window of parts that it does
        not know; a file or table root that is new to it begins at the window.
        Raises ``ConfigError`` (missing cursor column) and ``SourceError``: anything that stops the reading, or, with
        its ``parts``, what is broken once everything else was read.
        """
        ...

    def missing(self, origins: Collection[str]) -> set[str]:
        """Those of ``origins`` (files, tables) that the source does not have, or that it leaves out by its config."""
        ...

    def check(self) -> None:
        """For ``etl check --online``: raises as ``batches`` would, reading next to nothing."""
        ...

    def seen(self) -> Sequence[str]:
        """For ``etl check``: what there is, what is taken for what, and what is ignored; reads no row. Raises as above."""
        ...

    def newest(self) -> datetime | None:
        """The newest cursor value present, where that is cheap to know; else None."""
        ...


# ---------------------------------------------------------------------------------------- destination


@dataclass(frozen=True)
class Chunk:
    """1 to 100 usage events in one request.

    ``events``: the frame (columns of ``etl.core.layouts.OUTGOING``) that rows ``start:stop`` of it are taken from.
    ``bodies``: their JSON objects, UTF-8, one right after the other. ``ends``: int64, the position after each.
    """

    events: pd.DataFrame
    start: int
    stop: int
    bodies: memoryview
    ends: np.ndarray

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class ChunkResult:
    """What became of a chunk. Positions are rows of ``chunk.events``; whatever is in neither mapping was sent.

    ``refused``: Metronome refused the event alone; the value is its reason (status and message).
    ``too_old``: the event passed ``max_age`` before a retry.
    """

    chunk: Chunk
    refused: Mapping[int, str] = field(default_factory=dict)
    too_old: Collection[int] = frozenset()
    requests: int = 1
    retries: int = 0


class Delivery(Protocol):
    """Requests in flight: one thread offers chunks, another may collect the results."""

    def offer(self, chunks: Sequence[Chunk]) -> int:
        """Hand over as many, from the first, as there is room for; how many. Raises what stopped the delivery."""
        ...

    def ready(self, timeout: float | None = None) -> bool:
        """Wait until there is room for a chunk, or ``timeout`` seconds; whether there is."""
        ...

    def results(self) -> list[ChunkResult]:
        """Chunks that ended since the last call; does not block, and never raises: see ``offer``."""
        ...

    def drain(self, timeout: float | None = None) -> None:
        """Wait until nothing is in flight (or ``timeout`` seconds). Raises what stopped the delivery."""
        ...

    @property
    def in_flight(self) -> int:
        """Usage events handed over whose result has not been collected yet."""
        ...


class Destination(Protocol):
    """Where usage events go."""

    def open(self) -> AbstractContextManager[Delivery]:
        """A delivery; on exit whatever is still in flight is given up (and will be sent again by a later run)."""
        ...

    def check(self) -> None:
        """For ``etl check --online``: the credential test. Raises ``MetronomeError``."""
        ...


# ---------------------------------------------------------------------------------------------- state


@dataclass(frozen=True)
class DeadLetter:
    """A pair that could not be made, was refused, or was held back; or what cannot be read (no subscription; ``row`` 0).

    ``row``: its number in the origin, from 1. ``outcome``: one of ``etl.core.outcomes.LETTERS``. ``stage`` is the stage of a rejection. ``event`` is the source
    event's JSON text as far as it was read, ``body`` the usage event's, where there is one. ``digest``,
    ``sent_digest``: hex, for drift: of this pair's body, and of the one that was sent, or met earlier in the run, under
    its id; or of what is broken. ``due``: when an ``in_future`` pair may be sent.
    """

    subscription: str
    outcome: str
    stage: str
    reason: str
    origin: str
    row: int
    cursor: datetime | None
    message_id: str | None
    transaction_id: str | None
    customer_id: str | None
    event: str | None
    body: str | None
    digest: str | None = None
    sent_digest: str | None = None
    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """What an id stands for: 16 bytes of the usage event's body (``etl.core.ids``), and its timestamp.

    ``event_time``: microseconds since 1970; None where it is no time that Arrow reads.
    """

    digest: bytes
    event_time: int | None


@dataclass(frozen=True)
class HeldLetter:
    """An ``in_future`` dead letter that came due, and its number: pass that to ``record`` once it was sent."""

    number: int
    letter: DeadLetter


@dataclass(frozen=True)
class BrokenLetter:
    """The letter of a part of the source that could not be read, and its number.

    ``discarded``: somebody decided that windows are complete without the part, as long as it is the same: ``digest``
    is made of its mark.
    """

    number: int
    origin: str
    reason: str
    digest: str | None
    discarded: bool


@dataclass(frozen=True)
class SubscriptionVersion:
    """What state knows of one version (trigger and mapping) of a subscription.

    ``starts``: where scheduled runs begin to bill it. ``since``/``until``: its ``from``/``until`` when last seen.
    """

    name: str
    version: str
    since: datetime | None
    until: datetime | None
    starts: datetime | None
    trigger: str = ""
    mapping: str = ""


@dataclass(frozen=True)
class LatePlan:
    """What a scheduled run does behind its window; see ``Late``.

    ``every``: how often a warehouse is asked. ``begun``: whether runs of before have completed anything.
    """

    since: datetime
    begin: datetime
    every: timedelta
    begun: bool


@dataclass(frozen=True)
class RunPlan:
    """What a run is about to do; the state locks its window and keeps the rest with it.

    ``intervals``: subscription name → the part of the window that will be complete for it when the run is.
    ``touches``: (name, version) → the parts of the window that this version bills; kept before its first event is
    sent (``Run.touch``), since whatever becomes of the run, events in it may have been billed by that version.
    ``renames``: old name → new name of subscriptions, whose books the run takes over before anything else.
    ``takes_over``: the name that the pipeline had before, likewise.
    ``inputs``: (input, name) → what the config says of it, or None = nothing any more; ``StateStore.inputs``.
    ``fingerprint`` of the token: never the token. ``scope``: names the set of subscription versions, for marks.
    ``known_scope``: names what decides which rows a part has, whatever the subscriptions; None where the run bills only
    some of them. ``late``: what it reads behind its window.
    """

    pipeline: str
    account: str
    kind: RunKind
    window: Window
    subscriptions: Sequence[SubscriptionVersion]
    intervals: Mapping[str, Window]
    scope: str
    fingerprint: str | None = None
    touches: Mapping[tuple[str, str], Sequence[Window]] = field(default_factory=dict)
    renames: Mapping[str, str] = field(default_factory=dict)
    takes_over: str | None = None
    inputs: Mapping[tuple[str, str], str | None] = field(default_factory=dict)
    late: LatePlan | None = None
    known_scope: str | None = None

    @property
    def says(self) -> bool:
        """Whether the run, once complete, says which letters are new: the retry of letters does not, a backfill at its end."""
        return self.kind != "backfill" and (bool(self.intervals) or self.kind == "scheduled")


class Progress(Protocol):
    """Who follows how a run goes."""

    def update(self, counts: Counts, window: Window, at: datetime | None, done: float | None) -> None:
        """Called once per batch, with its newest cursor and how much of the reading is done (``EventBatch.done``)."""
        ...
