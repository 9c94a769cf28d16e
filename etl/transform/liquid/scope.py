"""One rendering: the event, what ``assign`` and ``capture`` set, and Segment's limits on it. Pure.

Source: liquidjs 10.30.1 with the limits that Segment's mapping kit sets.
"""

from __future__ import annotations

from typing import Final

from etl.transform.javascript import double
from etl.transform.javascript.values import UNDEFINED, Value, entries, is_number, text
from etl.transform.liquid.values import own, printed

#: What filters may allocate in one rendering: Segment's memory limit.
MAX_MEMORY: Final = 100_000_000
#: Steps that nothing else limits (items visited, characters encoded). Segment stops by the clock, after half a second; an
#: event must have the same outcome each time, so work is counted here.
MAX_STEPS: Final = 2_000_000
#: Characters that a text may have. Segment's grow to half a gigabyte before JavaScript refuses.
MAX_TEXT: Final = 100_000_000
#: Items, at every depth, of an array that is pushed into another: pushed into itself, one doubles each time.
MAX_NESTED: Final = 100_000


class ThrownError(ValueError):
    """What liquidjs throws, without the place in the template yet."""


class Scope:
    """``event``: the root; ``names``: what was assigned; ``cycles``: the next of each cycle; ``stopped``: by ``break``."""

    __slots__ = ("cycles", "event", "memory", "names", "steps", "stopped")

    def __init__(self, event: Value, steps: int = 0) -> None:
        self.event = event
        self.names: dict[str, Value] = {}
        self.cycles: dict[str, int] = {}
        self.memory = 0.0
        self.steps = steps
        self.stopped = False

    def variable(self, key: Value) -> Value:
        """A top-level name: one that was assigned, else a member of the event; ``size`` is otherwise 0."""
        name = key if type(key) is str else text(key)
        if name in self.names:
            return self.names[name]
        event = self.event
        found = event.get(name, UNDEFINED) if type(event) is dict else own(event, name)
        return 0 if found is UNDEFINED and key == "size" else found

    def count(self, name: str, step: int) -> tuple[Value, Value]:
        """A counter among the event's members, before and after ``step``; the event itself stays as it was sent."""
        self.event = dict(entries(self.event))
        held = self.event.get(name)
        before = double(held) if is_number(held) else 0.0
        self.event[name] = before + step
        return before, before + step

    def use(self, amount: float) -> None:
        """Counts memory; raises ``ThrownError`` beyond Segment's limit."""
        if amount > 0:
            if self.memory + amount > MAX_MEMORY:
                raise ThrownError("memory alloc limit exceeded")
            self.memory += amount

    def work(self, steps: int) -> None:
        """Counts steps; raises ``ThrownError`` beyond the limit."""
        self.steps += steps
        if self.steps > MAX_STEPS:
            raise ThrownError("template render limit exceeded")

    def printed(self, value: Value) -> str:
        """A value as it is printed; arrays count as work."""
        if type(value) is str:
            return value
        if type(value) is list:
            self.work(len(value))
            return self.joined("", [self.printed(item) for item in value])
        return printed(value)

    def joined(self, glue: str, parts: list[str]) -> str:
        """The parts as one text, unless that is too long."""
        if sum(map(len, parts)) + len(glue) * len(parts) > MAX_TEXT:
            raise ThrownError("Invalid string length")
        return glue.join(parts)

    def nested(self, value: Value) -> Value:
        """A value about to become an item: an array with too many items inside it is refused."""
        if type(value) is list and _weight(value, {}) > MAX_NESTED:
            raise ThrownError("template render limit exceeded")
        return value


def _weight(items: list[Value], known: dict[int, int]) -> int:
    """How many items an array has at every depth, those that are in it twice counted twice."""
    if id(items) not in known:
        known[id(items)] = len(items) + sum(_weight(item, known) for item in items if type(item) is list)
    return known[id(items)]
