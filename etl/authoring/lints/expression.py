"""Expressions of a mapping as a tree to walk: directives, raw values, and the paths of the event they read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.config.document import KeyPath

#: Strings in these places are neither values nor paths.
_SETTINGS = frozenset(
    {"pattern", "replacement", "pattern2", "replacement2", "separator", "mode", "operator", "direction"}
)
_PLACEHOLDER = re.compile(r"\{\{\{?([^{}]+)\}?\}\}")
_LIQUID = re.compile(r"\{[{%]-?\s*(.*?)\s*-?[%}]\}", re.DOTALL)
_LIQUID_NAME = re.compile(r"[A-Za-z_][\w-]*(?:\.[\w-]+|\[[^\]]*\])*")


@dataclass(frozen=True)
class Directive:
    """``{"@name": argument}``; ``key`` leads to it, its own name included."""

    name: str
    argument: Any
    key: KeyPath


@dataclass(frozen=True)
class Raw:
    """A value that is sent as it stands."""

    value: Any
    key: KeyPath


def directive_of(value: Any) -> tuple[str, Any] | None:
    """Name and argument where ``value`` is a directive: an object with a key that begins with ``@``."""
    if not isinstance(value, dict):
        return None
    return next(((key, argument) for key, argument in value.items() if key.startswith("@")), None)


def walk(value: Any, key: KeyPath = ()) -> Iterator[Directive | Raw]:
    """Every directive and every raw scalar in ``value``, outermost first."""
    found = directive_of(value)
    if found:
        yield from _walk_directive(*found, key)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from walk(item, (*key, name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from walk(item, (*key, number))
    else:
        yield Raw(value, key)


def _walk_directive(name: str, argument: Any, key: KeyPath) -> Iterator[Directive | Raw]:
    here = (*key, name)
    yield Directive(name, argument, here)
    if isinstance(argument, dict) and directive_of(argument) is None:
        for part, item in argument.items():
            if part not in _SETTINGS or not isinstance(item, str):
                yield from walk(item, (*here, part))
    elif name in {"@path", "@template"}:
        # A string inside is a path or a template, and no value.
        yield from (node for node in walk(argument, here) if isinstance(node, Directive))
    elif name == "@literal" or not isinstance(argument, str):
        yield from walk(_arguments(name, argument), here)


def _arguments(name: str, argument: Any) -> Any:
    """An ``@arrayPath`` begins with a path, which is no raw value."""
    if name == "@arrayPath" and isinstance(argument, list) and argument and isinstance(argument[0], str):
        return [None, *argument[1:]]
    return argument


def reads(value: Any) -> list[str]:
    """The paths of the event that ``value`` reads, without ``$.``; ``""`` stands for one that is computed."""
    return [path for node in walk(value) if isinstance(node, Directive) for path in _reads(node)]


def _reads(node: Directive) -> list[str]:
    argument = node.argument
    if node.name == "@template" and isinstance(argument, str):
        return placeholders(argument)
    if node.name == "@liquid" and isinstance(argument, str):
        return [name for inner in _LIQUID.findall(argument) for name in _LIQUID_NAME.findall(inner)]
    if node.name == "@arrayPath" and isinstance(argument, list):
        argument = argument[0] if argument else ""
    elif node.name != "@path":
        return []
    return [bare(argument) if isinstance(argument, str) else ""]


def placeholders(template: str) -> list[str]:
    """What a template looks up."""
    return [inner.strip() for inner in _PLACEHOLDER.findall(template)]


def bare(path: str) -> str:
    """A path without its ``$.``."""
    return path.replace("$.", "", 1)


def segments(path: str) -> list[str]:
    """``context.page[0].url`` → its keys, as Segment splits them (SEGMENT_SEMANTICS §4)."""
    parts = re.split(r"\[(?=['\"\d])|\.|(?<=['\"\d])\]", path)
    return [part for part in (re.sub(r"['\"]", "", part) for part in parts if part) if part]
