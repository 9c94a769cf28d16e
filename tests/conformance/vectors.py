"""The cases recorded from Segment's published packages, and how an outcome is held against one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VECTORS = [Path(__file__).with_name(f"{name}_vectors.ndjson") for name in ("segment", "liquid")]


@dataclass(frozen=True)
class Vector:
    """One case; ``event_text`` is the event exactly as recorded."""

    id: str
    category: str
    event_text: str
    subscribe: Any
    mapping: Any
    expect: dict[str, Any]

    @property
    def event(self) -> dict[str, Any]:
        return json.loads(self.event_text)

    @property
    def group(self) -> str:
        """The same for cases with the same trigger and mapping."""
        return json.dumps([self.subscribe, self.mapping])


def load() -> list[Vector]:
    return [_vector(line) for path in VECTORS for line in path.read_text("utf-8").split("\n") if line]


def members(text: str) -> dict[str, str]:
    """The members of a JSON object, each value as the text it was written as; the last of equal keys wins."""
    found, at = {}, text.index("{") + 1
    decoder = json.JSONDecoder()
    while text[at] != "}":
        key, at = decoder.raw_decode(text, at)
        start = at + 1
        _, at = decoder.raw_decode(text, start)
        found[key] = text[start:at]
        at += text[at] == ","
    return found


def disagreement(vector: Vector, outcome: dict[str, Any]) -> str | None:
    """What differs between an outcome of ``map_events`` and the recorded one; None: nothing that counts."""
    got = {key: value if isinstance(value, str) else None for key, value in outcome.items()}
    error = vector.expect["error"]
    if error:
        wanted = ("rejected", error["stage"])
        return None if (got["outcome"], got["stage"]) == wanted else f"{got} is not {error}"
    if not vector.expect["matched"]:
        return None if got["outcome"] == "filtered" else f"{got} should not have matched"
    if got["outcome"] != "mapped":
        return f"{got} should have been mapped"
    body = as_doubles(json.loads(got["body"]))
    payload = as_doubles(vector.expect["payload"])
    return None if body == payload else f"{body} is not {payload}"


def as_doubles(value: Any) -> Any:
    """Numbers as JavaScript has them: doubles."""
    if isinstance(value, dict):
        return {key: as_doubles(member) for key, member in value.items()}
    if isinstance(value, list):
        return [as_doubles(item) for item in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return value


def _vector(line: str) -> Vector:
    parts = members(line)
    read = {key: json.loads(text) for key, text in parts.items() if key != "event"}
    return Vector(
        read["id"], read["category"], parts["event"], read["subscribe"], read["mapping"], read["expect"]
    )  # fmt: skip
