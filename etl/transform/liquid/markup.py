"""The filters on HTML, URLs, digests and base64. Pure. Source: liquidjs 10.30.1, and ECMA-262 for URLs."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes

from etl.transform.javascript import WHITE_SPACE, joined
from etl.transform.javascript.values import UNDEFINED, Value, text, truthy
from etl.transform.liquid.scope import ThrownError
from etl.transform.liquid.strings import of_text, of_texts

if TYPE_CHECKING:
    from collections.abc import Callable

    from etl.transform.liquid.scope import Scope

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;"}
_CHARACTERS = {entity: character for character, entity in _ENTITIES.items()}
_BLOCKS = {"<script": "</script>", "<style": "</style>", "<!--": "-->", "<": ">"}


def _escaped(source: str) -> str:
    return re.sub("[&<>\"']", lambda match: _ENTITIES[match[0]], source)


def _unescaped(source: str) -> str:
    return re.sub("&(?:amp|lt|gt|#34|#39);", lambda match: _CHARACTERS[match[0]], source)


def _without_tags(source: str) -> str:
    """Scripts, styles and comments whole, then tags; an opener that never closes is text."""
    out, at, blocks = [], 0, dict(_BLOCKS)
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


# ------------------------------------------------------------------------------------------------- URLs


def _encoded(safe: str) -> Callable[[str], str]:
    def encode(source: str) -> str:
        try:
            return quote(source, safe=safe)
        except UnicodeEncodeError:
            raise ThrownError("URI malformed") from None

    return encode


def _decoded(source: str) -> str:
    source = source.replace("+", " ")
    if re.search("%(?![0-9a-fA-F]{2})", source):
        raise ThrownError("URI malformed")
    try:
        return re.sub("(?:%..)+", lambda match: unquote_to_bytes(match[0]).decode(), source)
    except UnicodeDecodeError:
        raise ThrownError("URI malformed") from None


_PLAIN_LATIN = str.maketrans(
    dict(zip("àáâãäåçèéêëìíîïðñòóôõöøùúûüýÿ", "aaaaaaceeeeiiiidnoooooouuuuyy", strict=True))
    | {"æ": "ae", "ß": "ss", "œ": "oe", "þ": "th", "ẞ": "SS", "Œ": "OE", "Þ": "TH"}
)
#: Per mode, what a slug keeps beside letters, marks and digits of any script; the other modes have rules of their own.
_KEPT = {"default": "", "latin": "", "pretty": "._~!$&'()+,;=@"}
_PATTERNS = {"raw": f"[{WHITE_SPACE}]+", "ascii": "[^A-Za-z0-9]+"}


def _slug(scope: Scope, value: Value, mode: Value = "default", cased: Value = UNDEFINED, *_: Value) -> str:
    source, chosen = scope.printed(value), "default" if mode is UNDEFINED else text(mode)
    scope.work(len(source))
    if chosen == "latin":
        source = source.translate(_PLAIN_LATIN)
    if chosen in _PATTERNS:
        source = _trimmed(re.sub(_PATTERNS[chosen], "-", source))
    elif chosen in _KEPT:
        marked = "".join(one if _is_kept(one, _KEPT[chosen]) else "\0" for one in source)
        source = _trimmed(re.sub("\0+", "-", marked))
    return source if truthy(cased) else source.lower()


def _is_kept(character: str, others: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "ML" or category == "Nd" or character in others


def _trimmed(slug: str) -> str:
    return re.sub(r"\A-|-\Z", "", slug)


# ------------------------------------------------------------------------------------ base64 and digests


def _utf8(source: str) -> bytes:
    """As Node writes it: halves of characters become the replacement character."""
    return re.sub("[\ud800-\udfff]", "\ufffd", joined(source)).encode()


def _from_base64(source: str) -> str:
    bare = re.sub("[\t\n\f\r ]", "", source)
    bare = re.sub(r"==?\Z", "", bare) if len(bare) % 4 == 0 else bare
    if len(bare) % 4 == 1 or not re.fullmatch("[A-Za-z0-9+/]*", bare):
        raise ThrownError("invalid base64 provided to base64_decode")
    return base64.b64decode(bare + "=" * (-len(bare) % 4)).decode("utf-8", "replace")


MARKUP: dict[str, Callable[..., Value]] = {
    "escape": of_text(_escaped),
    "xml_escape": of_text(_escaped),
    "escape_once": of_text(lambda source: _escaped(_unescaped(source))),
    "strip_html": of_text(_without_tags),
    "url_encode": of_text(lambda source: _encoded("-_.!~*'()")(source).replace("%20", "+")),
    "url_decode": of_text(_decoded),
    "cgi_escape": of_text(lambda source: _encoded("-_.~")(source).replace("%20", "+")),
    "uri_escape": of_text(_encoded(";,/?:@&=+$-_.!~*'()#[]")),
    "slugify": _slug,
    "base64_encode": of_text(lambda source: base64.b64encode(_utf8(source)).decode()),
    "base64_decode": of_text(_from_base64),
    "sha256": of_text(lambda source: hashlib.sha256(_utf8(source)).hexdigest()),
    "hmac_sha256": of_texts(lambda source, key: hmac.new(_utf8(key), _utf8(source), "sha256").hexdigest(), 2),
}
