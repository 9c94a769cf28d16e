"""``${VAR}``, ``${VAR:-default}`` and ``${file:/run/secrets/x}`` inside a config's values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_REFERENCE = r"\{(?:file:(?P<file>[^}]+)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?)\}"
_PATTERN = re.compile(rf"(?P<escape>\$?)\${_REFERENCE}")


class MissingReferenceError(ValueError):
    """A reference that cannot be filled in; the message names it, never a value."""


def substitute(text: str, directory: Path, env: Mapping[str, str]) -> str:
    """``text`` with its references filled in; ``$${VAR}`` stands for the text ``${VAR}``.

    As in a shell, the default serves when the variable is unset or empty. A file's trailing line break is cut
    off; its path is relative to ``directory``. Everything else, ``${{x}}`` for one, is left as it stands.

    Raises:
        MissingReferenceError: a variable without default is not set, or a file cannot be read.
    """

    def fill(match: re.Match[str]) -> str:
        if match["escape"]:
            return match[0][1:]
        if match["file"]:
            return _file(match["file"], directory)
        return _variable(match["name"], match["default"], env)

    return _PATTERN.sub(fill, text)


def literal_parts(text: str) -> str:
    """What of ``text`` stands in the file itself: references cut out, their defaults left in."""
    return _PATTERN.sub(lambda match: match[0] if match["escape"] else match["default"] or "", text)


def has_reference(text: str) -> bool:
    """Whether anything in ``text`` would be filled in."""
    return any(not match["escape"] for match in _PATTERN.finditer(text))


def _variable(name: str, default: str | None, env: Mapping[str, str]) -> str:
    value = env.get(name)
    if default is not None:
        return value or default
    if value is None:
        raise MissingReferenceError(f"needs the environment variable {name}, which is not set")
    return value


def _file(name: str, directory: Path) -> str:
    try:
        return (directory / name).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
    raise MissingReferenceError(f"needs the file {name}, which cannot be read: {reason}")


def escape(text: str) -> str:
    """What to write in a config for ``text`` itself: ``$${VAR}`` for ``${VAR}``."""
    return _PATTERN.sub(lambda match: f"${match[0]}", text)
