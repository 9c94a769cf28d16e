"""Trigger text → tokens, character by character as Segment's FQL lexer reads it, its surprises included.

Source: ``@segment/fql-ts`` 1.10.1, checked against the published package.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from etl.transform.javascript import joined, units

TokenKind = Literal[
    "ident", "dot", "operator", "conditional", "string", "number", "null", "mark", "open", "close", "end"
]

_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_DIGITS: Final = frozenset("0123456789")
_WORD: Final = _LETTERS | _DIGITS | frozenset("_-\\")
_BLANK: Final = frozenset(" \t\n")
#: What ends a word; the empty string is the end of the text.
_TERMINATORS: Final = _BLANK | frozenset(",])") | {""}
_AFTER_WORD: Final = _TERMINATORS | frozenset(".(=!")
_MARKS: Final[dict[str, TokenKind]] = {
    ".": "dot",
    "[": "mark",
    "]": "mark",
    ",": "mark",
    "(": "open",
    ")": "close",
}
_KEYWORDS: Final[dict[str, tuple[str, TokenKind]]] = {
    "a": ("nd", "conditional"),
    "o": ("r", "conditional"),
    "n": ("ull", "null"),
}
#: Segment gives up on a longer word, number or string.
_LONGEST: Final = 100_000


class FqlError(ValueError):
    """A trigger Segment could not read: no event matches it. ``at``: the character (from 1) it stopped at."""

    def __init__(self, problem: str, at: int | None = None) -> None:
        self.at = at
        where = "" if at is None else f" at character {at}"
        super().__init__(f"the trigger is invalid{where}: {problem}")


class Token(NamedTuple):
    """``value``: as Segment holds it (strings keep their quotes); ``at``: its first character, from 1."""

    kind: TokenKind
    value: str
    at: int


def lex(text: str) -> tuple[Token, ...]:
    """The tokens of a trigger, the last one of kind ``end``. Raises ``FqlError``."""
    return _Lexer(text).tokens()


class _Lexer:
    """A cursor over the UTF-16 units of the text."""

    def __init__(self, text: str) -> None:
        self.text = units(text)
        self.at = 0
        self.positions = _positions(text) if len(self.text) > len(text) else range(1, len(text) + 2)

    def tokens(self) -> tuple[Token, ...]:
        tokens: list[Token] = []
        while self.at < len(self.text):
            start = self.at
            char = self.take()
            if char not in _BLANK:
                kind, value = self.token(char)
                tokens.append(Token(kind, value, self.positions[start]))
        tokens.append(Token("end", "eos", self.positions[self.at]))
        return tuple(tokens)

    def token(self, char: str) -> tuple[TokenKind, str]:  # noqa: PLR0911 - one line for each kind of token
        if char == "!":
            return "operator", self.negation()
        if char == "=":
            return "operator", "="
        if char in "<>":
            return "operator", f"{char}=" if self.accept("=") else char
        if char in _LETTERS or char in "\\_":
            return self.word(char)
        if char in _DIGITS or char in "-+":
            return "number", self.number(char)
        if char in "\"'":
            return "string", self.string(char)
        if char in _MARKS:
            return _MARKS[char], char
        raise self.error(
            f"the character {joined(self.astral())!r} has no place outside a string", self.at - 1
        )

    def negation(self) -> str:
        if self.peek() in _LETTERS or self.peek() == "(":
            return "!"
        if self.accept("="):
            return "!="
        raise self.error(
            "'!' must stand directly before a function, and '!=' needs a space after it", self.at - 1
        )

    def word(self, first: str) -> tuple[TokenKind, str]:
        rest, kind = _KEYWORDS.get(first, ("", "ident"))
        if rest and self.accept(rest):
            return kind, first + rest
        return "ident", self.ident(first)

    def ident(self, char: str) -> str:
        start, chars = self.at - 1, []
        while True:
            if char == "\\":
                char = self.escaped()
            chars.append(char)
            if self.peek() not in _WORD:
                break
            char = self.take()
        if self.peek() not in _AFTER_WORD:
            after = f"{self.peek()!r} directly after a word"
            raise self.error(f"{after}: put a space between (and index lists as .\\0, not [0])", self.at)
        return self.bounded("".join(chars), start)

    def escaped(self) -> str:
        if not self.peek():
            raise self.error("the trigger ends in a backslash that escapes nothing", self.at - 1)
        return self.take()

    def number(self, first: str) -> str:
        start = self.at
        while self.peek() in _DIGITS or self.peek() == ".":
            if self.take() == ".":
                self.check_point(start)
        return first + self.bounded(self.text[start : self.at], start - 1)

    def check_point(self, start: int) -> None:
        """A number has one point, with something after it."""
        if self.peek() in _TERMINATORS:
            raise self.error("a number cannot end in its decimal point", self.at - 1)
        if "." in self.text[start : self.at - 1]:
            raise self.error("a number cannot have two decimal points", self.at - 1)

    def string(self, quote: str) -> str:
        start = self.at
        end = self.text.find(quote, start)
        if end < 0:
            raise self.error(f"the string that begins here is not closed by another {quote}", start - 1)
        self.at = end
        # The closing quote is left standing, and opens another string, unless a space or , ) ] follows it.
        self.accept(quote)
        return quote + joined(self.bounded(self.text[start:end], start - 1)) + quote

    def accept(self, expected: str) -> bool:
        """Whether ``expected`` comes next, followed by a terminator; if so, pass it.

        At the end of the text Segment forgets to step back, so what was looked at is lost.
        """
        start = self.at
        for _ in expected:
            if self.at == len(self.text):
                return False
            if self.take() in _TERMINATORS:
                break
        if self.text[start : self.at] == expected and self.peek() in _TERMINATORS:
            return True
        self.at = start
        return False

    def take(self) -> str:
        self.at += 1
        return self.text[self.at - 1]

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def bounded(self, word: str, start: int) -> str:
        if len(word) >= _LONGEST:
            raise self.error(
                f"a word, number or string of {_LONGEST:,} characters or more begins here", start
            )
        return word

    def astral(self) -> str:
        """The character before the cursor, whole."""
        return joined(self.text[self.at - 1 : self.at + 1])[0]

    def error(self, problem: str, at: int) -> FqlError:
        return FqlError(problem, self.positions[at])


def _positions(text: str) -> list[int]:
    """For each UTF-16 unit, and the end, the position of its character, from 1."""
    positions = [at for at, char in enumerate(text, 1) for _ in units(char)]
    return [*positions, len(text) + 1]
