"""The reference in docs/, made from the code: ``python -m tests.support.reference`` writes it.

docs/cli.md is made whole; in other pages each table between ``<!-- from the code: NAME -->`` and ``<!-- end -->`` is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from etl.config import (
    Alarms,
    Breaker,
    Config,
    DeltaSource,
    Destination,
    IcebergSource,
    Limits,
    LogsSource,
    Metrics,
    Notify,
    ParquetSource,
    ReportSection,
    State,
    SubscriptionSection,
    WarehouseSource,
)
from etl.config.loading import DEFAULTS
from etl.config.values import duration_text
from etl.core import errors
from etl.core.errors import EXIT_CODES, EtlError
from etl.core.layouts import DEFAULT_CURSOR
from etl.core.logs import EVENTS
from etl.core.outcomes import TABLE
from etl.core.report import FIELDS
from etl.operations.alarms import ALARMS
from etl.operations.metrics import FIGURES
from etl.operations.report.advice import STAGES
from etl.transform.mapping.directives import DIRECTIVES
from tests.support import cli_reference, rooms

DOCS = Path(__file__).parents[2] / "docs"
_BLOCK = re.compile(r"(<!-- from the code: ([\w.-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
#: Defaults that depend on something else, in words.
_IN_WORDS = {
    "cursor": " or ".join(f"`{name}`" for name in DEFAULT_CURSOR.values()),
    "mapping": "Segment's",
    **{key: f"`{text}`" for (_, key), text in DEFAULTS.items()},
}


def table(head: str, rows: Iterable[Iterable[str]]) -> str:
    """Markdown; ``head`` as ``a | b``."""
    lines = [f"| {head} |", "|" + "---|" * (head.count("|") + 1)]
    lines += [f"| {' | '.join(row)} |".replace("|  |", "| |") for row in rows]
    return "\n".join(lines) + "\n"


def keys(model: Any, own: Iterable[str] | None = None) -> str:
    """The keys of a section; ``own``: only these."""
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    chosen = fields if own is None else own
    return table(
        "key | default | meaning",
        ((f"`{k}`", _default(k, fields[k]), _meaning(k, fields[k])) for k in chosen),
    )


def _default(key: str, field: Any) -> str:
    if field.is_required():
        return "required"
    if key in _IN_WORDS and field.default in (None, *DEFAULT_MAPPINGS):
        return "required" if key == "url" and "SQLAlchemy" in field.description else _IN_WORDS[key]
    if field.default is None:
        return "none"
    if isinstance(field.default, timedelta):
        return f"`{duration_text(field.default)}`"
    if not isinstance(field.default, str | int | float):
        return "see below"
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


DEFAULT_MAPPINGS = (SubscriptionSection.model_fields["mapping"].default,)


def _meaning(key: str, field: Any) -> str:
    if key == "type":
        return "`parquet`, `delta`, `iceberg`, `logs` or `warehouse`."
    return str(field.description)


def _shared_and_own() -> tuple[list[str], dict[str, list[str]]]:
    """Keys that every type of source has, in the order of the file; and those of each alone."""
    models = {
        "parquet": ParquetSource,
        "delta": DeltaSource,
        "iceberg": IcebergSource,
        "logs": LogsSource,
        "warehouse": WarehouseSource,
    }
    names = {kind: [f.alias or n for n, f in m.model_fields.items()] for kind, m in models.items()}
    shared = [name for name in names["parquet"] if all(name in some for some in names.values())]
    shared.sort(key=lambda name: name != "type")
    return shared, {kind: [n for n in some if n not in shared] for kind, some in names.items()}


SHARED, OWN = _shared_and_own()


def _errors() -> str:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, EtlError)]
    rows = (
        (f"`{kind.__name__}`", str(kind.exit_code), str(kind.__doc__).split("\n", 1)[0]) for kind in kinds[1:]
    )
    return table("class | exit code | raised when", rows)


BLOCKS: dict[str, Callable[[], str]] = {
    "config": lambda: keys(Config),
    "config.source": lambda: keys(ParquetSource, SHARED),
    "config.source.parquet": lambda: keys(ParquetSource, OWN["parquet"]),
    "config.source.delta": lambda: keys(DeltaSource, OWN["delta"]),
    "config.source.iceberg": lambda: keys(IcebergSource, OWN["iceberg"]),
    "config.source.logs": lambda: keys(LogsSource, OWN["logs"]),
    "config.source.warehouse": lambda: keys(WarehouseSource, OWN["warehouse"]),
    "config.subscriptions": lambda: keys(SubscriptionSection),
    "directives": lambda: table(
        "directive | meaning", ((f"`{d.name}`", d.meaning) for d in DIRECTIVES.values())
    ),
    "config.destination": lambda: keys(Destination),
    "config.state": lambda: keys(State),
    "config.limits": lambda: keys(Limits),
    "config.breaker": lambda: keys(Breaker),
    "config.alarms": lambda: keys(Alarms),
    "config.metrics": lambda: keys(Metrics),
    "config.notify": lambda: keys(Notify),
    "config.report": lambda: keys(ReportSection),
    "exit-codes": lambda: table("exit code | means", ((str(c), m) for c, m in EXIT_CODES.items())),
    "errors": _errors,
    "report-fields": lambda: table("field | meaning", ((f"`{f}`", m) for f, m in FIELDS.items())),
    "outcomes": lambda: table(
        "outcome | meaning: it … | exit code",
        ((f"`{o.name}`", o.meaning, str(o.exit_code)) for o in TABLE),
    ),
    "letters": lambda: table("outcome | what to do", ((f"`{o.name}`", o.advice) for o in TABLE if o.advice)),
    "stages": lambda: table(
        "stage | what is wrong, and what to do", ((f"`{s}`", m) for s, m in STAGES.items())
    ),
    "log-events": lambda: table(
        "event | level | fields", ((f"`{e}`", lv, text) for e, (lv, text) in EVENTS.items())
    ),
    "figures": lambda: table(
        "figure | more labels | meaning",
        (
            (f"`{name}`", ", ".join(f"`{x}`" for x in labels), text)
            for name, (labels, text) in FIGURES.items()
        ),
    ),
    "rooms": rooms.drawing,
    "alarms": lambda: table("alarm | fires when", ((f"`{name}`", text) for name, text in ALARMS.items())),
}


def pages() -> dict[Path, str]:
    """Every page with something made from the code → what it should say."""
    found = {cli_reference.PATH: cli_reference.reference()}
    for page in sorted(DOCS.rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        if _BLOCK.search(text):
            found[page] = _BLOCK.sub(lambda m: f"{m[1]}\n{BLOCKS[m[2]]()}\n{m[3]}", text)
    return found


def placed() -> list[str]:
    """The names of the blocks that pages hold."""
    return [
        name for page in DOCS.rglob("*.md") for _, name, _ in _BLOCK.findall(page.read_text(encoding="utf-8"))
    ]


if __name__ == "__main__":
    for page, text in pages().items():
        page.write_text(text, encoding="utf-8")
