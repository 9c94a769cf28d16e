"""docs/configuration.md names every key with its default, and its examples load."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from etl.config import (
    Alarms,
    Breaker,
    Config,
    Destination,
    Limits,
    LogsSource,
    Metrics,
    Notify,
    ParquetSource,
    State,
    SubscriptionSection,
    WarehouseSource,
)
from etl.config.values import parse_duration
from etl.config.wording import key_names
from tests.config.support import SMALLEST, load

TEXT = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| ", re.MULTILINE)
#: What stands in the docs for a default that depends on something else.
IN_WORDS = {"required", "see below", "none", "Segment's", "`receivedAt` or `received_at`"}


def section(heading: str) -> dict[str, str]:
    """Key → default, of the tables between this heading and the next."""
    (text,) = re.findall(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    return dict(ROW.findall(text))


SECTIONS = {
    "Top level": Config,
    "`subscriptions`": SubscriptionSection,
    "`destination`": Destination,
    "`state`": State,
    "`limits`": Limits,
    "`breaker`": Breaker,
    "`alarms`": Alarms,
    "`metrics`": Metrics,
    "`notify`": Notify,
}
SOURCES = {"`parquet`": ParquetSource, "`logs`": LogsSource, "`warehouse`": WarehouseSource}


@pytest.mark.parametrize(("heading", "model"), SECTIONS.items())
def test_every_key_is_documented(heading: str, model: Any) -> None:
    """And no other."""
    assert sorted(section(heading)) == sorted(key_names(model))


@pytest.mark.parametrize(("heading", "model"), SOURCES.items())
def test_every_key_of_a_source_is_documented(heading: str, model: Any) -> None:
    """Those of every type, and its own."""
    assert sorted([*section("`source`"), *section(heading)]) == sorted(key_names(model))


@pytest.mark.parametrize(("heading", "model"), {**SECTIONS, **SOURCES}.items())
def test_defaults_are_those_of_the_code(heading: str, model: Any) -> None:
    """Each default that is written as a value."""
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    own = {**(section("`source`") if heading in SOURCES else {}), **section(heading)}
    for key, documented in own.items():
        if documented in IN_WORDS or key in {"api_token", "url"}:
            continue
        default = fields[key].default
        written = documented.strip("`")
        assert (parse_duration(written) if isinstance(default, timedelta) else written) == (
            default
            if isinstance(default, timedelta)
            else str(default).lower()
            if default in (True, False)
            else str(default)
        )


def test_required_keys_are_those_of_the_code() -> None:
    """The word, and what a config must have."""
    for heading, model in {**SECTIONS, **SOURCES}.items():
        documented = {key for key, default in section(heading).items() if default == "required"}
        own = {field.alias or name for name, field in model.model_fields.items() if field.is_required()}
        assert documented - {"url"} == own - {"type"}


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL))
def test_examples_load(block: str) -> None:
    """A whole config, or the part of one that replaces that of a smallest one."""
    text = block if "pipeline" in block else SMALLEST[: SMALLEST.index("subscriptions:")] + block
    assert load(text if "destination" in text else text + "destination: {account: a}\n").subscriptions
