"""liquidjs's filters that Segment leaves on, for the values JSON can hold."""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import math
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

from tests.reference.json_text import stringify
from tests.reference.values import UNDEFINED, WHITE_SPACE, JsError, is_number, joined, text, to_number, units

_SPACES = re.compile(f"[{WHITE_SPACE}]+")


def plain_number(number: float) -> float | int:
    """A whole double as an int, so that it prints without a decimal point."""
    number = float(number)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _known(value: Any) -> Any:
    if isinstance(value, range):
        return list(value)
    return None if value is UNDEFINED else value


def printed(value: Any) -> str:
    """How liquidjs prints a value: arrays run together, objects as JavaScript names them."""
    value = _known(value)
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        return "".join(printed(item) for item in value)
    return text(value)


def _number(value: Any) -> float:
    """``+value || 0``."""
    value = _known(value)
    if value is None:
        return 0.0
    number = to_number(text(value) if isinstance(value, (list, dict)) else value)
    return 0.0 if math.isnan(number) else number


def _arithmetic(function: Callable[..., float]) -> Callable[..., Any]:
    def run(*values: Any) -> Any:
        return plain_number(function(*(_number(value) for value in values)))

    return run


def _divided(dividend: float, divisor: float, whole: float = 0) -> float:
    if divisor == 0:
        return math.nan if dividend == 0 or math.isnan(dividend) else math.copysign(math.inf, dividend)
    quotient = dividend / divisor
    return math.floor(quotient) if whole else quotient


def _modulo(value: float, divisor: float) -> float:
    if divisor == 0:
        return math.nan
    return math.fmod(math.fmod(value, divisor) + divisor, divisor)


def _round(value: Any, digits: Any = 0) -> Any:
    number, shift = _number(value), int(_number(digits))
    mantissa, _, power = text(abs(number)).partition("e")
    scaled = float(f"{mantissa}e{int(power or 0) + shift}")
    if not scaled <= 2**53 - 1:
        return plain_number(number)
    rounded = math.floor(scaled + 0.5)
    result = float(f"{rounded}e{-shift}")
    return plain_number(-result if number < 0 else result)


def _default(value: Any, default: Any = "", *_: Any, allow_false: bool = False) -> Any:
    value = _known(value)
    if isinstance(value, (list, str)):
        return value or default
    if value is False and allow_false:
        return value
    return default if value is None or value is False else value


def _split(value: Any, separator: Any) -> list[str]:
    string, mark = printed(value), printed(separator)
    parts = string.split(mark) if mark else [joined(unit) for unit in units(string)]
    while parts and parts[-1] == "":
        parts.pop()
    return parts


def _join(value: Any, separator: Any = " ") -> str:
    value = _known(value)
    items = [] if value is None else value if isinstance(value, list) else [value]
    return printed(separator).join(printed(item) for item in items)


def _slice(value: Any, start: Any, length: Any = 1) -> Any:
    value = _known(value)
    if value is None:
        return []
    sequence = value if isinstance(value, list) else printed(value)
    begin = int(_number(start))
    begin = len(sequence) + begin if begin < 0 else begin
    return sequence[begin : begin + int(_number(length))] if begin >= 0 else sequence[:0]


def _size(value: Any) -> int:
    value = _known(value)
    if isinstance(value, str):
        return len(units(value))
    return len(value) if isinstance(value, list) else 0


def _truncate(value: Any, length: Any = 50, ending: Any = "...") -> Any:
    string, limit, tail = printed(value), int(_number(length)), printed(ending)
    if len(string) <= limit:
        return value
    return string[: max(limit - len(tail), 0)] + tail


def _truncate_words(value: Any, words: Any = 15, ending: Any = "...") -> str:
    limit = max(int(_number(words)), 1)
    found = _SPACES.split(printed(value).lstrip(WHITE_SPACE))
    return " ".join(found[:limit]) + (printed(ending) if len(found) >= limit else "")


def _capitalize(value: Any) -> str:
    string = printed(value)
    return string[:1].upper() + string[1:].lower()


def _first(value: Any) -> Any:
    value = _sequence(value)
    return joined(value[0]) if isinstance(value, str) and value else value[0] if value else ""


def _last(value: Any) -> Any:
    value = _sequence(value)
    return value[-1] if value else ""


def _sequence(value: Any) -> Any:
    """What has a first and a last item: arrays, and strings by their UTF-16 units."""
    value = _known(value)
    return units(value) if isinstance(value, str) else value if isinstance(value, list) else []


def _json(value: Any) -> str:
    return "" if value is UNDEFINED else stringify(_known(value)) or ""


def _slug(value: Any, mode: Any = "default", cased: Any = False) -> str:
    patterns = {"raw": r"\s+", "default": r"[^\w]+|_+", "ascii": r"[^A-Za-z0-9]+"}
    string = printed(value)
    if mode in patterns:
        string = re.sub(r"^-|-$", "", re.sub(patterns[mode], "-", string))
    return string if cased else string.lower()


def _compact(value: Any) -> list[Any]:
    value = _known(value)
    items = [] if value is None else value if isinstance(value, list) else [value]
    return [item for item in items if _known(item) is not None]


def _replace_last(value: Any, pattern: Any, replacement: Any = "") -> str:
    string, wanted = printed(value), printed(pattern)
    at = string.rfind(wanted)
    return string if at < 0 else string[:at] + printed(replacement) + string[at + len(wanted) :]


