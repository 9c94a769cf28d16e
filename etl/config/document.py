"""A YAML text as plain data, with the line of every key and what was written there before substitution.

``${VAR}``, ``${VAR:-default}`` and ``${file:/run/secrets/x}`` inside a config's values.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
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


#: Where a value stands: ``("subscriptions", 0, "mapping", "customer_id")``.
KeyPath = tuple[str | int, ...]

_SURROGATE = re.compile("[\ud800-\udfff]")
_TAG = "tag:yaml.org,2002:"
_MAX_DEPTH = 100
# Aliases let a short text stand for an endless document.
_MAX_VALUES = 200_000


@dataclass
class Document:
    """Where everything in a config file stands, and what is wrong with it; no substituted value is kept here.

    ``lines``: line of each key, from 1. ``written``: the text of each scalar, before substitution.
    ``missing``: where a ``${…}`` could not be filled in, and why (the value is then None).
    ``problems``: line and message of each.
    """

    path: str
    lines: dict[KeyPath, int] = field(default_factory=dict, repr=False)
    written: dict[KeyPath, str] = field(default_factory=dict, repr=False)
    missing: dict[KeyPath, str] = field(default_factory=dict, repr=False)
    problems: list[tuple[int, str]] = field(default_factory=list)

    def line(self, key: KeyPath) -> int:
        """The line of ``key``, or of the nearest one around it that is there."""
        return next((self.lines[key[:n]] for n in range(len(key), -1, -1) if key[:n] in self.lines), 1)

    def where(self, key: KeyPath = ()) -> str:
        """``configs/prod.yml:14: subscriptions[0].name``."""
        return f"{self.path}:{self.line(key)}: {key_text(key)}"

    def problem(self, key: KeyPath, text: str, line: int | None = None) -> None:
        """Note what is wrong with ``key``; ``text`` completes "the key …"."""
        line = line or self.line(key)
        self.problems.append((line, f"{self.path}:{line}: {key_text(key)} {text}"))

    def messages(self) -> tuple[str, ...]:
        """Every problem once, in the order of the file."""
        return tuple(dict.fromkeys(text for _, text in sorted(self.problems, key=lambda problem: problem[0])))


def key_text(key: KeyPath) -> str:
    """``subscriptions[0].mapping.customer_id``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key)
    return text.removeprefix(".") or "the config"


def read_document(text: str, path: str, directory: Path, env: Mapping[str, str]) -> tuple[Any, Document]:
    """Parse ``text`` into JSON values (times stay the text they were) and what is known of their places.

    Nothing is raised: whatever is wrong with the YAML is in the document's ``problems``.
    ``path`` is only named in messages; ``${file:…}`` is relative to ``directory``.
    """
    document = Document(path)
    root = _compose(text, document)
    if root is not None:
        return _Reader(document, directory, env).value(root, ()), document
    if not document.problems:
        document.problem((), "is empty: see configs/parquet.yml for a start")
    return None, document


def _compose(text: str, document: Document) -> Node | None:
    try:
        return YAML(typ="safe", pure=True).compose(text)  # type: ignore[no-any-return]
    except RecursionError:
        document.problem((), "is nested too deeply to be read")
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        document.problem((), f"is not valid YAML: {_what(error)}", line=mark.line + 1 if mark else 1)
    return None


def _what(error: YAMLError) -> str:
    # Never str(error): it quotes the text, which may hold a secret.
    context, problem = getattr(error, "context", None), getattr(error, "problem", None)
    return (
        ", ".join(part for part in (context, problem) if part) or "it holds a character YAML does not allow"
    )


class _Reader:
    """Turns composed nodes into plain data, filling in the document's tables on the way."""

    def __init__(self, document: Document, directory: Path, env: Mapping[str, str]) -> None:
        self.document, self.directory, self.env, self.values = document, directory, env, 0

    def value(self, node: Node, key: KeyPath) -> Any:
        self.values += 1
        if len(key) > _MAX_DEPTH or self.values > _MAX_VALUES:
            return self._refuse(key, "is nested too deeply, or repeats itself through aliases too often")
        self.document.lines.setdefault(key, node.start_mark.line + 1)
        if isinstance(node, MappingNode):
            return self._mapping(node, key)
        if isinstance(node, SequenceNode):
            return [self.value(item, (*key, n)) for n, item in enumerate(node.value)]
        return self._scalar(node, key)

    def _refuse(self, key: KeyPath, text: str) -> None:
        if self.values <= _MAX_VALUES + 1:
            self.document.problem(key[:6], text)

    def _mapping(self, node: MappingNode, key: KeyPath) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for name, value in node.value:
            if name.tag == f"{_TAG}merge":
                merged = self._merged(value, key) | merged
            else:
                self._entry(found, name, value, key)
        return merged | found

    def _entry(self, found: dict[str, Any], name: Node, value: Node, key: KeyPath) -> None:
        if not isinstance(name, ScalarNode) or _SURROGATE.search(_joined(name.value)):
            self.document.problem(key, "has a key that is not text", name.start_mark.line + 1)
            return
        text, line = _joined(name.value), name.start_mark.line + 1
        here = (*key, text)
        if text in found:
            self.document.problem(here, f"is given twice (first on line {self.document.lines[here]})", line)
            return
        self.document.lines[here] = line
        found[text] = self.value(value, here)

    def _merged(self, node: Node, key: KeyPath) -> dict[str, Any]:
        """What ``<<: *anchor`` brings in: an object, or a list of them, the first of which wins."""
        parts = node.value if isinstance(node, SequenceNode) else [node]
        merged: dict[str, Any] = {}
        for part in parts:
            if not isinstance(part, MappingNode):
                self.document.problem((*key, "<<"), "should be an object or a list of objects")
                continue
            merged = self._mapping(part, key) | merged
        return merged

    def _scalar(self, node: Node, key: KeyPath) -> Any:
        self.document.written[key] = node.value.encode("utf-8", "backslashreplace").decode()
        kind = str(node.tag).removeprefix(_TAG)
        if kind in {"str", "timestamp"}:
            return self._text(_joined(node.value), key)
        if kind not in _SCALARS:
            self.document.problem(key, f"has the YAML tag {node.tag}, which configs do not use")
            return None
        try:
            return _SCALARS[kind](node.value)
        except ValueError:
            self.document.problem(key, f"is not a number JSON can hold: {node.value}")
            return None

    def _text(self, text: str, key: KeyPath) -> str | None:
        if _SURROGATE.search(text):
            self.document.problem(key, "holds half of a surrogate pair, which is no character")
            return None
        try:
            return substitute(text, self.directory, self.env)
        except MissingReferenceError as missing:
            self.document.missing[key] = str(missing)
            return None


def _joined(text: str) -> str:
    """Text whose emoji may be written as JSON escapes them, in two halves, which YAML reads as two characters."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def _whole(text: str) -> int | float:
    digits = text.replace("_", "")
    whole = int(digits, 0) if digits.lstrip("+-")[:2].lower() in {"0x", "0o", "0b"} else int(digits)
    # Beyond 64 bits a number is what JavaScript reads: the nearest double.
    return whole if -(2**63) <= whole < 2**63 else _fraction(str(whole))


def _fraction(text: str) -> float:
    number = float(text.replace("_", "").replace(".inf", "inf").replace(".nan", "nan"))
    if not math.isfinite(number):
        raise ValueError(text)
    return number


_SCALARS: dict[str, Callable[[str], Any]] = {
    "int": _whole,
    "float": _fraction,
    "bool": lambda text: text.lower() == "true",
    "null": lambda _text: None,
}
