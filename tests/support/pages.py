"""README and docs: their pages, fenced blocks and shell lines."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@dataclass(frozen=True)
class Block:
    """A fenced block of ``page``: what follows the three backticks, and the text."""

    page: str
    info: str
    text: str

    @property
    def language(self) -> str:
        return self.info.partition(" ")[0]

    def __str__(self) -> str:
        return f"{self.page}: {next(iter(self.text.splitlines()), '')}"


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(*languages: str) -> list[Block]:
    """Those of all pages in one of ``languages`` (none named: of every language), in order."""
    found = []
    for page in PAGES:
        fenced = re.findall(
            r"^```([^\n]*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
        )
        found += [Block(name_of(page), info.strip(), text) for info, text in fenced]
    return [block for block in found if not languages or block.language in languages]


def lines(text: str) -> list[str]:
    """The commands of a shell block, each in one piece, without comment lines."""
    joined = text.replace("\\\n", " ").splitlines()
    return [line for line in joined if line.strip() and not line.lstrip().startswith("#")]


def programs(line: str) -> list[str]:
    """The programs that a shell line calls, in order; builtins too."""
    words = shlex.shlex(line, posix=True, punctuation_chars="|&;()<>")
    words.whitespace_split = True
    found, expected = [], True
    for word in words:
        if set(word) <= set("|&;("):
            expected = True
        elif expected and not re.match(r"\w+=", word):
            found.append(word)
            expected = False
    return found
