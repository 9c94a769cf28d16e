"""Secrets come from outside the file: what is written out is refused, what is not at hand stays open."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from etl.config.document import literal_parts

if TYPE_CHECKING:
    from etl.config.document import Document, KeyPath

TOKEN: KeyPath = ("destination", "api_token")
PROXY: KeyPath = ("destination", "proxy")
URLS: tuple[KeyPath, ...] = (("source", "url"), ("state", "url"), PROXY)
#: Left open when their ``${…}`` cannot be filled in; everything else must be at hand.
DEFERRED: frozenset[KeyPath] = frozenset({TOKEN, *URLS, ("notify", "webhook")})

_PASSWORD = re.compile(
    r"://[^:/?#]*:[^@]+@"
    r"|(?:[?&;]|%3B)(?:\w*(?:password|passwd|pwd|token|secret|apikey|api_key|private_key|passphrase))(?:=|%3D)[^&;]",
    re.IGNORECASE,
)


def check_secrets(data: Any, document: Document) -> None:
    """Note tokens and passwords that are written out, and leave open what cannot serve as a secret."""
    _check_token(data, document)
    if _at(data, ("source", "type")) == "warehouse" and "url" not in data["source"]:
        document.problem(("source", "url"), "is missing")
    for key in (*URLS, ("source", "path")):
        if _PASSWORD.search(literal_parts(document.written.get(key, ""))):
            document.problem(key, "has a password in it: take it from the environment, as in ${DATABASE_URL}")
    for key in DEFERRED & document.written.keys() - document.missing.keys():
        _check_filled(data, document, key)


def _check_token(data: Any, document: Document) -> None:
    if literal_parts(document.written.get(TOKEN, "")):
        document.problem(
            TOKEN,
            "is written out: take it from the environment, ${METRONOME_BEARER_TOKEN}, "
            "or from a file, ${file:/run/secrets/metronome}",
        )
        return
    token = _at(data, TOKEN)
    if isinstance(token, str) and re.search(r"[^!-~]", token):
        document.missing[TOKEN] = (
            'is not a token: it has blanks or line breaks in it (give it without "Bearer ")'
        )


def _check_filled(data: Any, document: Document, key: KeyPath) -> None:
    if not document.written[key] or _at(data, key) is None:
        document.problem(key, "is empty")
        document.missing[key] = "is empty"
    elif not _at(data, key):
        document.missing[key] = f"is empty: {document.written[key]} gives nothing"


def leave_open(data: Any, document: Document) -> None:
    """Take out of ``data`` whatever ``document`` lists as missing."""
    for key in document.missing:
        parent = _at(data, key[:-1])
        if isinstance(parent, dict | list):
            parent[key[-1]] = None  # type: ignore[index]  # the key was read from this very parent


def _at(data: Any, key: KeyPath) -> Any:
    for part in key:
        if not isinstance(data, dict | list):
            return None
        data = data.get(part) if isinstance(data, dict) else data[part]  # type: ignore[index]
    return data
