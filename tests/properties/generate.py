"""Random track events, triggers and mappings from a ``random.Random``: fast, seeded, and odd on purpose.

One grammar serves the seeded runs and hypothesis (see ``strategies``), whose ``randoms()`` are Randoms too.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.properties.words import (
    DATES,
    EVENT_NAMES,
    KEYS,
    LIQUID,
    NUMBERS,
    OPERATORS,
    PATHS,
    STRINGS,
    TEMPLATES,
    TRIGGER_FIELDS,
    TRIGGER_NOISE,
    TRIGGER_VALUES,
)

if TYPE_CHECKING:
    from random import Random

DEFAULT = {
    "transaction_id": {"@path": "$.messageId"},
    "customer_id": {"@path": "$.context.groupId"},
    "timestamp": {"@path": "$.timestamp"},
    "event_type": {"@path": "$.event"},
    "properties": {"@path": "$.properties"},
}


def scalar(random: Random) -> Any:
    """A string, number, boolean or null."""
    kind = random.randrange(10)
    if kind < 4:
        return random.choice(STRINGS)
    if kind < 7:
        return number(random)
    return random.choice([True, False, None, "", 0])


def number(random: Random) -> Any:
    """A number as JSON texts have them: small, large, long, fractional."""
    kind = random.randrange(6)
    if kind < 2:
        return random.randrange(-3, 12)
    if kind == 2:
        return round(random.uniform(-1000, 1000), random.randrange(6))
    if kind == 3:
        return random.randrange(10 ** random.randrange(1, 26))
    return random.choice(NUMBERS)


def value(random: Random, depth: int = 3) -> Any:
    """Any JSON value, nested up to ``depth``."""
    kind = random.randrange(12) if depth else 0
    if kind < 8:
        return scalar(random)
    if kind < 10:
        return [value(random, depth - 1) for _ in range(random.randrange(4))]
    return properties(random, depth - 1)


def properties(random: Random, depth: int = 3) -> dict[str, Any]:
    """An object with some of the usual keys."""
    return {random.choice(KEYS): value(random, depth) for _ in range(random.randrange(7))}


def _maybe(random: Random, event: dict[str, Any], key: str, usual: Any, odd: Any) -> None:
    """Mostly the usual value; sometimes none, null, or an odd one."""
    kind = random.randrange(60)
    if kind < 56:
        event[key] = usual
    elif kind == 56:
        event[key] = None
    elif kind < 59:
        event[key] = odd


def event(random: Random) -> dict[str, Any]:
    """A track event, most often a sound one."""
    made: dict[str, Any] = {"type": random.choice(["track"] * 12 + ["page", "identify", None])}
    _maybe(random, made, "event", random.choice(EVENT_NAMES), scalar(random))
    _maybe(random, made, "messageId", f"m-{random.randrange(10**6)}", value(random, 1))
    _maybe(random, made, "userId", random.choice(["u1", "ann@x.io", "é", ""]), value(random, 1))
    _maybe(random, made, "name", random.choice(["Home", "true", "null", "5"]), scalar(random))
    _maybe(random, made, "timestamp", timestamp(random), random.choice([number(random), value(random, 1)]))
    _maybe(random, made, "context", context(random), value(random, 1))
    _maybe(random, made, "properties", properties(random), value(random, 1))
    _maybe(random, made, "traits", properties(random, 1), scalar(random))
    return made


def timestamp(random: Random) -> str:
    """An ISO instant, or one of the odder dates."""
    if random.randrange(12) == 0:
        return random.choice(DATES)
    year, month, day = random.randrange(2020, 2027), random.randrange(1, 13), random.randrange(1, 29)
    clock = f"{random.randrange(24):02d}:{random.randrange(60):02d}:{random.randrange(60):02d}"
    fraction = random.choice(["", ".5", ".05", ".123", ".123456", f".{random.randrange(1000):03d}"])
    zone = random.choice(["Z", "Z", "Z", "", "+00:00", "-05:30", "+0100"])
    return f"{year}-{month:02d}-{day:02d}{random.choice('TTTt ')}{clock}{fraction}{zone}"


def context(random: Random) -> dict[str, Any]:
    """A context, most often with a group."""
    made = properties(random, 1)
    _maybe(random, made, "groupId", f"acct_{random.randrange(99)}", value(random, 1))
    _maybe(random, made, "library", {"name": "analytics.js", "version": "4.1"}, scalar(random))
    if random.randrange(15) == 0:
        made["personas"] = random.choice(
            [None, {}, {"computation_class": "audience", "computation_key": "s"}]
        )
    return made


# Triggers


def condition(random: Random) -> str:
    """One comparison or call, mostly sound."""
    field = random.choice(TRIGGER_FIELDS)
    if random.randrange(4):
        return f"{field} {random.choice(OPERATORS)} {random.choice(TRIGGER_VALUES)}"
    negation = random.choice(["", "!"])
    name = random.choice(["contains", "match"])
    space = random.choice(["", " "])
    return f"{negation}{name}({field},{space}{random.choice(TRIGGER_VALUES)})"


def trigger(random: Random) -> str:
    """Conditions joined by and/or, sometimes in parentheses, sometimes with characters changed."""
    if random.randrange(8) == 0:
        return 'type = "track"'
    parts = [condition(random) for _ in range(random.choice([1, 1, 2, 2, 3, 4]))]
    if len(parts) > 1 and random.randrange(3) == 0:
        inner = f" {random.choice(['and', 'or'])} ".join(parts[1:])
        parts = [parts[0], f"{random.choice(['', '', '!'])}({inner})"]
    text = parts[0]
    for part in parts[1:]:
        text += f" {random.choice(['and', 'or', 'and', 'or', 'AND', ''])} {part}"
    return mutated(random, text) if random.randrange(6) == 0 else text


def mutated(random: Random, text: str) -> str:
    """The text with a few pieces dropped, doubled or replaced."""
    for _ in range(random.randrange(1, 4)):
        at = random.randrange(len(text) + 1)
        end = min(len(text), at + random.randrange(4))
        text = (
            text[:at] + random.choice(["", "", text[at:end] * 2, random.choice(TRIGGER_NOISE)]) + text[end:]
        )
    return text


# Mappings


def path(random: Random) -> dict[str, Any]:
    """A @path, of a string most of the time."""
    if random.randrange(40) == 0:
        return {"@path": random.choice([part(random, 1), 5, None, {}])}
    return {"@path": random.choice(PATHS)}


def part(random: Random, depth: int = 3) -> Any:
    """A piece of a mapping: raw data, a directive, or an object or array of pieces."""
    kind = random.randrange(16)
    if depth == 0 or kind < 4:
        return path(random)
    if kind == 4:
        return scalar(random)
    if kind == 5:
        return {random.choice(KEYS): part(random, depth - 1) for _ in range(random.randrange(4))}
    if kind == 6:
        return [part(random, depth - 1) for _ in range(random.randrange(4))]
    return directive(random, depth - 1)


def _spoiled(random: Random, options: Any) -> Any:
    """The options of a directive, once in a while with one missing or nonsense in its place."""
    if random.randrange(25) or not isinstance(options, dict) or not options:
        return options
    key = random.choice(list(options))
    if random.randrange(2):
        return {name: item for name, item in options.items() if name != key}
    return options | {key: random.choice([None, 5, "", [], {}, "x", {"@bad": 1}, {"@path": "$.event"}])}


def directive(random: Random, depth: int) -> dict[str, Any]:
    """Any directive of the language."""
    name = random.choice(list(_DIRECTIVES))
    made = {name: _spoiled(random, _DIRECTIVES[name](random, depth))}
    kind = random.randrange(150)
    if kind == 0:
        return made | random.choice([{"other": 1}, {"@path": "$.event"}, {"_metadata": {"label": "x"}}])
    return {"@unknown": 1} if kind == 1 else made


def _if(random: Random, depth: int) -> dict[str, Any]:
    tested = random.choice(["exists", "blank"])
    return {tested: part(random, depth), "then": part(random, depth), "else": part(random, depth)}


def _case(random: Random, depth: int) -> dict[str, Any]:
    return {"operator": random.choice(["lower", "upper", "lower", "Upper"]), "value": textual(random, depth)}


def textual(random: Random, depth: int) -> Any:
    """A string or a directive."""
    return random.choice(STRINGS) if random.randrange(6) == 0 else directive_or_path(random, depth)


def directive_or_path(random: Random, depth: int) -> dict[str, Any]:
    """A directive that is not too deep."""
    return directive(random, depth - 1) if depth and random.randrange(3) == 0 else path(random)


def _replace(random: Random, depth: int) -> dict[str, Any]:
    made: dict[str, Any] = {
        "pattern": random.choice(["a", "l", " ", "1", "track", ".", "É", "😀", "LO"]),
        "replacement": random.choice(["", "_", "$&$&", "[$`]", "$'", "$$", "$1", "éé"]),
        "value": textual(random, depth),
    }
    optional = {
        "ignorecase": random.randrange(2) == 0,
        "global": random.randrange(2) == 0,
        "pattern2": random.choice(["_", "o", "", 5]),
        "replacement2": random.choice(["-", "", None]),
    }
    return made | {key: item for key, item in optional.items() if random.randrange(4) == 0}


def _shape(random: Random, depth: int) -> Any:
    if random.randrange(8) == 0:
        return random.choice([{}, "x", None, path(random)])
    return {
        random.choice(KEYS): {"@path": random.choice(["$.n", "$.s", "", "$.k.n", "$.0"])} for _ in range(2)
    }


def _array_path(random: Random, depth: int) -> list[Any]:
    start = random.choice(["$.properties.arr", "$.properties.objs", "$.properties", path(random)])
    return [start] if random.randrange(4) == 0 else [start, _shape(random, depth)]


def _flatten(random: Random, depth: int) -> dict[str, Any]:
    made = {"separator": random.choice([".", "_", "--"]), "value": directive_or_path(random, depth)}
    return made | ({"omitArrays": random.choice([True, False])} if random.randrange(2) else {})


def _json(random: Random, depth: int) -> dict[str, Any]:
    return {"mode": random.choice(["encode", "decode", "encode", "Encode"]), "value": part(random, depth)}


def _merge(random: Random, depth: int) -> dict[str, Any]:
    objects = [
        random.choice([path(random), directive_or_path(random, depth), {random.choice(KEYS): path(random)}])
        for _ in range(random.randrange(4))
    ]
    return {"direction": random.choice(["left", "right", "right", "LEFT"]), "objects": objects}


def _transform(random: Random, depth: int) -> dict[str, Any]:
    apply = {name: part(random, depth) for name in random.sample(["n", "s", "event", "properties"], 2)}
    return {"apply": apply, "mapping": random.choice([path(random), {"x": path(random), "y": path(random)}])}


_DIRECTIVES: dict[str, Any] = {
    "@if": _if,
    "@case": _case,
    "@replace": _replace,
    "@arrayPath": _array_path,
    "@path": lambda random, depth: random.choice(PATHS),
    "@template": lambda random, depth: random.choice(TEMPLATES),
    "@literal": lambda random, depth: part(random, depth),
    "@flatten": _flatten,
    "@json": _json,
    "@merge": _merge,
    "@transform": _transform,
    "@excludeWhenNull": lambda random, depth: part(random, depth),
    "@liquid": lambda random, depth: random.choice(LIQUID),
}


def mapping(random: Random) -> Any:
    """A mapping of the five fields, most of them as by default; rarely something else altogether."""
    kind = random.randrange(60)
    if kind == 0:
        return random.choice(
            [None, {}, [], "x", 5, [path(random)], {"@path": "$.properties"}, directive(random, 1)]
        )
    if kind == 1:
        return {"__segment_internal_directive": {"@transform": {"apply": {"s": path(random)}}}} | DEFAULT
    made: dict[str, Any] = dict(DEFAULT)
    for field in made:
        if random.randrange(8) == 0:
            made[field] = part(random, 2)
    if random.randrange(3):
        made["properties"] = {key: part(random) for key in random.sample(KEYS, random.randrange(1, 4))}
    if random.randrange(12) == 0:
        made.pop(random.choice(list(made)))
    if random.randrange(12) == 0:
        made["extra"] = part(random, 1)
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
