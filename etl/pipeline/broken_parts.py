"""Parts of the source that cannot be read: everything else is billed, and each is a dead letter. Pure.

A window is complete without a part once somebody has discarded its letter, or the part is gone or left out by
``source.exclude``: then that is said in a letter of its own.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.core.errors import SourceError
from etl.core.ports import DeadLetter

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from etl.core.errors import BrokenPart
    from etl.core.ports import BrokenLetter

_GONE = "was never read whole, and is no longer there or left out by source.exclude"
_WAY_ON = (
    "Everything else was read. To complete the window without it, discard its dead letter (`etl dead-letters list` "
    "shows them), or name it in source.exclude."
)


@dataclass(frozen=True)
class Settled:
    """What becomes of the broken parts of a run, and of those of earlier runs.

    ``letters``: to record. ``ended``: numbers of letters that no longer hold. ``left_out``: parts the window is
    complete without. ``error``: what keeps the window from being complete.
    """

    letters: Sequence[DeadLetter]
    ended: Sequence[int]
    left_out: Sequence[BrokenPart]
    error: SourceError | None


def settle(
    parts: Sequence[BrokenPart],
    known: Sequence[BrokenLetter],
    read: Collection[str],
    missing: Callable[[Collection[str]], set[str]],
) -> Settled:
    """``parts``: broken in this run; ``known``: letters of earlier runs; ``read``: origins that were read to their end.

    ``missing``: which of some origins the source does not have; asked only where a letter's part was not met.
    """
    discarded = {(letter.origin, letter.reason, letter.digest) for letter in known if letter.discarded}
    left_out = [part for part in parts if _same(part) in discarded]
    now = {part.origin.lower() for part in parts}
    gone = _gone([letter for letter in known if letter.origin.lower() not in {*now, *read}], missing)
    # What was read after all, or is broken in another way than it was.
    over = [letter for letter in known if letter.origin.lower() in {*now, *read} and not letter.discarded]
    still = {_same(part) for part in parts}
    over = [letter for letter in over if (letter.origin, letter.reason, letter.digest) not in still]
    letters = [_letter(*_same(part)) for part in parts]
    letters += [_letter(letter.origin, f"{_GONE} (it was broken: {letter.reason})", None) for letter in gone]
    ended = [letter.number for letter in (*over, *gone)]
    return Settled(letters, ended, left_out, _error([part for part in parts if part not in left_out]))


def _same(part: BrokenPart) -> tuple[str, str, str | None]:
    """Of the same part, broken in the same way: its letter's origin, reason and digest."""
    digest = hashlib.blake2b(part.mark.encode(), digest_size=16).hexdigest() if part.mark else None
    return part.origin, part.reason, digest


def _gone(
    unmet: Sequence[BrokenLetter], missing: Callable[[Collection[str]], set[str]]
) -> list[BrokenLetter]:
    asked = [letter for letter in unmet if not letter.discarded and not letter.reason.startswith(_GONE)]
    absent = missing([letter.origin for letter in asked]) if asked else ()
    return [letter for letter in asked if letter.origin in absent]


def _error(stopping: Sequence[BrokenPart]) -> SourceError | None:
    if not stopping:
        return None
    error = SourceError.of(stopping)
    told = str(error)
    end = "\n" if len(stopping) > 1 else " " if told.endswith((".", "?")) else ". "
    return SourceError(f"{told}{end}{_WAY_ON}", stopping)


def _letter(origin: str, reason: str, digest: str | None) -> DeadLetter:
    nothing = dict.fromkeys(("cursor", "message_id", "transaction_id", "customer_id", "event", "body"))
    return DeadLetter("", "broken", "", reason, origin, 0, digest=digest, **nothing)
