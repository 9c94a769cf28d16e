"""Random track events, triggers and mappings from a ``random.Random``: fast, seeded, and odd on purpose.

One grammar serves the seeded runs and hypothesis (see ``strategies``), whose ``randoms()`` are Randoms too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.properties import words
from tests.properties.words import (
    DATES,
    EVENT_NAMES,
    KEYS,
    NUMBERS,
    OPERATORS,
    STRINGS,
    TRIGGER_NOISE,
    TRIGGER_VALUES,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

_DIRECTIVES = (
    "@if", "@case", "@replace", "@arrayPath", "@path", "@template", "@literal", "@flatten", "@json", "@merge",
    "@transform", "@excludeWhenNull", "@liquid",
)  # fmt: skip

_ODD_PATHS = (
    {"@template": "$.properties.{{properties.s}}"}, {"@literal": "$.event"}, {"@path": "$.properties.s"},
    {"@case": {"operator": "lower", "value": "$.EVENT"}}, {"@path": 5}, 5, None, {},
)  # fmt: skip

DEFAULT = {
    "transaction_id": {"@path": "$.messageId"},
    "customer_id": {"@path": "$.context.groupId"},
    "timestamp": {"@path": "$.timestamp"},
    "event_type": {"@path": "$.event"},
    "properties": {"@path": "$.properties"},
}


@dataclass(frozen=True)
class Words:
    """What mappings and triggers may name; narrower where an encoding of events holds less."""

    fields: Sequence[str] = words.TRIGGER_FIELDS
    paths: Sequence[str] = words.PATHS
    templates: Sequence[str] = words.TEMPLATES
    liquid: Sequence[str] = words.LIQUID


class Grammar:
    """Draws events, triggers and mappings from ``random``."""

    def __init__(self, random: Random, words: Words = Words()) -> None:
        self.random = random
        self.words = words

    def scalar(self) -> Any:
        """A string, number, boolean or null."""
        kind = self.random.randrange(10)
        if kind < 4:
            return self.random.choice(STRINGS)
        if kind < 7:
            return self.number()
        return self.random.choice([True, False, None, "", 0])

    def number(self) -> Any:
        """A number as JSON texts have them: small, large, long, fractional."""
        kind = self.random.randrange(6)
        if kind < 2:
            return self.random.randrange(-3, 12)
        if kind == 2:
            return round(self.random.uniform(-1000, 1000), self.random.randrange(6))
        if kind == 3:
            return self.random.randrange(10 ** self.random.randrange(1, 26))
        return self.random.choice(NUMBERS)

    def value(self, depth: int = 3) -> Any:
        """Any JSON value, nested up to ``depth``."""
        kind = self.random.randrange(12) if depth > 0 else 0
        if kind < 8:
            return self.scalar()
        if kind < 10:
            return [self.value(depth - 1) for _ in range(self.random.randrange(4))]
        return self.properties(depth - 1)

    def properties(self, depth: int = 3) -> dict[str, Any]:
        """An object with some of the usual keys."""
        return {self.random.choice(KEYS): self.value(depth) for _ in range(self.random.randrange(7))}

    def _maybe(self, event: dict[str, Any], key: str, usual: Any, odd: Any) -> None:
        """Mostly the usual value; sometimes none, null, or an odd one."""
        kind = self.random.randrange(60)
        if kind < 56:
            event[key] = usual
        elif kind == 56:
            event[key] = None
        elif kind < 59:
            event[key] = odd

    def event(self) -> dict[str, Any]:
        """A track event, most often a sound one."""
        made: dict[str, Any] = {"type": self.random.choice(["track"] * 12 + ["page", "identify", None])}
        self._maybe(made, "event", self.random.choice(EVENT_NAMES), self.scalar())
        self._maybe(made, "messageId", f"m-{self.random.randrange(10**6)}", self.value(1))
        self._maybe(made, "userId", self.random.choice(["u1", "ann@x.io", "é", ""]), self.value(1))
        self._maybe(made, "name", self.random.choice(["Home", "true", "null", "5"]), self.scalar())
        self._maybe(made, "timestamp", self.timestamp(), self.random.choice([self.number(), self.value(1)]))
        self._maybe(made, "context", self.context(), self.value(1))
        self._maybe(made, "properties", self.properties(), self.value(1))
        self._maybe(made, "traits", self.properties(1), self.scalar())
        return made

    def timestamp(self) -> str:
        """An ISO instant, or one of the odder dates."""
        if self.random.randrange(12) == 0:
            return self.random.choice(DATES)
        year, month, day = (
            self.random.randrange(2020, 2027),
            self.random.randrange(1, 13),
            self.random.randrange(1, 29),
        )
        clock = (
            f"{self.random.randrange(24):02d}:{self.random.randrange(60):02d}:{self.random.randrange(60):02d}"
        )
        fraction = self.random.choice(
            ["", ".5", ".05", ".123", ".123456", f".{self.random.randrange(1000):03d}"]
        )
        zone = self.random.choice(["Z", "Z", "Z", "", "+00:00", "-05:30", "+0100"])
        return f"{year}-{month:02d}-{day:02d}{self.random.choice('TTTt ')}{clock}{fraction}{zone}"

    def context(self) -> dict[str, Any]:
        """A context, most often with a group."""
        made = self.properties(1)
        self._maybe(made, "groupId", f"acct_{self.random.randrange(99)}", self.value(1))
        self._maybe(made, "library", {"name": "analytics.js", "version": "4.1"}, self.scalar())
        if self.random.randrange(15) == 0:
            made["personas"] = self.random.choice(
                [None, {}, {"computation_class": "audience", "computation_key": "s"}]
            )
        return made

    # Triggers

    def condition(self) -> str:
        """One comparison or call, mostly sound."""
        field = self.random.choice(self.words.fields)
        if self.random.randrange(4):
            return f"{field} {self.random.choice(OPERATORS)} {self.random.choice(TRIGGER_VALUES)}"
        negation = self.random.choice(["", "!"])
        name = self.random.choice(["contains", "match"])
        space = self.random.choice(["", " "])
        return f"{negation}{name}({field},{space}{self.random.choice(TRIGGER_VALUES)})"

    def trigger(self) -> str:
        """Conditions joined by and/or, sometimes in parentheses, sometimes with characters changed."""
        if self.random.randrange(8) == 0:
            return 'type = "track"'
        parts = [self.condition() for _ in range(self.random.choice([1, 1, 2, 2, 3, 4]))]
        if len(parts) > 1 and self.random.randrange(3) == 0:
            inner = f" {self.random.choice(['and', 'or'])} ".join(parts[1:])
            parts = [parts[0], f"{self.random.choice(['', '', '!'])}({inner})"]
        text = parts[0]
        for part in parts[1:]:
            text += f" {self.random.choice(['and', 'or', 'and', 'or', 'AND', ''])} {part}"
        return self.mutated(text) if self.random.randrange(6) == 0 else text

    def mutated(self, text: str) -> str:
        """The text with a few pieces dropped, doubled or replaced."""
        for _ in range(self.random.randrange(1, 4)):
            at = self.random.randrange(len(text) + 1)
            end = min(len(text), at + self.random.randrange(4))
            text = (
                text[:at]
                + self.random.choice(["", "", text[at:end] * 2, self.random.choice(TRIGGER_NOISE)])
                + text[end:]
            )
        return text

    # Mappings

    def path(self) -> dict[str, Any]:
        """A @path, of a string most of the time."""
        if self.random.randrange(40) == 0:
            return {"@path": self.random.choice(_ODD_PATHS)}
        return {"@path": self.random.choice(self.words.paths)}

    def part(self, depth: int = 3) -> Any:
        """A piece of a mapping: raw data, a directive, or an object or array of pieces."""
        kind = self.random.randrange(16)
        if depth <= 0 or kind < 4:
            return self.path()
        if kind == 4:
            return self.scalar()
        if kind == 5:
            return {self.random.choice(KEYS): self.part(depth - 1) for _ in range(self.random.randrange(4))}
        if kind == 6:
            return [self.part(depth - 1) for _ in range(self.random.randrange(4))]
        return self.directive(depth - 1)

    def _spoiled(self, options: Any) -> Any:
        """The options of a directive, once in a while with one missing or nonsense in its place."""
        if self.random.randrange(25) or not isinstance(options, dict) or not options:
            return options
        key = self.random.choice(list(options))
        if self.random.randrange(2):
            return {name: item for name, item in options.items() if name != key}
        return options | {
            key: self.random.choice([None, 5, "", [], {}, "x", {"@bad": 1}, {"@path": "$.event"}])
        }

    def directive(self, depth: int) -> dict[str, Any]:
        """Any directive of the language."""
        name = self.random.choice(_DIRECTIVES)
        made = {name: self._spoiled(getattr(self, f"_{name[1:]}")(depth))}
        kind = self.random.randrange(150)
        if kind == 0:
            return made | self.random.choice(
                [{"other": 1}, {"@path": "$.event"}, {"_metadata": {"label": "x"}}]
            )
        return {"@unknown": 1} if kind == 1 else made

    def _if(self, depth: int) -> dict[str, Any]:
        tested = self.random.choice(["exists", "blank"])
        return {tested: self.part(depth), "then": self.part(depth), "else": self.part(depth)}

    def _case(self, depth: int) -> dict[str, Any]:
        return {
            "operator": self.random.choice(["lower", "upper", "lower", "Upper"]),
            "value": self.textual(depth),
        }

    def textual(self, depth: int) -> Any:
        """A string or a directive."""
        return self.random.choice(STRINGS) if self.random.randrange(6) == 0 else self.directive_or_path(depth)

    def directive_or_path(self, depth: int) -> dict[str, Any]:
        """A directive that is not too deep."""
        return self.directive(depth - 1) if depth > 0 and self.random.randrange(3) == 0 else self.path()

    def _replace(self, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {
            "pattern": self.random.choice(["a", "l", " ", "1", "track", ".", "É", "😀", "LO"]),
            "replacement": self.random.choice(["", "_", "$&$&", "[$`]", "$'", "$$", "$1", "éé"]),
            "value": self.textual(depth),
        }
        optional = {
            "ignorecase": self.random.randrange(2) == 0,
            "global": self.random.randrange(2) == 0,
            "pattern2": self.random.choice(["_", "o", "", 5]),
            "replacement2": self.random.choice(["-", "", None]),
        }
        return made | {key: item for key, item in optional.items() if self.random.randrange(4) == 0}

    def _shape(self, depth: int) -> Any:
        if self.random.randrange(8) == 0:
            return self.random.choice([{}, "x", None, self.path()])
        return {
            self.random.choice(KEYS): {"@path": self.random.choice(["$.n", "$.s", "", "$.k.n", "$.0"])}
            for _ in range(2)
        }

    def _arrayPath(self, depth: int) -> list[Any]:  # noqa: N802 - named after the directive
        start = self.random.choice(["$.properties.arr", "$.properties.objs", "$.properties", self.path()])
        return [start] if self.random.randrange(4) == 0 else [start, self._shape(depth)]

    def _flatten(self, depth: int) -> dict[str, Any]:
        made = {"separator": self.random.choice([".", "_", "--"]), "value": self.directive_or_path(depth)}
        return made | ({"omitArrays": self.random.choice([True, False])} if self.random.randrange(2) else {})

    def _json(self, depth: int) -> dict[str, Any]:
        return {
            "mode": self.random.choice(["encode", "decode", "encode", "Encode"]),
            "value": self.part(depth),
        }

    def _merge(self, depth: int) -> dict[str, Any]:
        objects = [
            self.random.choice(
                [self.path(), self.directive_or_path(depth), {self.random.choice(KEYS): self.path()}]
            )
            for _ in range(self.random.randrange(4))
        ]
        return {"direction": self.random.choice(["left", "right", "right", "LEFT"]), "objects": objects}

    def _transform(self, depth: int) -> dict[str, Any]:
        apply = {name: self.part(depth) for name in self.random.sample(["n", "s", "event", "properties"], 2)}
        return {
            "apply": apply,
            "mapping": self.random.choice([self.path(), {"x": self.path(), "y": self.path()}]),
        }

    def _path(self, depth: int) -> Any:
        return self.random.choice(self.words.paths)

    def _template(self, depth: int) -> Any:
        return self.random.choice(self.words.templates)

    def _literal(self, depth: int) -> Any:
        return self.part(depth)

    def _excludeWhenNull(self, depth: int) -> Any:  # noqa: N802 - named after the directive
        return self.part(depth)

    def _liquid(self, depth: int) -> Any:
        return self.random.choice(self.words.liquid)

    def mapping(self) -> Any:
        """A mapping of the five fields, most of them as by default; rarely something else altogether."""
        kind = self.random.randrange(60)
        if kind == 0:
            return self.random.choice(
                [None, {}, [], "x", 5, [self.path()], {"@path": "$.properties"}, self.directive(1)]
            )
        if kind == 1:
            return {"__segment_internal_directive": {"@transform": {"apply": {"s": self.path()}}}} | DEFAULT
        made: dict[str, Any] = dict(DEFAULT)
        for field in made:
            if self.random.randrange(8) == 0:
                made[field] = self.part(2)
        if self.random.randrange(3):
            made["properties"] = {
                key: self.part() for key in self.random.sample(KEYS, self.random.randrange(1, 4))
            }
        if self.random.randrange(12) == 0:
            made.pop(self.random.choice(list(made)))
        if self.random.randrange(12) == 0:
            made["extra"] = self.part(1)
        return made


def as_json(item: Any) -> str:
    """JSON text of a generated value: Decimals digit for digit, what is null stays null."""
    if isinstance(item, Decimal):
        return str(item)
    if isinstance(item, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{as_json(member)}" for key, member in item.items()) + "}"
    if isinstance(item, list):
        return "[" + ",".join(as_json(member) for member in item) + "]"
    return json.dumps(item)
