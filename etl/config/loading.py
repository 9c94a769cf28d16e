"""From YAML text to a Config, or to every problem it has, each with file, line and key.

What pydantic finds, in this project's words: what the key should be, and what it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from etl.config.config import Config
from etl.config.document import Document, KeyPath, MissingReferenceError, read_document, substitute
from etl.config.models import SOURCES, Breaker, Destination, Limits, Root, Section, State, SubscriptionSection
from etl.config.secrets import DEFERRED, check_secrets, leave_open
from etl.config.versions import check_versions
from etl.config.watching import Alarms, Metrics, Notify, ReportSection
from etl.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic_core import ErrorDetails


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
    "dict_type": "should be names and a time for each",
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


S = TypeVar("S", bound=Section)

_SECTIONS: dict[str, type[Section]] = {
    "destination": Destination,
    "state": State,
    "limits": Limits,
    "breaker": Breaker,
    "alarms": Alarms,
    "metrics": Metrics,
    "notify": Notify,
    "report": ReportSection,
}
DEFAULTS: dict[tuple[str, str], str] = {
    ("destination", "api_token"): "${METRONOME_BEARER_TOKEN}",
    ("state", "url"): "sqlite:///state/etl.db",
}


@dataclass
class Draft:
    """A config as far as it could be understood: ``config`` is None when there are problems.

    ``subscriptions``: those that are well-formed, by their position, so that what their triggers
    and mappings get wrong can be told together with the rest.
    """

    document: Document
    config: Config | None = None
    subscriptions: dict[int, SubscriptionSection] = field(default_factory=dict)

    def require(self) -> Config:
        """The config; raises ``ConfigError`` with every problem."""
        if self.config is None:
            raise ConfigError(self.document.messages())
        return self.config


def load_config(path: str | Path, env: Mapping[str, str]) -> Config:
    """Read a config file; ``env`` is where ``${VAR}`` is taken from.

    Raises:
        ConfigError: with every problem found, each with file, line and key.
    """
    return draft_config(path, env).require()


def parse_config(text: str, path: str | Path, env: Mapping[str, str]) -> Config:
    """The same from a config's ``text``; ``path`` names it, and what is relative in it starts beside it.

    Raises:
        ConfigError: with every problem found, each with file, line and key.
    """
    return draft_text(text, path, env).require()


def draft_config(path: str | Path, env: Mapping[str, str]) -> Draft:
    """As ``load_config``, problems and all; raises ``ConfigError`` only when the file cannot be read."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        reason = "it is not UTF-8 text"
    except OSError as error:
        reason = error.strerror or "the system gives no reason"
    else:
        return draft_text(text, path, env)
    raise ConfigError(f"{path}: the config cannot be read: {reason}")


def draft_text(text: str, path: str | Path, env: Mapping[str, str]) -> Draft:
    """As ``parse_config``, problems and all; raises nothing."""
    directory = Path(path).absolute().parent
    data, document = read_document(text, str(path), directory, env)
    draft = Draft(document)
    if isinstance(data, dict):
        _fill_defaults(data, document, directory, env)
        check_secrets(data, document)
        leave_open(data, document)
        _Sections(data, document, directory).fill(draft)
    elif not document.problems:
        document.problem((), "should hold keys: pipeline, source, subscriptions, destination, state")
    return draft


def _fill_defaults(data: dict[str, Any], document: Document, directory: Path, env: Mapping[str, str]) -> None:
    """Defaults that depend on the environment or on where the file is."""
    for (section, name), text in DEFAULTS.items():
        keys = data.setdefault(section, {}) if section == "state" else data.get(section)
        if not isinstance(keys, dict) or name in keys:
            continue
        try:
            keys[name] = substitute(text, directory, env)
        except MissingReferenceError as missing:
            document.missing[section, name] = str(missing)


class _Sections:
    """Validates section by section, so that one's problems do not hide another's."""

    def __init__(self, data: dict[str, Any], document: Document, directory: Path) -> None:
        self.data, self.document, self.directory = data, document, directory

    def fill(self, draft: Draft) -> None:
        """Put into ``draft`` what is right, and into its document what is not."""
        self.note_missing()
        outside = key_names(Root)
        root = self.section(Root, (), {key: self.data[key] for key in self.data if key in outside})
        sections = dict(self.sections())
        draft.subscriptions = self.subscriptions()
        check_versions(draft.subscriptions, root.retired if root else {}, self.document)
        if root and not self.document.problems:
            draft.config = Config(**dict(root), subscriptions=tuple(draft.subscriptions.values()), **sections)
            draft.config._document = self.document  # noqa: SLF001 - handed over once, here

    def note_missing(self) -> None:
        known = key_names(Config)
        for name in self.data:
            if name not in known:
                self.document.problem((name,), unknown_key(name, known))
        for name in ("source", "subscriptions", "destination"):
            if name not in self.data:
                self.document.problem((name,), "is missing")
        for key, text in self.document.missing.items():
            if key not in DEFERRED:
                self.document.problem(key, text)

    def sections(self) -> Iterator[tuple[str, Any]]:
        """Those that are there and right, by name."""
        for name in self.data.keys() & _SECTIONS.keys():
            yield name, self.section(_SECTIONS[name], (name,), self.data[name])
        if "source" in self.data:
            yield "source", self.source(self.data["source"])

    def source(self, source: Any) -> Section | None:
        kind = source.get("type") if isinstance(source, dict) else None
        if isinstance(kind, str) and kind in SOURCES:
            return self.section(SOURCES[kind], ("source",), source)
        self.document.problem(("source", "type"), "should be parquet, warehouse or logs")
        return None

    def subscriptions(self) -> dict[int, SubscriptionSection]:
        entries = self.data.get("subscriptions", [])
        if not isinstance(entries, list) or (not entries and "subscriptions" in self.data):
            self.document.problem(("subscriptions",), "should be a list with at least one subscription")
            return {}
        found = (
            (n, self.section(SubscriptionSection, ("subscriptions", n), e)) for n, e in enumerate(entries)
        )
        return {n: section for n, section in found if section}

    def section(self, model: type[S], key: KeyPath, data: Any) -> S | None:
        """``data`` as ``model``, or None and its problems noted."""
        try:
            return model.model_validate(data, context={"directory": self.directory})
        except ValidationError as invalid:
            errors = invalid.errors(include_url=False)
        for error in errors:
            here = (*key, *error["loc"])
            if here not in self.document.missing or error["type"] == "extra_forbidden":
                self.document.problem(here, wording(error, model, here, self.document))
        return None
