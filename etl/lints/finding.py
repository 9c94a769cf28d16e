"""What ``etl check`` has to say of a config: problems, which no run accepts, and lints, which explain surprises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etl.config.document import KeyPath


@dataclass(frozen=True)
class Problem:
    """An error in a trigger or mapping. ``where``: ``file:line: key``; ``message`` completes "the key …"."""

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where} {self.message}"


@dataclass(frozen=True)
class Lint:
    """Something that is valid and probably not meant. ``code`` is documented in docs/lints.md.

    ``where``: ``file:line: key``; ``message``: what happens; ``fix``: what to write instead.
    """

    code: str
    where: str
    message: str
    fix: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}. {self.fix} [{self.code}]"


@dataclass(frozen=True)
class Finding:
    """A lint that does not know its file yet. ``key``: where in the subscription it is."""

    code: str
    message: str
    fix: str
    key: KeyPath = ()
