"""Segment's FQL lexer, character by character. Characters are UTF-16 units."""

from __future__ import annotations

import string
from dataclasses import dataclass

from tests.reference.values import units

END = ""
_LONGEST = 100_000
_LETTERS = frozenset(string.ascii_letters)
_DIGITS = frozenset(string.digits)
_PUNCTUATION = {
    ".": "dot",
    "[": "brackleft",
    "]": "brackright",
    ",": "comma",
    "(": "parenleft",
    ")": "parenright",
}
_KEYWORDS = {"a": ("nd", "conditional"), "o": ("r", "conditional"), "n": ("ull", "null")}


@dataclass(frozen=True)
class Token:
    """A token: ``ident``, ``string`` (with its quotes), ``number``, ``operator``, ``conditional``, ..."""

    type: str
    value: str


EOS = Token("eos", "eos")


class LexerError(Exception):
    """The text is not FQL; Segment then goes on with no token at all."""


def lex(source: str) -> list[Token]:
    """All tokens, the last being ``EOS``.

    Raises:
        LexerError: Segment's lexer gives up.
    """
    return _Lexer(units(source)).tokens()


def _terminates(char: str) -> bool:
    return char == END or char in " \t\n,])"


class _Lexer:
    def __init__(self, source: str) -> None:
        self.source = source
        self.position = 0

    def peek(self) -> str:
        return self.source[self.position : self.position + 1]

    def next(self) -> str:
        char = self.peek()
        self.position += len(char)
        return char

    def accept(self, word: str) -> bool:
        """Eat ``word`` if a terminator follows it. At the end of input nothing is given back: Segment's bug."""
        start = self.position
        taken = ""
        for _ in word:
            char = self.next()
            if char == END:
                return False
            taken += char
            if _terminates(char):
                break
        if taken == word and _terminates(self.peek()):
            return True
        self.position = start
        return False

    def tokens(self) -> list[Token]:
        found = []
        while True:
            char = self.next()
            if char == END:
                return [*found, EOS]
            if char not in " \t\n":
                found.append(self.token(char))

    def token(self, char: str) -> Token:
        if char in _PUNCTUATION:
            return Token(_PUNCTUATION[char], char)
        if char in "\"'":
            return self.string(char)
        if char in _DIGITS or char in "+-":
            return self.number(char)
        if char in "!=<>":
            return self.operator(char)
        if char in _LETTERS or char in "\\_":
            return self.word(char)
        raise LexerError(f"invalid character {char!r}")

    def operator(self, char: str) -> Token:
        if char == "=":
            return Token("operator", "=")
        if char == "!" and (self.peek() in _LETTERS or self.peek() == "("):
            return Token("operator", "!")
        if self.accept("="):
            return Token("operator", char + "=")
        if char == "!":
            raise LexerError("expected '=' after '!'")
        return Token("operator", char)

    def word(self, char: str) -> Token:
        if char in _KEYWORDS:
            rest, kind = _KEYWORDS[char]
            if self.accept(rest):
                return Token(kind, char + rest)
        return self.identifier(char)

    def identifier(self, char: str) -> Token:
        name = ""
        while True:
            if char == "\\":
                char = self.next()
                if char == END:
                    raise LexerError("nothing after the escape character")
            name += char
            if len(name) >= _LONGEST:
                raise LexerError("unreasonable identifier length")
            following = self.peek()
            if following == END or (
                following not in _LETTERS and following not in _DIGITS and following not in "_-\\"
            ):
                break
            char = self.next()
        if not (_terminates(following) or following in ".(=!"):
            raise LexerError(f"{following!r} straight after an identifier")
        return Token("ident", name)

    def number(self, char: str) -> Token:
        digits = ""
        while (following := self.peek()) != END and (following in _DIGITS or following == "."):
            digits += self.next()
            if following == "." and _terminates(self.peek()):
                raise LexerError("nothing after the decimal point")
            if digits.count(".") > 1:
                raise LexerError("two decimal points in one number")
            if len(digits) >= _LONGEST:
                raise LexerError("unreasonable number length")
        return Token("number", char + digits)

    def string(self, quote: str) -> Token:
        content = ""
        while self.peek() != quote:
            char = self.next()
            content += char
            if char == END:
                raise LexerError("unterminated string")
            if len(content) >= _LONGEST:
                raise LexerError("unreasonable string length")
        # Not eaten unless a terminator follows: the closing quote then opens another string.
        self.accept(quote)
        return Token("string", quote + content + quote)
