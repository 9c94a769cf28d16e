"""docs/cli.md, made from the commands: ``python -m tests.support.cli_reference`` writes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from etl.cli import EPILOG, root

if TYPE_CHECKING:
    from collections.abc import Iterator

PATH = Path(__file__).parents[2] / "docs" / "cli.md"

HEAD = """\
# Commands

What `etl --help` and `etl COMMAND --help` say. Made by `python -m tests.support.cli_reference`; the tests hold it
against the commands. Data goes to stdout, everything else to stderr. A command whose stdout is closed before it is
done (`etl map … | head`) ends quietly with 141, as shells say of SIGPIPE; those that send keep their exit code.

"""


def commands(
    group: click.Group = root, parent: click.Context | None = None
) -> Iterator[tuple[str, click.Context]]:
    """Every command with its full name, groups before what is in them."""
    here = parent or click.Context(root, info_name="etl", terminal_width=80, **root.context_settings)
    for name in group.list_commands(here):
        command = group.get_command(here, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=here)
        yield context.command_path, context
        if isinstance(command, click.Group):
            yield from commands(command, context)


def reference() -> str:
    """The text of docs/cli.md."""
    codes = EPILOG.removeprefix("\b\n").strip()
    parts = [HEAD, f"```\n{codes}\n```\n"]
    parts += [f"\n## `{name}`\n\n```\n{context.get_help().strip()}\n```\n" for name, context in commands()]
    return "".join(parts)


if __name__ == "__main__":
    PATH.write_text(reference(), encoding="utf-8")
