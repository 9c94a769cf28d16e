"""What a config says that decides what the state of its pipeline means: refused when it changes, or said once.

``docs/state.md`` has the whole list, with what a change of each does.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sqlalchemy.engine import make_url

from etl.core.errors import ConfigError
from etl.core.http import is_loopback
from etl.core.windows import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from etl.config import Config

_CURSOR, _HOST, _SOURCE, _START, _READ = "cursor", "host", "source", "start", "read"


def inputs_of(config: Config) -> dict[tuple[str, str], str]:
    """(input, name) → what there is to know later of ``config``; see ``StateStore.inputs``.

    Raises ``ConfigError`` where the source's URL is not at hand.
    """
    start = config.source.start
    return {
        (_CURSOR, ""): _clock(config.source.cursor),
        (_HOST, ""): _host(config.destination.base_url),
        (_SOURCE, ""): json.dumps(_places(config)),
        (_START, ""): rfc3339(start) if start else "",
        (_READ, ""): _read(config),
    }


def _clock(cursor: str | None) -> str:
    """One name for ``receivedAt``, ``received_at`` and the default."""
    return (cursor or "receivedAt").replace("_", "").lower()


def _host(base_url: str) -> str:
    host = urlsplit(base_url).hostname or ""
    return "localhost" if is_loopback(host) else host


def _places(config: Config) -> list[str]:
    """Where the events lie, without secrets: a path, or a warehouse's schemas."""
    source = config.source
    if source.type != "warehouse":
        path = source.path or f"{getattr(source, 'catalog', '')}/{getattr(source, 'table', '')}"
        return [re.split(r"[*?\[]", path)[0]]
    url = make_url(config.source_url())
    database = f"{url.get_backend_name()}://{url.host or ''}/{url.database or ''}"
    return [f"{database}/{schema}" for schema in source.schemas or [""]]


def same_source(config: Config, other: Mapping[tuple[str, str], str]) -> bool:
    """Whether a pipeline of which ``other`` is known may read the events that ``config`` does; where it is not, it may."""
    places = other.get((_SOURCE, ""))
    if places is None:
        return True
    return any(a.startswith(b) or b.startswith(a) for a in _places(config) for b in json.loads(places))


def _read(config: Config) -> str:
    """Names what is read there: tables, or a query's text."""
    source: Any = config.source
    if source.type != "warehouse":
        return ""
    if source.query:
        return hashlib.sha256(Path(source.query).read_bytes()).hexdigest()
    return json.dumps([source.schemas, source.tables])


def refuse_changes(config: Config, known: Mapping[tuple[str, str], str]) -> None:
    """Raise ``ConfigError`` where what was kept would mean something else from now on."""
    cursor, host = (known.get((name, "")) for name in (_CURSOR, _HOST))
    problems = []
    if cursor not in (None, _clock(config.source.cursor)):
        problems.append(_other_cursor(config, str(cursor)))
    destination = config.destination
    if host not in (None, *(_host(url) for url in (destination.base_url, destination.was) if url)):
        problems.append(_other_host(config, str(host)))
    if problems:
        raise ConfigError(problems)


def _other_cursor(config: Config, before: str) -> str:
    name = config.source.cursor or "receivedAt"
    return (
        f"{config.where('source', 'cursor')} is {name!r}, and until now windows were cut on {before!r}: how far this "
        "pipeline is complete is kept on that clock, and rows between the two would never be read. Set it back; or go on "
        "under another name in `pipeline`, with a source.start before the first row that is still to be billed: what was "
        "sent is known by its id in the whole account, and is not billed again"
    )


def _other_host(config: Config, before: str) -> str:
    account = config.destination.account
    return (
        f"{config.where('destination', 'base_url')} is at another host than before ({before}), and what was sent there "
        f"counts as billed to account {account!r}. If this is another Metronome, give destination.account another name; "
        "if it is the same one at another address, say so: destination.was with the base_url of before"
    )


def changes(config: Config, known: Mapping[tuple[str, str], str], begun: datetime | None) -> Iterator[str]:
    """What to say once of changes that do less than they seem to; ``begun``: where the schedule began."""
    now = inputs_of(config)
    changed = {name for name, _ in now if known.get((name, "")) not in (None, now[name, ""])}
    start = config.source.start
    if _START in changed and start and begun and start < begun:
        yield (
            f"source.start is earlier than where the schedule began; it goes on where it is, and what lies between is "
            f"billed by: etl backfill --since {rfc3339(start)} --until {rfc3339(begun)}"
        )
    if _READ in changed:
        yield (
            "source.schema, source.tables or source.query has changed: rows that were not read before are billed from "
            "the watermark less the overlap on, and their past is a backfill"
        )