def _decoded(value: Any) -> str:
    string = re.sub(r"[\t\n\f\r ]", "", printed(value))
    bare = re.sub("==?$", "", string) if len(string) % 4 == 0 else string
    if len(bare) % 4 == 1 or not re.fullmatch("[A-Za-z0-9+/]*", bare):
        raise JsError("invalid base64 provided to base64_decode")
    return base64.b64decode(bare + "=" * (-len(bare) % 4)).decode("utf-8", "replace")


def _escape(value: Any) -> str:
    return html.escape(printed(value), quote=True).replace("&#x27;", "&#39;")


def _escape_once(value: Any) -> str:
    string = printed(value)
    for entity, char in (("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"), ("&#34;", '"'), ("&#39;", "'")):
        string = string.replace(entity, char)
    return _escape(string)


def _strip_html(value: Any) -> str:
    tags = r"<script[\s\S]*?</script>|<style[\s\S]*?</style>|<[\s\S]*?>|<!--[\s\S]*?-->"
    return re.sub(tags, "", printed(value))


def _where(value: Any, key: Any, wanted: Any = UNDEFINED) -> list[Any]:
    value = _known(value)
    items = [] if value is None else value if isinstance(value, list) else [value]
    found = [(item, item.get(printed(key)) if isinstance(item, dict) else None) for item in items]
    if wanted is UNDEFINED:
        return [item for item, member in found if member is not None and member is not False]
    return [item for item, member in found if type(member) is type(wanted) and member == wanted]


def _sum(value: Any, key: Any = UNDEFINED) -> Any:
    items = _compact(value)
    if key is not UNDEFINED:
        items = [item.get(printed(key)) if isinstance(item, dict) else None for item in items]
    total = 0.0
    for item in items:
        number = to_number(item) if isinstance(item, (str, bool)) or is_number(item) else math.nan
        total += 0.0 if math.isnan(number) else number
    return plain_number(total)


def _digest(value: Any, key: Any) -> str:
    return hmac.new(printed(key).encode(), printed(value).encode(), hashlib.sha256).hexdigest()


FILTERS: dict[str, Callable[..., Any]] = {
    "abs": _arithmetic(abs),
    "append": lambda value, tail: printed(value) + printed(tail),
    "at_least": _arithmetic(max),
    "at_most": _arithmetic(min),
    "base64_decode": _decoded,
    "base64_encode": lambda value: base64.b64encode(printed(value).encode()).decode(),
    "capitalize": _capitalize,
    "ceil": _arithmetic(math.ceil),
    "compact": _compact,
    "default": _default,
    "divided_by": _arithmetic(_divided),
    "downcase": lambda value: printed(value).lower(),
    "escape": _escape,
    "escape_once": _escape_once,
    "first": _first,
    "floor": _arithmetic(math.floor),
    "hmac_sha256": _digest,
    "inspect": _json,
    "join": _join,
    "json": _json,
    "jsonify": _json,
    "last": _last,
    "lstrip": lambda value: printed(value).lstrip(WHITE_SPACE),
    "minus": _arithmetic(lambda a, b: a - b),
    "modulo": _arithmetic(_modulo),
    "normalize_whitespace": lambda value: _SPACES.sub(" ", printed(value)),
    "number_of_words": lambda value: len(_SPACES.split(string)) if (string := printed(value).strip()) else 0,
    "plus": _arithmetic(lambda a, b: a + b),
    "pop": lambda value: value[:-1],
    "prepend": lambda value, head: printed(head) + printed(value),
    "push": lambda value, item: [*_compact(value), item],
    "remove": lambda value, part: printed(value).replace(printed(part), ""),
    "remove_first": lambda value, part: printed(value).replace(printed(part), "", 1),
    "remove_last": _replace_last,
    "replace": lambda value, old, new="": printed(value).replace(printed(old), printed(new)),
    "replace_first": lambda value, old, new="": printed(value).replace(printed(old), printed(new), 1),
    "replace_last": _replace_last,
    "round": _round,
    "rstrip": lambda value: printed(value).rstrip(WHITE_SPACE),
    "sha256": lambda value: hashlib.sha256(printed(value).encode()).hexdigest(),
    "shift": lambda value: value[1:],
    "size": _size,
    "slice": _slice,
    "split": _split,
    "slugify": _slug,
    "squish": lambda value: _SPACES.sub(" ", printed(value)).strip(WHITE_SPACE),
    "strip": lambda value: printed(value).strip(WHITE_SPACE),
    "strip_html": _strip_html,
    "strip_newlines": lambda value: re.sub(r"\r?\n", "", printed(value)),
    "sum": _sum,
    "times": _arithmetic(lambda a, b: a * b),
    "truncate": _truncate,
    "truncatewords": _truncate_words,
    "to_integer": lambda value: plain_number(to_number(value)) if _known(value) is not None else math.nan,
    "upcase": lambda value: printed(value).upper(),
    "url_decode": lambda value: unquote(printed(value).replace("+", " ")),
    "url_encode": lambda value: quote(printed(value), safe="-_.!~*'()").replace("%20", "+"),
    "cgi_escape": lambda value: quote(printed(value), safe="-_.~").replace("%20", "+"),
    "raw": lambda value: value,
    "uri_escape": lambda value: quote(printed(value), safe="-_.!~*'();/?:@&=+$,#[]"),
    "where": _where,
    "xml_escape": _escape,
}
