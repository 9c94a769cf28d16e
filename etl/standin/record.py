"""Reading what the stand-in accepted: the NDJSON of ``etl.standin.ledger``, from its file or over HTTP."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_BETWEEN = re.compile(r"[\s,\[]*")


class AcceptedEvent(NamedTuple):
    """One accepted usage event: parsed, and its text exactly as received (line breaks became spaces)."""

    event: dict[str, Any]
    text: str


def accepted_events(lines: Iterable[bytes], *, exact: bool = False) -> Iterator[AcceptedEvent]:
    """The accepted events of whole ledger lines, in order; ``exact`` parses fractions as ``Decimal``."""
    decoder = json.JSONDecoder(parse_float=Decimal) if exact else json.JSONDecoder()
    for line in lines:
        head, _, array = line.decode().partition(',"events":')
        new = json.loads(head + "}")["new"]
        events = list(_elements(array.removesuffix("\n").removesuffix("}"), decoder))
        yield from (events if new is None else [events[position] for position in new])


def _elements(array: str, decoder: json.JSONDecoder) -> Iterator[AcceptedEvent]:
    position = _skipped(array, 0)
    while array[position] != "]":
        event, end = decoder.raw_decode(array, position)
        yield AcceptedEvent(event, array[position:end])
        position = _skipped(array, end)


def _skipped(text: str, position: int) -> int:
    between = _BETWEEN.match(text, position)
    return between.end() if between else position


def read_record(path: Path, *, exact: bool = False) -> Iterator[AcceptedEvent]:
    """The accepted events of a ``--record`` file, whether its stand-in still runs or not."""
    with path.open("rb") as lines:
        yield from accepted_events((line for line in lines if line.endswith(b"\n")), exact=exact)
