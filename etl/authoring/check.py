"""What ``etl check`` looks at: the config, and with ``--online`` the services it names."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

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


@dataclass(frozen=True)
class Result:
    """``problems``: what no run accepts. ``lints``: surprises. ``notes``: what the services said."""

    problems: tuple[str, ...]
    lints: tuple[Lint, ...]
    notes: tuple[str, ...] = ()


def check(config_path: str, *, online: bool = False) -> Result:
    """Everything about a config; ``online`` also tries token, source and state, and lints on a sample.

    Raises ``ConfigError`` when the file cannot be read.
    """
    checked = check_config(config_path, wiring.environment())
    if checked.config is None or checked.problems:
        return Result(checked.problems, checked.lints)
    if not online:
        problems, notes = _at_hand(checked.config)
        return Result(problems, checked.lints, notes)
    outcomes = list(_online(checked.config))
    problems = tuple(text for text, good in outcomes if not good)
    notes = tuple(text for text, good in outcomes if good)
    return Result(problems, tuple(_sampled_lints(checked.config, checked.lints)), notes)


def _at_hand(config: Config) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Problems and notes of a source on this machine's disk; it need not be there yet."""
    if "://" in str(getattr(config.source, "path", "://")):
        return (), ()
    try:
        return (), tuple(f"source    {line}" for line in wiring.source_of(config).seen())
    except ConfigError as error:
        return (f"source: {error}",), ()
    except EtlError:
        return (), ()


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
    outlook_of(config, wiring.state_of(config)).refuse_edits(config.subscriptions)
    return "can be opened"


def _sampled_lints(config: Config, unsampled: tuple[Lint, ...]) -> Iterator[Lint]:
    """The lints again, now with the source's first batch to look at."""
    try:
        batch = next(islice(wiring.source_of(config).batches(ALL_TIME), 1), None)
    except EtlError:
        batch = None
    yield from unsampled if batch is None else lints(config, Events(batch.table, batch.layout))
