"""The JSON Schema that editors check configs with, and the example configs."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from etl.authoring.lints import lints, problems
from etl.config import load_config
from etl.config.schema import schema_text

CONFIGS = Path(__file__).parents[2] / "configs"
EXAMPLES = sorted(CONFIGS.glob("*.yml"))
SCHEMA = CONFIGS / "etl.schema.json"


def plain(path: Path) -> object:
    return json.loads(json.dumps(YAML(typ="safe", pure=True).load(path.read_text()), default=str))


def test_the_schema_is_current() -> None:
    """``python -m etl.config.schema`` writes it anew."""
    assert SCHEMA.read_text() == schema_text()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_load_without_an_environment_and_without_lints(path: Path) -> None:
    """Each is what ``etl check --strict`` accepts."""
    config = load_config(path, {})
    assert problems(config) == []
    assert lints(config) == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_satisfy_the_schema_and_name_it(path: Path) -> None:
    """So that an editor agrees with ``etl check``."""
    assert path.read_text().startswith("# yaml-language-server: $schema=etl.schema.json\n")
    jsonschema.validate(plain(path), json.loads(SCHEMA.read_text()))


@pytest.mark.parametrize(
    "change",
    [
        {"pipelin": "x"},
        {"pipeline": 5},
        {"limits": {"property_value": "drop"}},
        {"breaker": {"rejected_pairs": "many"}},
        {"destination": {"account": "a", "max_age": "soon"}},
        {"subscriptions": []},
    ],
)
def test_the_schema_refuses_what_the_config_refuses(change: dict[str, object]) -> None:
    """Unknown keys, wrong kinds, wrong words."""
    schema = json.loads(SCHEMA.read_text())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**plain(CONFIGS / "parquet.yml"), **change}, schema)  # type: ignore[dict-item]


def test_the_schema_accepts_references_for_any_value() -> None:
    """``${VAR}`` may stand for a number, a boolean or a duration."""
    changed = {"destination": {"account": "a", "gzip": "${G}", "connections": "${C:-4}", "timeout": "${T}"}}
    jsonschema.validate({**plain(CONFIGS / "parquet.yml"), **changed}, json.loads(SCHEMA.read_text()))  # type: ignore[dict-item]
