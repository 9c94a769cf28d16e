"""Every lint code with what it is about; docs/lints.md explains each.

What ``etl check`` has to say of a config: problems, which no run accepts, and lints, which explain surprises.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from etl.transform.mapping.directives import DIRECTIVES

if TYPE_CHECKING:
    from etl.config.document import KeyPath


@dataclass(frozen=True)
class Problem:
    """An error in a trigger or mapping. ``where``: ``file:line: key``; ``message`` completes "the key …"."""

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where} {self.message}"


@dataclass(frozen=True)
class Lint:
    """Something that is valid and probably not meant. ``code`` is documented in docs/lints.md.

    ``where``: ``file:line: key``; ``message``: what happens; ``fix``: what to write instead.
    """

    code: str
    where: str
    message: str
    fix: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}. {self.fix} [{self.code}]"


@dataclass(frozen=True)
class Finding:
    """A lint that does not know its file yet. ``key``: where in the subscription it is."""

    code: str
    message: str
    fix: str
    key: KeyPath = ()


CODES: Final[dict[str, str]] = {
    "fql-mixed-and-or": '"and" and "or" in one group: the last one counts for all',
    "fql-function-in-parentheses": "contains() or match() inside parentheses ends the group early",
    "fql-negated-parentheses": '"!" before parentheses has no effect',
    "fql-empty-parentheses": "parentheses without a condition fail on every event",
    "fql-single-quotes": "single quotes are compared as part of the text",
    "fql-ignored-condition": "a condition on a field that cannot be compared is passed over",
    "fql-ignored-word": "AND, OR and not are no operators",
    "fql-ignored-text": "text without effect",
    "fql-operator-spacing": '"==" and ">=5" are read as two operators',
    "fql-unknown-operator": "a field without an operator never matches",
    "fql-missing-value": "an operator without a value",
    "fql-path-segment": "a path that goes on with a number or a reserved word never matches",
    "fql-bare-object": '"properties" alone looks at properties.properties',
    "fql-never-matches": "a comparison that can never be true",
    "fql-always-matches": '"!= true" is true for every boolean',
    "fql-number-quoted": "a quoted number is compared as text",
    "fql-null-text": 'event and type are compared with the word "null"',
    "fql-negation-missing": "a negated condition is false where its field is missing",
    "fql-match-pattern": "match() with a pattern it does not know",
    "fql-cut-at-end": "the last word loses its end",
    "raw-path": "a path that is sent as text",
    "raw-template": "a template that is sent as text",
    **{code: text for directive in DIRECTIVES.values() for code, text in directive.codes.items()},
    "array-directive": "an unknown directive inside a list",
    "field-dropped": "a field that is no field of a usage event",
    "field-leaks": "a field Segment sends by mistake",
    "field-empty": "a field that is always empty",
    "field-invalid": "properties that are no object",
    "transaction-id-constant": "one id for every event",
    "transaction-id-shared": "ids that two subscriptions can share",
    "transaction-id-number": "ids made from numbers beyond 2^53",
    "timestamp-delivery": "timestamp from receivedAt or sentAt",
    "timestamp-constant": "one timestamp for every event",
    "timestamp-epoch": "epoch seconds, or an epoch as text",
    "customer-id-empty": "customer_id is often empty in the sample",
    "transaction-id-repeated": "different events of the sample share ids",
    "properties-loader-columns": "columns of a loader among the properties",
    "path-empty": "a path that is empty in the whole sample",
    "trigger-matches-nothing": "a trigger that matches nothing of the sample",
}
