"""How a path into a track event is written, and which path leads to a column of a warehouse table. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.events import flat_column, properties_columns
from etl.transform.values import split_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.events import Path

#: Objects that Segment's context is specified to have (Segment's Spec, Common Fields), by their column's prefix.
_CONTEXT_OBJECTS = {
    "user_agent_data": "userAgentData",
    **{
        name: name
        for name in (
            "app campaign device library location network os page referrer screen traits".split()  # noqa: SIM905
        )
    },
}
_RENAMED = {"id": "messageId", "event_text": "event"}


def written(path: Path) -> tuple[str, bool]:
    """``$.properties.jobId``, and whether Segment finds the value there: it splits keys at dots and brackets."""
    text = "$." + ".".join(path)
    if split_path(text[2:]) == path:
        return text, True
    return "$" + "".join(
        f"[{key!r}]" if set(".[]'\"") & set(key) or not key else f".{key}" for key in path
    ), False


def flat_paths(names: Sequence[str]) -> dict[str, Path | None]:
    """The path of each column of a warehouse table; None for one that no path leads to, as the event's slug.

    Properties are called as their columns: how the event spelt them is lost, and either spelling finds them.
    """
    properties = {column: ("properties", name) for name, column in properties_columns(names).items()}
    found = {name: properties.get(name) or _envelope(name.lower()) for name in names}
    return {name: path if flat_column(path, names) == name else None for name, path in found.items()}


def _envelope(column: str) -> Path:
    """The path of a column that is no property."""
    for whole in ("context", "integrations", "metadata"):
        if column.startswith(f"{whole}_") and len(column) > len(whole) + 1:
            rest = column.removeprefix(f"{whole}_")
            return (whole, *_in_context(rest)) if whole == "context" else (whole, rest)
    if column == "message_id":
        return ("messageId",)
    return (_RENAMED.get(column) or _camel(column),)


def _in_context(rest: str) -> Path:
    for prefix, name in _CONTEXT_OBJECTS.items():
        if rest.startswith(f"{prefix}_") and len(rest) > len(prefix) + 1:
            inner = rest.removeprefix(f"{prefix}_")
            return (name, inner if name == "traits" else _camel(inner))
    return (_camel(rest),)


def _camel(column: str) -> str:
    first, *more = column.split("_")
    return first + "".join(word.capitalize() for word in more) if first else column
