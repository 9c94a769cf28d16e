"""What pydantic finds, in this project's words: what the key should be, and what it is."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from etl.config.document import Document, KeyPath
    from etl.config.models import Section

_SHOULD = {
    "string_type": "should be text",
    "string_too_short": "should not be empty",
    "string_too_long": "should have at most {max_length} characters",
    "string_pattern_mismatch": "should be one line that does not begin or end with a blank",
    "int_type": "should be a whole number",
    "int_parsing": "should be a whole number",
    "int_from_float": "should be a whole number",
    "float_type": "should be a number",
    "float_parsing": "should be a number",
    "finite_number": "should be a finite number",
    "bool_type": "should be true or false",
    "bool_parsing": "should be true or false",
    "literal_error": "should be {expected}",
    "greater_than": "should be greater than {gt}",
    "greater_than_equal": "should be at least {ge}",
    "less_than_equal": "should be at most {le}",
    "too_short": "should have at least one entry",
    "tuple_type": "should be a list",
    "model_type": "should be a section with keys of its own",
    "etl": "{text}",
}


def wording(error: ErrorDetails, model: type[Section], key: KeyPath, document: Document) -> str:
    """``error`` completing "the key …"; ``model`` is the section that ``key`` is in."""
    kind, name = error["type"], str(key[-1]) if key else ""
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return unknown_key(name, key_names(model))
    template = _SHOULD.get(kind, error["msg"])
    text = template.format(**{part: _plain(part, value) for part, value in error.get("ctx", {}).items()})
    if document.written.get(key) is None or name in model.secrets:
        return text
    return f"{text}, but is {_shown(document.written[key], error['input'])}"


def _plain(part: str, value: Any) -> Any:
    """A detail of the error as people write it: 1 for 1.0, the expected words in double quotes."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value.replace("'", '"') if part == "expected" else value


def _shown(written: str, value: Any) -> str:
    # A number where text is asked for needs no more than quotes around it.
    if isinstance(value, str):
        return f'"{written}"'
    return f"{written or 'empty'}"


def key_names(model: type[Section]) -> list[str]:
    """The keys of a section as a config writes them."""
    return [field.alias or name for name, field in model.model_fields.items()]


def unknown_key(name: str, known: list[str]) -> str:
    """What to say of a key that no section has, with the nearest one that there is."""
    match = get_close_matches(name, known, n=1)
    hint = f'did you mean "{match[0]}"?' if match else f"known here: {', '.join(known)}"
    return f"is not a known key; {hint}"
