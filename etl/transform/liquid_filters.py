"""The filters of ``@liquid``, on JavaScript's values, as liquidjs 10.30.1 has them. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math
import re
import unicodedata
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote as percent_encoded
from urllib.parse import unquote_to_bytes

from etl.transform.javascript import WHITE_SPACE, double, joined, number_text, text_number, units
from etl.transform.jsontext import stringify
from etl.transform.liquid_dates import FILTERS as DATE_FILTERS
from etl.transform.values import UNDEFINED, Value, get, is_number, text

if TYPE_CHECKING:
    from collections.abc import Callable

DISABLED = frozenset(
    "array_to_sentence_string concat find find_exp find_index find_index_exp group_by group_by_exp has has_exp map "
    "newline_to_br reject reject_exp reverse sort sort_natural uniq where_exp type".split()  # noqa: SIM905
)
MAX_MEMORY = 100_000_000
_SPACES = re.compile(f"[{WHITE_SPACE}]+")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;"}
_CHARACTERS = {entity: character for character, entity in _ENTITIES.items()}


class LiquidRenderError(ValueError):
    """What liquidjs throws while rendering."""


def stringified(value: Value) -> str:
    """What is printed: nothing for nil, arrays joined without a separator."""
    if value is None or value is UNDEFINED:
        return ""
    return "".join(map(stringified, value)) if isinstance(value, list) else text(value)


def number(value: Value) -> float:
    """``+value || 0``."""
    found = _number(value)
    return 0.0 if math.isnan(found) else found


def _number(value: Value) -> float:
    if value is UNDEFINED or isinstance(value, dict):
        return math.nan
    if value is None or isinstance(value, bool):
        return float(value or 0)
    return double(value) if is_number(value) else text_number(text(value))


def _items(value: Value) -> list[Value]:
    if value is None or value is UNDEFINED:
        return []
    return value if isinstance(value, list) else [value]


def _limited(size: float) -> None:
    if size > MAX_MEMORY:
        raise LiquidRenderError("memory alloc limit exceeded")


# -------------------------------------------------------------------------------------------------- math


def _of_numbers(function: Callable[..., float]) -> Callable[..., Value]:
    return lambda *arguments: function(*map(number, arguments))


def _divided(dividend: float, divisor: float = math.nan, whole: float = 0.0) -> float:
    if divisor == 0:
        quotient = math.nan if dividend == 0 else math.copysign(math.inf, dividend) * math.copysign(1, divisor)
    else:
        quotient = dividend / divisor
    return math.floor(quotient) if whole and math.isfinite(quotient) else quotient


def _remainder(value: float, divisor: float = math.nan) -> float:
    if divisor == 0 or not math.isfinite(value):
        return math.nan
    return math.fmod(math.fmod(value, divisor) + divisor, divisor) if math.isfinite(divisor) else math.nan


def _rounded(value: Value, places: Value = UNDEFINED) -> Value:
    found, shift = number(value), number(places)
    if not math.isfinite(found) or shift != int(shift):
        return found
    scaled = Decimal(number_text(abs(found))).scaleb(int(shift))
    if scaled > 2**53 - 1:
        return found
    whole = math.floor(float(scaled) + 0.5)
    result = float(Decimal(whole).scaleb(-int(shift)))
    return -result if found < 0 else result


def _whole(function: Callable[[float], int]) -> Callable[..., Value]:
    return lambda value, *_: function(found) if math.isfinite(found := number(value)) else found


MATH = {
    "abs": _of_numbers(lambda value, *_: abs(value)),
    "at_least": _of_numbers(lambda *all_: max(all_)),
    "at_most": _of_numbers(lambda *all_: min(all_)),
    "ceil": _whole(math.ceil),
    "floor": _whole(math.floor),
    "divided_by": _of_numbers(_divided),
    "minus": _of_numbers(lambda value, other=math.nan, *_: value - other),
    "plus": _of_numbers(lambda value, other=math.nan, *_: value + other),
    "times": _of_numbers(lambda value, other=math.nan, *_: value * other),
    "modulo": _of_numbers(_remainder),
    "round": _rounded,
}


# ------------------------------------------------------------------------------------------------ arrays


def _joined(value: Value, separator: Value = UNDEFINED) -> str:
    glue = " " if separator is None or separator is UNDEFINED else stringified(separator)
    return glue.join("" if item is None or item is UNDEFINED else text(item) for item in _items(value))


def _end(index: int) -> Callable[..., Value]:
    def item(value: Value, *_: Value) -> Value:
        members = units(value) if isinstance(value, str) else value
        if not members or not isinstance(members, (str, list)):
            return UNDEFINED if isinstance(members, list) else ""
        return members[index]

    return item


def _size(value: Value, *_: Value) -> Value:
    if isinstance(value, (str, list)):
        return len(units(value) if isinstance(value, str) else value)
    return value.get("length", 0) if isinstance(value, dict) else 0


def _sum(value: Value, key: Value = UNDEFINED) -> float:
    found = [_number(get(item, tuple(text(key).split("."))) if _given(key) else item) for item in _items(value)]
    return sum((0.0 if math.isnan(one) else one) for one in found)


def _slice(value: Value, start: Value = UNDEFINED, length: Value = 1) -> Value:
    if value is None or value is UNDEFINED:
        return []
    members: Any = value if isinstance(value, list) else joined(stringified(value))
    if start is UNDEFINED and isinstance(value, list):
        return []
    begin, count = number(start), (1.0 if length is UNDEFINED else number(length))
    begin = len(members) + begin if begin < 0 else begin
    if begin < 0 or count < 0:
        return members[:0]
    return members[math.floor(begin) : math.floor(begin + count)]


def _where(value: Value, key: Value = UNDEFINED, expected: Value = UNDEFINED) -> list[Value]:
    keys = tuple(part for part in stringified(key).split(".") if part)
    found = [(item, get(item, keys) if keys and isinstance(item, (dict, list)) else UNDEFINED) for item in _items(value)]
    if expected is UNDEFINED:
        return [item for item, held in found if held is not None and held is not False and held is not UNDEFINED]
    return [item for item, held in found if _same(held, expected)]


def _same(one: Value, two: Value) -> bool:
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(map(_same, one, two))
    if is_number(one) and is_number(two):
        return double(one) == double(two)
    return one == two if isinstance(one, str) and isinstance(two, str) else one is two


def _given(value: Value) -> bool:
    return value is not UNDEFINED and value is not None and value != ""


ARRAYS = {
    "join": _joined,
    "first": _end(0),
    "last": _end(-1),
    "size": _size,
    "sum": _sum,
    "compact": lambda value, *_: [item for item in _items(value) if item is not None and item is not UNDEFINED],
    "push": lambda value, item=UNDEFINED, *_: [*_items(value), item],
    "unshift": lambda value, item=UNDEFINED, *_: [item, *_items(value)],
    "pop": lambda value, *_: _items(value)[:-1],
    "shift": lambda value, *_: _items(value)[1:],
    "slice": _slice,
    "where": _where,
}


# ----------------------------------------------------------------------------------------------- strings


def _of_text(function: Callable[..., Value]) -> Callable[..., Value]:
    return lambda value, *_: function(stringified(value))


def _of_texts(function: Callable[..., Value], least: int = 0, name: str = "") -> Callable[..., Value]:
    def apply(value: Value, *arguments: Value) -> Value:
        if len(arguments) < least:
            raise LiquidRenderError(f"{name} expect {least + 1} arguments")
        texts = [stringified(argument) for argument in (value, *arguments)]
        _limited(sum(map(len, texts)))
        return function(*texts)

    return apply


def _replaced(source: str, pattern: str = "", replacement: str = "") -> str:
    parts = source.split(pattern) if pattern else list(units(source))
    _limited(len(source) + len(parts) * len(replacement))
    return joined(replacement.join(parts))


def _replaced_last(source: str, pattern: str = "", replacement: str = "") -> str:
    at = source.rfind(pattern)
    return source if at < 0 else source[:at] + replacement + source[at + len(pattern) :]


def _stripped(left: bool, right: bool) -> Callable[..., Value]:
    def strip(value: Value, characters: Value = UNDEFINED, *_: Value) -> str:
        found = stringified(value)
        what = stringified(characters) if _given(characters) else WHITE_SPACE
        found = found.lstrip(what) if left else found
        return found.rstrip(what) if right else found

    return strip


def _split(value: Value, separator: Value = UNDEFINED, *_: Value) -> list[Value]:
    source, glue = stringified(value), stringified(separator)
    parts = source.split(glue) if glue else list(units(source))
    while parts and parts[-1] == "":
        parts.pop()
    return parts


def _capitalized(source: str) -> str:
    return (source[:1] if source[:1] > "\uffff" else source[:1].upper()) + source[1:].lower()


def _truncated(value: Value, length: Value = 50, end: Value = "...", *_: Value) -> Value:
    source, tail = stringified(value), stringified("..." if end is UNDEFINED else end)
    limit = number(50 if length is UNDEFINED else length)
    if len(units(source)) <= limit or len(source) <= limit:
        return value
    return source[: max(math.floor(limit) - len(tail), 0)] + tail


def _truncated_words(value: Value, count: Value = 15, end: Value = "...", *_: Value) -> str:
    tail = stringified("..." if end is UNDEFINED else end)
    words = _SPACES.split(stringified(value).lstrip(WHITE_SPACE))
    kept = max(int(number(15 if count is UNDEFINED else count)), 1)
    return " ".join(words[:kept]) + (tail if len(words) >= kept else "")


_CJK = "\u4e00-\u9fff\uf900-\ufaff\u3400-\u4dbf\u3040-\u309f\u30a0-\u30ff\uac00-\ud7af"


def _word_count(value: Value, mode: Value = UNDEFINED, *_: Value) -> int:
    source = stringified(value).strip(WHITE_SPACE)
    if not source:
        return 0
    characters = re.findall(f"[{_CJK}]", source)
    if mode == "cjk" or (mode == "auto" and characters):
        return len(characters) + len(re.findall(f"[^{_CJK}{WHITE_SPACE}]+", source))
    return len(_SPACES.split(source))


STRINGS = {
    "append": _of_texts(lambda source, other, *_: source + other, 1, "append"),
    "prepend": _of_texts(lambda source, other, *_: other + source, 1, "prepend"),
    "downcase": _of_text(str.lower),
    "upcase": _of_text(str.upper),
    "capitalize": _of_text(_capitalized),
    "remove": _of_texts(lambda source, other="", *_: _replaced(source, other)),
    "remove_first": _of_texts(lambda source, other="", *_: source.replace(other, "", 1)),
    "remove_last": _of_texts(lambda source, other="", *_: _replaced_last(source, other)),
    "replace": _of_texts(_replaced),
    "replace_first": _of_texts(lambda source, one="", other="", *_: source.replace(one, other, 1)),
    "replace_last": _of_texts(_replaced_last),
    "strip": _stripped(left=True, right=True),
    "lstrip": _stripped(left=True, right=False),
    "rstrip": _stripped(left=False, right=True),
    "strip_newlines": _of_text(lambda source: re.sub(r"\r?\n", "", source)),
    "squish": _of_text(lambda source: _SPACES.sub(" ", source).strip(WHITE_SPACE)),
    "normalize_whitespace": _of_text(lambda source: _SPACES.sub(" ", source)),
    "split": _split,
    "truncate": _truncated,
    "truncatewords": _truncated_words,
    "number_of_words": _word_count,
}


# ----------------------------------------------------------------------------------------- HTML and URLs


def _escaped(source: str) -> str:
    return re.sub("[&<>\"']", lambda match: _ENTITIES[match[0]], source)


def _unescaped(source: str) -> str:
    return re.sub("&(?:amp|lt|gt|#34|#39);", lambda match: _CHARACTERS[match[0]], source)


def _without_tags(source: str) -> str:
    """Scripts, styles and comments whole, then tags; an opener that never closes is text."""
    out, at = [], 0
    blocks = {"<script": "</script>", "<style": "</style>", "<!--": "-->", "<": ">"}
    while (start := source.find("<", at)) >= 0:
        out.append(source[at:start])
        at = _after_block(source, start, blocks)
        if at <= start:
            return "".join(out) + source[start:]
    return "".join(out) + source[at:]


def _after_block(source: str, start: int, blocks: dict[str, str]) -> int:
    for opener, closer in list(blocks.items()):
        if source.startswith(opener, start):
            end = source.find(closer, start + len(opener))
            if end >= 0:
                return end + len(closer)
            del blocks[opener]
    return start


def _component(source: str, safe: str = "-_.!~*'()") -> str:
    try:
        return percent_encoded(joined(source), safe=safe)
    except UnicodeEncodeError:
        raise LiquidRenderError("URI malformed") from None


def _decoded(source: str) -> str:
    plain = source.replace("+", " ")
    if re.search("%(?![0-9a-fA-F]{2})", plain):
        raise LiquidRenderError("URI malformed")
    try:
        return unquote_to_bytes(plain).decode()
    except UnicodeDecodeError:
        raise LiquidRenderError("URI malformed") from None


_PLAIN_LATIN = str.maketrans(
    dict(zip("àáâãäåçèéêëìíîïðñòóôõöøùúûüýÿ", "aaaaaaceeeeiiiidnoooooouuuuyy", strict=True))
    | {"æ": "ae", "ß": "ss", "œ": "oe", "þ": "th", "ẞ": "SS", "Œ": "OE", "Þ": "TH"}
)


def _slug_kept(character: str, extra: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "ML" or category == "Nd" or character in extra


def _slug(value: Value, mode: Value = "default", cased: Value = False, *_: Value) -> str:  # noqa: FBT002
    source = stringified(value)
    if mode == "latin":
        source = source.translate(_PLAIN_LATIN)
    kept: Callable[[str], bool]
    if mode == "raw":
        kept = lambda character: character not in WHITE_SPACE  # noqa: E731
    elif mode == "ascii":
        kept = lambda character: character.isascii() and character.isalnum()  # noqa: E731
    elif mode == "pretty":
        kept = lambda character: _slug_kept(character, "._~!$&'()+,;=@")  # noqa: E731
    else:
        kept = lambda character: _slug_kept(character, "")  # noqa: E731
    if mode != "none":
        marked = "".join(character if kept(character) else "\0" for character in source)
        source = re.sub("\0+", "-", marked)
        source = re.sub("^-|-$", "", source)
    return source if cased is True else source.lower()


MARKUP = {
    "escape": _of_text(_escaped),
    "xml_escape": _of_text(_escaped),
    "escape_once": _of_text(lambda source: _escaped(_unescaped(source))),
    "strip_html": _of_text(_without_tags),
    "url_encode": _of_text(lambda source: _component(source).replace("%20", "+")),
    "url_decode": _of_text(_decoded),
    "cgi_escape": _of_text(lambda source: _component(source, "-_.~").replace("%20", "+")),
    "uri_escape": _of_text(lambda source: _component(source, ";,/?:@&=+$-_.!~*'()#[]")),
    "slugify": _slug,
}


# ------------------------------------------------------------------------------------------------- other


def _default(value: Value, other: Value = UNDEFINED, *options: Value) -> Value:
    if isinstance(value, (str, list)):
        return value or other
    allowed = any(isinstance(option, list) and option[0] == "allow_false" and option[1] for option in options)
    if value is False:
        return False if allowed else other
    return other if value is None or value is UNDEFINED else value


def _json(value: Value, space: Value = 0, *_: Value) -> Value:
    written = stringify(value)
    if written is None:
        return UNDEFINED
    indent = min(int(number(space)), 10)
    return written if indent < 1 else json.dumps(json.loads(written), indent=indent, ensure_ascii=False)


def _base64_decoded(source: str) -> str:
    bare = re.sub("[\t\n\f\r ]", "", source)
    bare = re.sub("==?$", "", bare) if len(bare) % 4 == 0 else bare
    if len(bare) % 4 == 1 or not re.fullmatch("[A-Za-z0-9+/]*", bare):
        raise LiquidRenderError("invalid base64 provided to base64_decode")
    return base64.b64decode(bare + "=" * (-len(bare) % 4)).decode("utf-8", "replace")


def _utf8(source: str) -> bytes:
    return joined(source).encode("utf-8", "replace")


OTHER = {
    "default": _default,
    "raw": lambda value, *_: value,
    "json": _json,
    "jsonify": _json,
    "inspect": _json,
    "to_integer": lambda value, *_: _number(value),
    "base64_encode": _of_text(lambda source: base64.b64encode(_utf8(source)).decode()),
    "base64_decode": _of_text(_base64_decoded),
    "sha256": _of_text(lambda source: hashlib.sha256(_utf8(source)).hexdigest()),
    "hmac_sha256": _of_texts(
        lambda source, key="", *_: hmac.new(_utf8(key), _utf8(source), "sha256").hexdigest()
    ),
}

FILTERS: dict[str, Callable[..., Value]] = {**MATH, **ARRAYS, **STRINGS, **MARKUP, **OTHER, **DATE_FILTERS}
