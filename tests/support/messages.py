"""Every message that the package raises, as its fixed words with … for the rest: collected from the source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "etl"
#: What people are told through: the error tree, what config values and triggers get wrong, and wrong command lines.
_TOLD = re.compile(
    r"(Config|Source|State|Metronome|CircuitBreaker|InterruptedRun|WindowBusy|Fql|Usage|MissingReference)Error"
    r"|AirflowFailException|wrong|problem|error|_refuse|_problem"
)
#: Functions that make a problem without raising it.
_TELLERS = ("_message", "_same")
#: Not part of what bills: the stand-in and the sample data raise for their own tests.
_APART = ("standin", "samples")
_HOLE = "…"


@dataclass(frozen=True)
class Message:
    """``text``: the first sentence, with … where it says something of the case; ``where``: file and line."""

    text: str
    where: str


def messages() -> list[Message]:
    """All of them, each text once, in the order of the files."""
    found: dict[str, Message] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).parts[0] not in _APART:
            for message in _Module(path).messages():
                found.setdefault(message.text, message)
    return list(found.values())


def first_sentence(text: str) -> str:
    """Up to the first full stop, semicolon, colon or line break after two words; without … at its ends."""
    told = ""
    for part in re.split(r"(\n|[.;:?] |\.$)", text):
        told += part
        if len(re.findall(r"(?<!\S)[a-z]{2,}(?!\S)", told)) >= 2:
            break
    return re.sub(rf"^[{_HOLE}\s:]+|[{_HOLE}\s:;.(]+$", "", told.split("\n")[0])


class _Module:
    def __init__(self, path: Path) -> None:
        self._name = str(path.relative_to(PACKAGE.parent))
        self._tree = ast.parse(path.read_text(encoding="utf-8"))
        self._functions = {n.name: n for n in ast.walk(self._tree) if isinstance(n, ast.FunctionDef)}
        self._values = {
            target.id: node.value
            for node in ast.walk(self._tree)
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        self._values |= {
            node.target.id: node.value
            for node in ast.walk(self._tree)
            if isinstance(node, ast.AnnAssign)
            and isinstance(node.target, ast.Name)
            and node.value is not None
        }

    def messages(self) -> Iterator[Message]:
        for node in (*self._raised(), *self._told()):
            for text in self._texts(node, depth=3):
                told = first_sentence(text)
                if len(re.findall(r"[a-z]{2,}", told)) >= 2:
                    yield Message(told, f"{self._name}:{node.lineno}")

    def _raised(self) -> Iterator[ast.expr]:
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Call) and node.args and _TOLD.fullmatch(_name(node.func)):
                # What a key of the config gets wrong comes after the key.
                after_key = _name(node.func) in ("problem", "_problem", "_refuse") and len(node.args) > 1
                yield node.args[1 if after_key else 0]

    def _told(self) -> Iterator[ast.expr]:
        for teller in filter(None, map(self._functions.get, _TELLERS)):
            for node in ast.walk(teller):
                if isinstance(node, ast.Return | ast.Assign) and node.value is not None:
                    yield node.value

    def _texts(self, node: ast.expr, depth: int) -> Iterator[str]:
        """What an expression may say."""
        if isinstance(node, ast.Constant):
            yield str(node.value) if isinstance(node.value, str) else _HOLE
        elif isinstance(node, ast.JoinedStr):
            yield "".join(self._part(part, depth) for part in node.values)
        elif isinstance(node, ast.BinOp):
            yield from (
                one + other
                for one in self._texts(node.left, depth)
                for other in self._texts(node.right, depth)
            )
        elif isinstance(node, ast.IfExp):
            yield from (*self._texts(node.body, depth), *self._texts(node.orelse, depth))
        elif isinstance(node, ast.Name) and node.id in self._values and depth:
            yield from self._texts(self._values[node.id], depth - 1)
        elif isinstance(node, ast.Call) and _name(node.func) in self._functions and depth:
            for inner in ast.walk(self._functions[_name(node.func)]):
                if isinstance(inner, ast.Return) and inner.value is not None:
                    yield from self._texts(inner.value, depth - 1)
        else:
            yield _HOLE

    def _part(self, part: ast.expr, depth: int) -> str:
        """A piece of an f-string; a variable that holds a text of this module's is that text."""
        if isinstance(part, ast.Constant):
            return str(part.value)
        inner = part.value if isinstance(part, ast.FormattedValue) else part
        known = isinstance(inner, ast.Name) and isinstance(self._values.get(inner.id), ast.JoinedStr)
        return next(self._texts(inner, depth)) if known and depth else _HOLE


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


if __name__ == "__main__":
    for message in messages():
        print(f"{message.where:<42} {message.text}")
