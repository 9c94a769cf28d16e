"""The ``etl`` command. A command parses, calls, prints; it is loaded when it is called, so that help is instant."""

from __future__ import annotations

import gc
import os
import signal
import sys
from contextlib import contextmanager
from importlib import import_module
from threading import current_thread, main_thread
from typing import TYPE_CHECKING, Any, NoReturn

import click

from etl.core.errors import EXIT_CODES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Command → the module under ``etl.cli`` that holds it, as ``command``.
COMMANDS = {
    "demo": "demo",
    "init": "init",
    "import-segment": "import_segment",
    "fields": "fields",
    "parity": "parity",
    "check": "check",
    "amend": "amend",
    "run": "run",
    "backfill": "backfill",
    "map": "map_",
    "status": "status",
    "report": "report",
    "dead-letters": "dead_letters",
    "state": "state",
}

EPILOG = "\b\nExit codes:\n" + "".join(f"  {code:<4}{meaning}\n" for code, meaning in EXIT_CODES.items())

#: More objects than loading makes.
_LOADED = 1_000_000

#: What a shell says of a program that SIGPIPE ended.
READER_LEFT = 141


class _Lazy(click.Group):
    """A group whose commands are imported when asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"etl.cli.{COMMANDS[cmd_name]}").command
        if not any(parameter.name == "log_format" for parameter in command.params):
            from etl.cli.options import log_format_option

            command.params.append(log_format_option())
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))


#: What ``etl --help`` says of each command, without importing it; a test holds them against the commands.
SUMMARIES = {
    "demo": "Sample data, a local Metronome stand-in, two runs, a report.",
    "init": "A commented config to start from.",
    "import-segment": "A Segment destination's subscriptions as a config.",
    "fields": "Every path in the source, with types, fill rate and samples.",
    "parity": "Our usage events compared with recorded ones.",
    "check": "Problems and surprises in a config.",
    "amend": "An edited, renamed or removed subscription: say so in the config.",
    "run": "The scheduled job: from the watermark less the overlap, to now.",
    "backfill": "The past, in windows of a day, each resumable.",
    "map": "Track events in, one outcome per event and subscription out; sends nothing.",
    "status": "Runs, watermark and lag, gaps, counts, dead letters.",
    "report": "Did it run, and was everything billed? One HTML file.",
    "dead-letters": "What was not sent, and why; repair it.",
    "state": "Export the sent log, prune it, erase a customer.",
}


@click.group(
    cls=_Lazy,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)
@click.version_option(package_name="segment-metronome-etl")
def root() -> None:
    """Bill Segment track events through Metronome, once each, provably."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command; every way to fail becomes one of the exit codes of ``etl.core.errors``."""
    # Libraries make half a million objects while they load: looking through all of them for garbage at Python's usual
    # pace is a twentieth of a run, and leaving nothing to look through halves its exit. ``etl.core.memory`` has a run's pace.
    gc.set_threshold(_LOADED)
    if arguments is None:
        # numpy's thread for linear algebra, of which there is none here, spins for a tenth of a second at the start.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with _like_ctrl_c():
        code = _code(arguments)
    if code and "etl.core.logs" in sys.modules:
        _tell_warnings()
    if arguments is None:
        gc.freeze()
    sys.exit(code if isinstance(code, int) else 0)


@contextmanager
def _like_ctrl_c() -> Iterator[None]:
    """SIGTERM while nothing is being sent; ``etl.cli.options`` takes over while something is."""
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL or current_thread() is not main_thread():
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _code(arguments: Sequence[str] | None) -> Any:
    try:
        code = root.main(arguments, prog_name="etl", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except click.ClickException as error:
        _show_usage(error)
        code = error.exit_code if error.exit_code != 1 else 2
    except click.exceptions.Exit as exit_:
        code = exit_.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("etl: interrupted", err=True)
        code = 3
    except (BrokenPipeError, SystemExit):  # click makes the one the other, with exit code 1
        code = _left()
    except Exception as error:  # noqa: BLE001 - a bug must not look like exit code 1, "complete"
        code = _show(error)
    return code


def _tell_warnings() -> None:
    """What ``--quiet`` held back, of a command that did not succeed."""
    from etl.cli.output import readers_may_leave
    from etl.core.logs import tell_warnings

    with readers_may_leave():
        tell_warnings()


def _show_usage(error: click.ClickException) -> None:
    from etl.cli.output import readers_may_leave

    with readers_may_leave():
        error.show()


def _left() -> int:
    """Whoever read our output has gone (``etl map … | head``): end quietly, as other programs do."""
    from etl.cli.output import readers_may_leave

    with readers_may_leave():
        raise BrokenPipeError
    return READER_LEFT


def _show(error: Exception) -> int:
    from etl.cli.output import readers_may_leave, show_error, show_unexpected
    from etl.core.errors import EtlError

    with readers_may_leave():
        if isinstance(error, EtlError):
            show_error(error)
        else:
            show_unexpected(error)
    return error.exit_code if isinstance(error, EtlError) else 3
