"""Options that several commands share.

SIGTERM and Ctrl-C: the first asks the run to finish what is in flight, a second Ctrl-C ends it at once.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from etl.config import Config


Decorated = TypeVar("Decorated", bound="Callable[..., Any]")


class _Time(click.ParamType["datetime"]):
    """A time as people write it; one that is none is a usage error, so nothing is printed as JSON."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        from etl.core.errors import ConfigError
        from etl.core.windows import moment

        try:
            return moment(value)
        except ConfigError as error:
            self.fail(str(error), param, ctx)


def time_option(
    option: str, text: str, *, required: bool = False, name: str | None = None
) -> Callable[[Decorated], Decorated]:
    """``--since`` or ``--until``; ``name``: of the parameter."""
    return click.option(
        option, name or option.removeprefix("--"), type=_Time(), metavar="T", required=required, help=text
    )


def refuse_no_window(since: datetime | None, until: datetime | None) -> None:
    """Raise ``UsageError`` where ``--since`` and ``--until`` make no window."""
    from etl.core.windows import rfc3339

    if since is None:
        if until is not None:
            raise click.UsageError("--until needs --since; leave out both for the scheduled run")
        return
    if until is not None and since >= until:
        raise click.UsageError(f"--since {rfc3339(since)} is not before --until {rfc3339(until)}")
    if since >= datetime.now(UTC):
        raise click.UsageError(f"--since {rfc3339(since)} is still to come")


def config_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``-c/--config F``, also from ``ETL_CONFIG``."""
    return click.option(
        "-c",
        "--config",
        "config_path",
        required=True,
        envvar="ETL_CONFIG",
        show_envvar=True,
        metavar="FILE",
        help="The config (YAML).",
    )(command)


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")(command)


def quiet_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--quiet``."""

    def hush(ctx: click.Context, option: click.Parameter, quiet: bool) -> bool:
        del ctx, option
        if quiet:
            from etl.core import logs

            logs.hold_warnings()
        return quiet

    return click.option(
        "-q",
        "--quiet",
        is_flag=True,
        callback=hush,
        help="No progress, and on success (exit 0) no word: for cron.",
    )(command)


def metrics_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--metrics-file``, also from ``ETL_METRICS_FILE``."""
    return click.option(
        "--metrics-file",
        envvar="ETL_METRICS_FILE",
        metavar="FILE",
        help="Write figures for Prometheus here; default: metrics.file of the config.",
    )(command)


def log_format_option() -> click.Option:
    """``--log-format``, also from ``ETL_LOG_FORMAT``; every command has it."""
    from etl.core import logs

    def set_up(ctx: click.Context, option: click.Parameter, chosen: logs.Format) -> None:
        del ctx, option
        logs.set_up(chosen)

    return click.Option(
        ["--log-format"],
        type=click.Choice(logs.FORMATS),
        default="auto",
        envvar="ETL_LOG_FORMAT",
        show_envvar=True,
        expose_value=False,
        is_eager=True,
        callback=set_up,
        help="auto: lines for people on a terminal, JSON elsewhere.",
    )


def load(config_path: str) -> Config:
    """The config of a command that looks at events; wrong triggers and mappings are shown in what it makes."""
    from etl.pipeline.api import load_config

    return load_config(config_path)


def load_for_run(config_path: str) -> Config:
    """The config of a command that bills: every problem at once, those of triggers and mappings included."""
    from etl.authoring.lints import check_config
    from etl.core.errors import ConfigError
    from etl.pipeline import wiring

    found = check_config(config_path, wiring.environment())
    if found.config is None or found.problems:
        raise ConfigError(found.problems)
    return found.config


def force_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--force``."""
    return click.option("--force", is_flag=True, help="Overwrite what is there.")(command)


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """An event that is set by the first SIGTERM or SIGINT; the handlers before are put back at the end."""
    event = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        del frame
        if event.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        event.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
