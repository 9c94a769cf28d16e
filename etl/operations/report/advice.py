"""What each outcome means, and how to put a dead letter right. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.core.windows import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.core.windows import Window
    from etl.operations.report.completeness import Completeness
    from etl.operations.report.dead_letters import Reason

#: What became of a pair, in words.
MEANINGS = {
    "sent": "Metronome confirmed it.",
    "already_sent": "An earlier run had sent it, with the same content. Runs read the last hours again on purpose.",
    "duplicate": "The same run met its id more than once; it counts once.",
    "drift": "Its id was sent before with other content. Metronome keeps the first.",
    "too_old": "Older than Metronome takes events; not sent.",
    "in_future": "More than 24 hours ahead; held, and sent by itself once it is due.",
    "rejected": "It could not be made into a usage event, or Metronome refused it.",
    "unsent": "The run stopped first; the next run takes it up.",
}

#: What to do about dead letters of an outcome; of rejected ones, by stage.
LETTERS = {
    "drift": "Two different events share a transaction_id, or an event was changed after it was billed. Find out which "
    "is right: the first is on the invoice. To bill both, their transaction_id must differ (a mapping with more in it); "
    "to correct the first, use a credit in Metronome. Otherwise discard the letter.",
    "too_old": "Metronome takes no events older than 34 days, so these cannot be ingested any more. Bill them by other "
    "means (an invoice adjustment) and discard the letters. If there are many, the rows reach the source late: look at "
    "its delay, and at destination.max_age.",
    "in_future": "Nothing to do if the time is right: a run sends them once they are due. If it is wrong, look at the "
    "clock of whoever writes timestamp, and discard the letters so that they are not billed later.",
    "unreadable": "The row, file or table could not be read, so nobody knows whether it was billable. Repair or replace "
    "it; a whole file or table is read by the next run, the time of a row has to be run again. Then discard its letter.",
}

STAGES = {
    "subscription": "The subscription's trigger cannot be applied to the event; Segment fails on it, too. "
    "Put the event right where it is stored, then retry; or correct the trigger.",
    "mapping": "The mapping could not be applied to the event. Put the event right where it is stored, then retry; or "
    "correct the mapping (etl check and etl map show it).",
    "schema": "A field that Metronome needs is missing, or not of the right kind: an event without a group has no "
    "customer_id, for example. Put the event right where it is stored, then retry; or correct the mapping.",
    "serialize": "The timestamp is no date that can be sent. Put the event right where it is stored, then retry; or "
    "correct the mapping of timestamp.",
    "execute": "Segment itself would have refused the event. Put it right where it is stored, then retry.",
    "limits": "The usage event breaks a limit of Metronome's, and would have spoilt the request it is in. Shorten or fill "
    "the field named where it is stored, then retry; or correct the mapping.",
    "metronome": "Metronome refused this one event; its answer is the reason given. Correct what it names, in Metronome or "
    "where the event is stored, then retry.",
}

_AGAIN = "Put the event right where it is stored, then retry; or correct the mapping."
#: A version bills the events of its time only, so a retry maps these as before.
_CORRECTED = (
    " Correct the mapping, say from when that applies (the key from), then retry: what was never billed is mapped as"
    " corrected. See docs/operating.md, Dead letters."
)
_RETRIED = ("rejected", "drift")


@dataclass(frozen=True)
class Advice:
    """What to do, and commands to copy."""

    text: str
    commands: tuple[str, ...]


def advice(reason: Reason, config: str) -> Advice:
    """How to put letters of this reason right."""
    text = LETTERS.get(reason.outcome) or STAGES.get(reason.stage, _AGAIN) + _CORRECTED
    return Advice(text, tuple(_commands(reason, config)))


def _commands(reason: Reason, config: str) -> Iterator[str]:
    which = f"-c {shlex.quote(config)} --outcome {reason.outcome}"
    which += f" --stage {reason.stage}" if reason.stage else ""
    yield f"etl dead-letters list {which}"
    if reason.outcome in _RETRIED:
        yield f"etl dead-letters retry {which}"
    if reason.outcome != "in_future":
        yield f'etl dead-letters discard {which} --why "…"'


def fill_gap(config: str, one: Completeness, gap: Window) -> str:
    """The command that completes a stretch of time; a scheduled run begins where the first gap does."""
    if one.scheduled:
        return f"etl run -c {shlex.quote(config)}"
    which = f"-c {shlex.quote(config)} --subscription {shlex.quote(one.name)}"
    return f"etl backfill {which} --since {rfc3339(gap.since)} --until {rfc3339(gap.until)}"
