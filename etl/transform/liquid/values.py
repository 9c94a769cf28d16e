"""What liquidjs does with a value: its own nil, empty and blank, members, text, numbers, comparisons. Pure.

Source: liquidjs 10.30.1, and ECMA-262 for the conversions it leaves to JavaScript.
"""

from __future__ import annotations

import math
from typing import Any, Final

from etl.transform.javascript import WHITE_SPACE, double, text_number, units
from etl.transform.javascript.values import UNDEFINED, Value, is_number, text


class Drop(dict[str, Any]):
    """A word with a meaning: compares by rules of its own, and is an empty object to everything that is not Liquid's."""

    __hash__ = object.__hash__  # type: ignore[assignment]

    def __init__(self, plain: Value) -> None:
        super().__init__()
        self.plain = plain


NIL: Final = Drop(None)
EMPTY: Final = Drop("")
BLANK: Final = Drop("")
LITERALS: Final[dict[str, Value]] = {
    "true": True, "false": False, "nil": NIL, "null": NIL, "empty": EMPTY, "blank": BLANK,
}  # fmt: skip


def plain(value: Value) -> Value:
    """The value without Liquid's words."""
    return value.plain if type(value) is Drop else value


def is_nothing(value: Value) -> bool:
    """Whether it is null or undefined."""
    return value is None or value is UNDEFINED


def true(value: Value) -> bool:
    """Liquid's truth: everything but false, nil and what is missing."""
    return value is not False and value is not None and value is not UNDEFINED and value is not NIL


# --------------------------------------------------------------------------------------------- members


def own(value: Value, name: str) -> Value:
    """The member that a value has itself: of objects, the items and ``length`` of arrays and strings."""
    if isinstance(value, dict):
        return value.get(name, UNDEFINED)
    if not isinstance(value, (list, str)):
        return UNDEFINED
    items = units(value) if isinstance(value, str) else value
    if name == "length":
        return len(items)
    if name.isascii() and name.isdigit() and (name == "0" or name[0] != "0") and len(name) < 11:
        return items[int(name)] if int(name) < len(items) else UNDEFINED
    return UNDEFINED


def member(value: Value, key: Value) -> Value:
    """``value[key]``, with ``size``, ``first`` and ``last``, and indices from the end of arrays."""
    if is_nothing(value):
        return value
    if isinstance(value, list) and is_number(key):
        return item(value, double(key))
    found = own(value, key if type(key) is str else text(key))
    if found is not UNDEFINED or type(value) is Drop or isinstance(key, (list, dict)):
        return found
    if key == "size" and isinstance(value, (str, list, dict)):
        return len(units(value)) if isinstance(value, str) else len(value)
    if isinstance(value, list) and key in ("first", "last"):
        return item(value, 0 if key == "first" else -1)
    return found


def item(items: list[Value] | str, index: float) -> Value:
    """An item by its index, counted from the end if negative; undefined where there is none."""
    if not math.isfinite(index) or index != int(index) or not -len(items) <= index < len(items):
        return UNDEFINED
    return items[int(index)]


# ----------------------------------------------------------------------------------- text and numbers


def printed(value: Value) -> str:
    """A value that is no array as it is printed: nothing for nil and what is missing."""
    value = plain(value)
    return "" if is_nothing(value) else text(value)


def as_list(value: Value) -> list[Value]:
    """An array as it is; anything else as the only item of one; nothing as an empty one."""
    value = plain(value)
    if isinstance(value, list):
        return value
    return [] if is_nothing(value) else [value]


def to_number(value: Value) -> float:
    """``Number(value)``."""
    value = plain(value)
    if value is None or isinstance(value, bool):
        return float(value or 0)
    if value is UNDEFINED or isinstance(value, dict):
        return math.nan
    return double(value) if is_number(value) else text_number(text(value))


def number(value: Value) -> float:
    """A filter's number: 0 for what is none."""
    found = to_number(value)
    return 0.0 if math.isnan(found) else found + 0.0


def added(one: Value, two: Value) -> Value:
    """JavaScript's ``one + two``: texts put together as soon as one of them is no number."""
    first, second = _primitive(one), _primitive(two)
    if isinstance(first, str) or isinstance(second, str):
        return text(first) + text(second)
    return to_number(first) + to_number(second)


def _primitive(value: Value) -> Value:
    value = plain(value)
    return text(value) if isinstance(value, (dict, list)) else value


# ---------------------------------------------------------------------------------------- comparisons


def less(one: Value, two: Value) -> bool:
    """JavaScript's ``one < two``: strings by their UTF-16 units, anything else as numbers."""
    first, second = _primitive(one), _primitive(two)
    if isinstance(first, str) and isinstance(second, str):
        return units(first) < units(second)
    return to_number(first) < to_number(second)


def at_most(one: Value, two: Value) -> bool:
    """JavaScript's ``one <= two``."""
    first, second = _primitive(one), _primitive(two)
    if isinstance(first, str) and isinstance(second, str):
        return units(first) <= units(second)
    return to_number(first) <= to_number(second)


def equal(one: Value, two: Value) -> bool:
    """Liquid's ``==``: by the word's own rule, item by item, else JavaScript's ``===``."""
    if type(one) is Drop:
        return _meets(one, two)
    if type(two) is Drop:
        return _meets(two, one)
    if isinstance(one, list):
        return isinstance(two, list) and len(one) == len(two) and all(map(equal, one, two))
    if isinstance(one, str):
        return isinstance(two, str) and one == two
    if is_number(one):
        return is_number(two) and double(one) == double(two)
    return one is two


def _meets(word: Drop, value: Value) -> bool:
    bare = plain(value)
    if word is NIL:
        return is_nothing(bare)
    if word is BLANK and (value is False or is_nothing(bare)):
        return True
    if word is BLANK and isinstance(value, str):
        return not value.strip(WHITE_SPACE)
    return value is not EMPTY and value is not BLANK and isinstance(bare, (str, list, dict)) and not bare


def holds(container: Value, wanted: Value) -> bool:
    """Liquid's ``contains``: an item of an array, or a part of a text."""
    container = plain(container)
    if isinstance(container, list):
        return any(equal(one, wanted) for one in container)
    return isinstance(container, str) and text(plain(wanted)) in container


__all__ = [
    "BLANK", "EMPTY", "LITERALS", "NIL", "Drop", "added", "as_list", "at_most", "equal", "holds", "is_nothing", "item",
    "less", "member", "number", "own", "plain", "printed", "to_number", "true",
]  # fmt: skip
