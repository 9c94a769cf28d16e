"""What can become of a pair (and of a row that cannot be read): one table, which everything else is made from.

A new outcome is a row here and the code that decides it. The report's fields and their order, the exit code, the
summary, the HTML report with its colours, dead letters and their advice, Airflow and the tables of the docs follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

#: Exit codes of a run that newly recorded an outcome.
NOTHING_TO_DO, TO_LOOK_AT, NOT_COMPLETE = 0, 1, 3


@dataclass(frozen=True)
class Outcome:
    """One row of the table.

    ``meaning``: follows "it": at most 56 characters, so that a line of the summary has 80. ``exit_code``: of a run that
    newly recorded it. ``colours``: on light and on dark ground. ``advice``: what to do about its dead letters; where
    that depends on the stage, it is empty (``etl.operations.report.advice.STAGES``). ``retry``: whether the advice
    includes trying again. ``held``: a later run sends it without help, once it is due. ``of``: pairs add up to
    ``matched``; rows and parts of the source are outside of it, and a field of ``etl.core.report.Counts``. ``again``: a pair that has another
    end already was met once more.
    """

    name: str
    meaning: str
    exit_code: int
    colours: tuple[str, str]
    advice: str = ""
    retry: bool = False
    held: bool = False
    of: Literal["pair", "row", "part"] = "pair"
    again: bool = False

    @property
    def to_look_at(self) -> bool:
        """Whether somebody has to look at it; then it is kept as a dead letter."""
        return self.exit_code == TO_LOOK_AT


#: In the order of the report; ``unsent`` is what is left of ``matched``, and comes last of the pairs.
TABLE: Final = (
    Outcome("sent", "was confirmed by Metronome", NOTHING_TO_DO, ("#2f7d4f", "#4fa873")),
    Outcome(
        "already_sent",
        "was sent by an earlier run, with the same content",
        NOTHING_TO_DO,
        ("#9db4c9", "#5d7890"),
        again=True,
    ),
    Outcome(
        "duplicate",
        "repeats an earlier pair of the same run",
        NOTHING_TO_DO,
        ("#c6ced6", "#46525f"),
        again=True,
    ),
    Outcome(
        "drift",
        "has the id of an earlier event with other content",
        TO_LOOK_AT,
        ("#7a4fb5", "#a888dd"),
        "Two different events share a transaction_id, or an event was changed after it was billed. Find out which is "
        "right: the first is on the invoice. To bill both, their transaction_id must differ (a mapping with more in "
        "it); to correct the first, use a credit in Metronome. Otherwise discard the letter.",
        retry=True,
    ),
    Outcome(
        "too_old",
        "is older than destination.max_age; not sent",
        TO_LOOK_AT,
        ("#a8761b", "#c99a45"),
        "Metronome takes no events older than 34 days, so these cannot be ingested any more. Bill them by other means "
        "(an invoice adjustment) and discard the letters. If there are many, the rows reach the source late: look at "
        "its delay, and at destination.max_age.",
    ),
    Outcome(
        "in_future",
        "is more than 24 hours ahead; held until it is due",
        TO_LOOK_AT,
        ("#2b8a99", "#49aebd"),
        "Nothing to do if the time is right: a run sends them once they are due. If it is wrong, look at the clock of "
        "whoever writes timestamp, and discard the letters so that they are not billed later.",
        held=True,
    ),
    Outcome(
        "rejected",
        "could not be made into a usage event, or was refused",
        TO_LOOK_AT,
        ("#c4343d", "#ea6a70"),
        retry=True,
    ),
    Outcome(
        "unsent", "has not been sent yet; in a dry run it would be", NOT_COMPLETE, ("#3f4852", "#c3ccd5")
    ),
    Outcome(
        "unreadable",
        "is a broken row; not in read",
        TO_LOOK_AT,
        ("#c4343d", "#ea6a70"),
        "The row could not be read, so nobody knows whether it was billable. Look at the file at the line named, repair "
        "or replace it, and run its time again; then discard the letter.",
        of="row",
    ),
    Outcome(
        "late",
        "arrived too late to be billed; not in matched",
        TO_LOOK_AT,
        ("#a8761b", "#c99a45"),
        "Its row was received in a time that was billed already, and by now that is longer ago than "
        "destination.max_age, or it was there before late rows were looked for. Younger than max_age it is billed by a run "
        "over its time (etl run --since --until); otherwise bill it by other means. Then discard the letter.",
        of="row",
    ),
    Outcome(
        "broken",
        "is a file or table that could not be read",
        TO_LOOK_AT,
        ("#c4343d", "#ea6a70"),
        "Everything else of its time was billed. Repair or replace it: the next run reads it, and closes the letter. If "
        "that will never be, discard the letter, or name the part in source.exclude: the window is then complete without "
        "it, and what it held is not billed.",
        of="part",
    ),
)

BY_NAME: Final = {outcome.name: outcome for outcome in TABLE}
#: What a pair can become; ``matched`` is their sum.
OUTCOMES: Final = tuple(outcome.name for outcome in TABLE if outcome.of == "pair")
#: What a pair is in the end, however many runs met it.
ENDS: Final = tuple(outcome.name for outcome in TABLE if outcome.of == "pair" and not outcome.again)
#: What becomes of rows, and parts of the source, that never were a pair.
ROWS: Final = tuple(outcome.name for outcome in TABLE if outcome.of != "pair")
#: What is kept as a dead letter.
LETTERS: Final = tuple(outcome.name for outcome in TABLE if outcome.to_look_at)
#: Letters that a run sends once they are due.
HELD: Final = tuple(outcome.name for outcome in TABLE if outcome.held)
#: Letters of pairs that ``etl dead-letters retry`` maps again.
RETRIED: Final = tuple(o.name for o in TABLE if o.to_look_at and o.of == "pair" and not o.held)
