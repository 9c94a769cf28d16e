"""The filters of ``@liquid`` on strings, HTML and URLs, as liquidjs 10.30.1 has them. Pure."""

from __future__ import annotations

import math
import re
import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import quote as percent_encoded
from urllib.parse import unquote_to_bytes

from etl.transform.javascript import WHITE_SPACE, double, joined, text_number, units
from etl.transform.javascript.values import UNDEFINED, Value, is_number, text

if TYPE_CHECKING:
    from collections.abc import Callable

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
    found = to_number(value)
    return 0.0 if math.isnan(found) else found


def to_number(value: Value) -> float:
    """``Number(value)``."""
    if value is UNDEFINED or isinstance(value, dict):
        return math.nan
    if value is None or isinstance(value, bool):
        return float(value or 0)
    return double(value) if is_number(value) else text_number(text(value))


def limited(size: float) -> None:
    """Raises where a text of ``size`` would break Segment's memory limit."""
    if size > MAX_MEMORY:
        raise LiquidRenderError("memory alloc limit exceeded")


def given(value: Value) -> bool:
    """Whether a filter's argument is there, and not empty."""
    return value is not UNDEFINED and value is not None and value != ""


# ----------------------------------------------------------------------------------------------- strings


def of_text(function: Callable[..., Value]) -> Callable[..., Value]:
    """A filter on one text."""
    return lambda value, *_: function(stringified(value))


def of_texts(function: Callable[..., Value], least: int = 0, name: str = "") -> Callable[..., Value]:
    """A filter on several texts; ``least``: how many arguments it insists on."""

    def apply(value: Value, *arguments: Value) -> Value:
        if len(arguments) < least:
            raise LiquidRenderError(f"{name} expect {least + 1} arguments")
        texts = [stringified(argument) for argument in (value, *arguments)]
        limited(sum(map(len, texts)))
        return function(*texts)

    return apply


def _replaced(source: str, pattern: str = "", replacement: str = "") -> str:
    parts = source.split(pattern) if pattern else list(units(source))
    limited(len(source) + len(parts) * len(replacement))
    return joined(replacement.join(parts))


def _replaced_last(source: str, pattern: str = "", replacement: str = "") -> str:
    at = source.rfind(pattern)
    return source if at < 0 else source[:at] + replacement + source[at + len(pattern) :]


def _stripped(left: bool, right: bool) -> Callable[..., Value]:
    def strip(value: Value, characters: Value = UNDEFINED, *_: Value) -> str:
        found = stringified(value)
        what = stringified(characters) if given(characters) else WHITE_SPACE
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
    "append": of_texts(lambda source, other, *_: source + other, 1, "append"),
    "prepend": of_texts(lambda source, other, *_: other + source, 1, "prepend"),
    "downcase": of_text(str.lower),
    "upcase": of_text(str.upper),
    "capitalize": of_text(_capitalized),
    "remove": of_texts(lambda source, other="", *_: _replaced(source, other)),
    "remove_first": of_texts(lambda source, other="", *_: source.replace(other, "", 1)),
    "remove_last": of_texts(lambda source, other="", *_: _replaced_last(source, other)),
    "replace": of_texts(_replaced),
    "replace_first": of_texts(lambda source, one="", other="", *_: source.replace(one, other, 1)),
    "replace_last": of_texts(_replaced_last),
    "strip": _stripped(left=True, right=True),
    "lstrip": _stripped(left=True, right=False),
    "rstrip": _stripped(left=False, right=True),
    "strip_newlines": of_text(lambda source: re.sub(r"\r?\n", "", source)),
    "squish": of_text(lambda source: _SPACES.sub(" ", source).strip(WHITE_SPACE)),
    "normalize_whitespace": of_text(lambda source: _SPACES.sub(" ", source)),
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


def _slug(value: Value, mode: Value = "default", cased: Value = False, *_: Value) -> str:
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
    "escape": of_text(_escaped),
    "xml_escape": of_text(_escaped),
    "escape_once": of_text(lambda source: _escaped(_unescaped(source))),
    "strip_html": of_text(_without_tags),
    "url_encode": of_text(lambda source: _component(source).replace("%20", "+")),
    "url_decode": of_text(_decoded),
    "cgi_escape": of_text(lambda source: _component(source, "-_.~").replace("%20", "+")),
    "uri_escape": of_text(lambda source: _component(source, ";,/?:@&=+$-_.!~*'()#[]")),
    "slugify": _slug,
}
