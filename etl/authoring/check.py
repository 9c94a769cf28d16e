"""What ``etl check`` looks at: the config, what of its source and state is at hand, and with ``--online`` the services."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from etl.authoring.lints import check_config, lints
from etl.core.errors import ConfigError, EtlError
from etl.core.windows import ALL_TIME, rfc3339
from etl.pipeline import wiring
from etl.pipeline.planning import outlook_of
from etl.transform import Events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from etl.authoring.lints import Lint
    from etl.config import Config

#: Of a sample: batches, and rows of each.
_BATCHES, _ROWS = 20, 1_000


@dataclass(frozen=True)
class Result:
    """``problems``: what no run accepts. ``warnings``: what would stop a run now. ``lints``: surprises.

    ``notes``: what the services said.
    """

    problems: tuple[str, ...]
    lints: tuple[Lint, ...]
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "problems": list(self.problems),
            "warnings": list(self.warnings),
            "lints": [vars(lint) for lint in self.lints],
            "notes": list(self.notes),
        }


def check(config_path: str, *, online: bool = False) -> Result:
    """Everything about a config; ``online`` also tries token, source and state.

    Lints see a sample of a source that is at hand: files on this machine, and with ``online`` any.
    Raises ``ConfigError`` when the file cannot be read.
    """
    now = datetime.now(UTC)
    found = check_config(config_path, wiring.environment(), now)
    config = found.config
    if config is None or found.problems:
        return Result(found.problems, found.lints)
    outcomes = list(_online(config) if online else ())
    problems = [text for text, good in outcomes if not good]
    notes = tuple(text for text, good in outcomes if good)
    warnings: list[str] = []
    if not online:
        problems, warnings = _at_hand(config)
        notes = _seen(config)
    sampled = lints(config, _sample(config), now) if online or _is_local(config) else found.lints
    return Result(tuple(problems), tuple(sampled), tuple(warnings), notes)


def _at_hand(config: Config) -> tuple[list[str], list[str]]:
    """Problems and warnings of what needs no network: files, and a state in SQLite."""
    problems: list[str] = []
    warnings: list[str] = []
    asked: list[tuple[str, Callable[[], object]]] = []
    if _is_local(config):
        asked.append(("source", wiring.source_of(config).check))
    if _has_sqlite(config):
        asked += [("state", lambda: _ask_state(config)), ("run", lambda: wiring.job_of(config, dry_run=True))]
    for name, ask in asked:
        try:
            ask()
        except ConfigError as error:
            (warnings if name == "run" and not problems else problems).extend(error.problems or [str(error)])
        except EtlError as error:
            warnings.append(f"{name}: {error}")
    return list(dict.fromkeys(problems)), [text for text in dict.fromkeys(warnings) if text not in problems]


def _seen(config: Config) -> tuple[str, ...]:
    """What a source on this machine is taken for; it need not be there yet."""
    with suppress(EtlError):
        if _is_local(config):
            return tuple(f"source    {line}" for line in wiring.source_of(config).seen())
    return ()


def _is_local(config: Config) -> bool:
    """Whether the source is files on this machine."""
    return "://" not in str(getattr(config.source, "path", "://"))


def _online(config: Config) -> Iterator[tuple[str, bool]]:
    """Each service: what it said, and whether that was good."""
    yield _try("Metronome", lambda: _ask_metronome(config))
    yield _try("source", lambda: _ask_source(config))
    yield _try("state", lambda: _ask_state(config))


def _try(name: str, ask: Callable[[], str]) -> tuple[str, bool]:
    try:
        return f"{name:<9} {ask()}", True
    except EtlError as error:
        return f"{name}: {error}", False


def _ask_metronome(config: Config) -> str:
    wiring.destination_of(config).check()
    return f"takes the token (account {config.destination.account!r})"


def _ask_source(config: Config) -> str:
    source = wiring.source_of(config)
    source.check()
    newest = source.newest()
    found = "can be read" + (f"; newest row {rfc3339(newest)}" if newest else "")
    return "\n          ".join([found, *source.seen()])


def _ask_state(config: Config) -> str:
    outlook_of(config, wiring.state_of(config)).refuse(config.subscriptions, datetime.now(UTC))
    return "can be opened"


def _has_sqlite(config: Config) -> bool:
    """Whether the state is a file, and its URL is known: a variable may not be set where a config is only checked."""
    try:
        return sa.make_url(config.state_url()).get_backend_name() == "sqlite"
    except ConfigError:
        return False


def _sample(config: Config) -> list[Events]:
    """The first rows of the source's first batches; nothing where it cannot be read."""
    try:
        batches = list(islice(wiring.source_of(config).batches(ALL_TIME), _BATCHES))
    except EtlError:
        return []
    return [Events(batch.table.slice(0, _ROWS), batch.layout) for batch in batches if batch.table.num_rows]
