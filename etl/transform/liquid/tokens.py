"""A template cut into text, outputs and tags, with the white space at their dashes; a cursor over what is inside. Pure.

Source: liquidjs 10.30.1. Positions count UTF-16 units, so templates are read in them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NoReturn

from etl.transform.javascript import joined
from etl.transform.json.text import quote

#: White space to liquidjs: not quite JavaScript's.
BLANKS: Final = (
    "\t\n\v\f\r \u00a0\u1680\u180e\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
WORD: Final = rf"[A-Za-z0-9_?\-]|[^\x00-\x7f{BLANKS}\u201c\u201d]"
#: A literal in quotes; one that is never closed goes on to the end.
_QUOTED = r"""(?:"(?:\\.|[^"\\])*+(?:"|\\?\Z)|'(?:\\.|[^'\\])*+(?:'|\\?\Z))"""
QUOTED_LITERAL: Final = re.compile(_QUOTED, re.DOTALL)
_SPACE = re.compile(f"[{BLANKS}]*")
_NAME = re.compile(f"(?:{WORD})*")
_OUTPUT_END = re.compile(rf"""(?:{_QUOTED}|(?!\}}\}})[^"'])*+\}}\}}""", re.DOTALL)
_OPENER = re.compile(r"\{[%{]")
_LONGEST_QUOTE = 32


class LiquidError(ValueError):
    """What liquidjs says is wrong, with line and column in the template."""


def failure(message: str, source: str, at: int) -> LiquidError:
    """The error with its place."""
    before = source[:at]
    line, column = before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1
    return LiquidError(f"{joined(message)}, line:{line}, col:{column}")


@dataclass
class Cursor:
    """A place ``at`` in ``source``, read as far as ``end``."""

    source: str
    at: int
    end: int

    def done(self) -> bool:
        """Whether nothing is left."""
        return self.at >= self.end

    def peek(self, ahead: int = 0) -> str:
        """The character there, ``''`` beyond the end."""
        place = self.at + ahead
        return self.source[place] if place < self.end else ""

    def take(self, pattern: re.Pattern[str]) -> str:
        """Reads what matches here: ``''`` if nothing does."""
        found = pattern.match(self.source, self.at, max(self.at, self.end))
        if not found:
            return ""
        self.at = found.end()
        return found[0]

    def blanks(self) -> None:
        """Skips white space."""
        self.take(_SPACE)

    def name(self) -> str:
        """Skips white space and reads an identifier, which may be empty."""
        self.take(_SPACE)
        return joined(self.take(_NAME))

    def past(self, mark: str) -> bool:
        """Goes on to behind ``mark``, or to the end."""
        found = self.source.find(mark, self.at, self.end)
        self.at = self.end if found < 0 else found + len(mark)
        return found >= 0

    def fail(self, message: str) -> NoReturn:
        """Raises with this place."""
        raise failure(message, self.source, self.at)

    def rest(self, start: int | None = None) -> str:
        """What is left, quoted and cut for a message."""
        return excerpt(self.source[self.at if start is None else start : self.end])


def excerpt(text: str) -> str:
    """A part of the template for a message: as a JSON string of at most 32 characters."""
    return quote(joined(text if len(text) <= _LONGEST_QUOTE else text[: _LONGEST_QUOTE - 3] + "..."))


@dataclass
class Token:
    """``kind``: text, output or tag; ``text``: all of it; ``inside``: what is between its delimiters, without blanks."""

    kind: str
    text: str
    start: int
    inside: Cursor
    name: str = ""
    trims: tuple[bool, bool] = (False, False)

    @property
    def arguments(self) -> str:
        """What follows a tag's name."""
        return self.inside.source[self.inside.at : self.inside.end]


def tokens(source: str) -> list[Token]:
    """The template's parts in order; raises ``LiquidError``."""
    found: list[Token] = []
    at, raw = 0, -1
    while at < len(source):
        token = _next(source, at) if raw < 0 else _raw(source, at, raw)
        at = token.start + len(token.text)
        if token.kind == "tag":
            raw = token.start if token.name == "raw" else -1
        found.append(token)
    _trim(found)
    return found


def _next(source: str, at: int) -> Token:
    if source.startswith("{%", at):
        end = source.find("%}", at + 1)
        if end < 0:
            raise failure(f"tag {excerpt(source[at:])} not closed", source, at)
        return _tag(source, at, end + 2)
    if source.startswith("{{", at):
        closed = _OUTPUT_END.match(source, at)
        if not closed:
            raise failure(f"output {excerpt(source[at:])} not closed", source, at)
        return _delimited("output", source, (at, closed.end()), 2)
    opener = _OPENER.search(source, at)
    end = opener.start() if opener else len(source)
    return Token("text", source[at:end], at, Cursor(source, at, end))


def _delimited(kind: str, source: str, span: tuple[int, int], margin: int) -> Token:
    """A token without its delimiters, the dashes beside them and the blanks beside those."""
    start, end = span[0] + margin, span[1] - margin
    left, right = source[start : start + 1] == "-", end > 0 and source[end - 1] == "-"
    start, end = start + left, end - right
    inner = source[start:end]
    start += len(inner) - len(inner.lstrip(BLANKS))
    end = start + len(inner.strip(BLANKS))
    return Token(kind, source[slice(*span)], span[0], Cursor(source, start, end), trims=(left, right))


def _tag(source: str, start: int, end: int) -> Token:
    token = _delimited("tag", source, (start, end), 2)
    return _named(token, "illegal tag syntax, tag name expected")


def _named(token: Token, otherwise: str) -> Token:
    """The token with its name read: an identifier, or the sign of a comment."""
    cursor = token.inside
    cursor.blanks()
    if cursor.source[cursor.at : cursor.at + 1] == "#":
        token.name, cursor.at = "#", cursor.at + 1
    else:
        token.name = cursor.name()
    if not token.name:
        cursor.fail(otherwise)
    cursor.blanks()
    return token


def lines(cursor: Cursor) -> list[Token]:
    """The tags in a ``liquid`` tag: one a line; raises ``LiquidError``."""
    found = []
    cursor.blanks()
    while not cursor.done():
        start = cursor.at
        cursor.past("\n")
        token = _delimited("tag", cursor.source, (start, cursor.at), 0)
        token.trims = (False, False)
        found.append(_named(token, "illegal liquid tag syntax"))
        cursor.blanks()
    return found


def _raw(source: str, start: int, opened: int) -> Token:
    """The text up to the tag that ends ``raw``, or that tag where it stands here; dashes before its name hide it."""
    cursor = Cursor(source, start, len(source))
    while cursor.past("{%") and not cursor.done():
        left = cursor.at - 2
        while cursor.name() == "endraw":
            again, end = source.find("{%", cursor.at), source.find("%}", cursor.at)
            if end >= 0 and not 0 <= again < end:
                if left == start:
                    return _tag(source, start, end + 2)
                return Token("text", source[start:left], start, Cursor(source, start, left))
            if again < 0:
                break
            cursor.at = again + 2
    raise failure(f"raw {excerpt(source[opened:])} not closed", source, start)


def _trim(found: list[Token]) -> None:
    """Takes the blanks off the text beside a dash, but not inside ``raw``."""
    in_raw = False
    for i, token in enumerate(found):
        before, after = (found[i - 1] if i else None), (found[i + 1] if i + 1 < len(found) else None)
        if token.trims[0] and not in_raw and before and before.kind == "text":
            before.text = before.text.rstrip(BLANKS)
        if token.kind == "tag":
            in_raw = token.name == "raw" or (in_raw and token.name != "endraw")
        if token.trims[1] and not in_raw and after and after.kind == "text":
            after.text = after.text.lstrip(BLANKS)
