"""How to put a dead letter right. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.core.outcomes import BY_NAME
from etl.core.windows import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.core.windows import Window
    from etl.operations.report.completeness import Completeness
    from etl.operations.report.dead_letters import Reason

#: What to do about rejected pairs, by the stage at which they were.
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


@dataclass(frozen=True)
class Advice:
    """What to do, and commands to copy."""

    text: str
    commands: tuple[str, ...]


def advice(reason: Reason, config: str) -> Advice:
    """How to put letters of this reason right."""
    text = BY_NAME[reason.outcome].advice or STAGES.get(reason.stage, _AGAIN) + _CORRECTED
    return Advice(text, tuple(_commands(reason, config)))


def _commands(reason: Reason, config: str) -> Iterator[str]:
    which = f"-c {shlex.quote(config)} --outcome {reason.outcome}"
    which += f" --stage {reason.stage}" if reason.stage else ""
    yield f"etl dead-letters list {which}"
    if BY_NAME[reason.outcome].retry:
        yield f"etl dead-letters retry {which}"
    if not BY_NAME[reason.outcome].held:
        yield f'etl dead-letters discard {which} --why "…"'


def fill_gap(config: str, one: Completeness, gap: Window) -> str:
    """The command that completes a stretch of time; a scheduled run begins where the first gap does."""
    if one.scheduled:
        return f"etl run -c {shlex.quote(config)}"
    which = f"-c {shlex.quote(config)} --subscription {shlex.quote(one.name)}"
    return f"etl backfill {which} --since {rfc3339(gap.since)} --until {rfc3339(gap.until)}"
