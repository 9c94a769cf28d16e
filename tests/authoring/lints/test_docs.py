"""docs/lints.md explains every code, and its examples do what it says."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from etl.authoring.lints import CODES
from tests.authoring.lints.support import linted, subscription

TEXT = (Path(__file__).parents[3] / "docs" / "lints.md").read_text(encoding="utf-8")


@dataclass
class Example:
    """The blocks of one section: ``wrong`` and ``fixed``, by language."""

    code: str
    wrong: dict[str, str] = field(default_factory=dict)
    fixed: dict[str, str] = field(default_factory=dict)


def examples() -> list[Example]:
    found = []
    for section in TEXT.split("\n### ")[1:]:
        example = Example(re.match(r"`([\w-]+)`\n", section)[1])  # type: ignore[index]
        for language, fixed, block in re.findall(r"```(\w+)( fixed)?\n(.*?)```", section, re.DOTALL):
            (example.fixed if fixed else example.wrong)[language] = block.strip()
        found.append(example)
    return found


EXAMPLES = examples()


def codes_of(blocks: dict[str, str]) -> set[str]:
    sample = [json.loads(line) for line in blocks["ndjson"].splitlines()] if "ndjson" in blocks else None
    if "yaml" in blocks:
        entries: list[dict[str, Any]] = YAML(typ="safe", pure=True).load(blocks["yaml"])
        made = [
            subscription(name=e["name"], trigger=e.get("trigger", 'type = "track"'), fields=e["mapping"])
            for e in entries
        ]
    else:
        fields = json.loads(blocks.get("json", "{}"))
        made = [subscription(blocks.get("fql", 'type = "track"'), fields)]
    return {lint.code for lint in linted(*made, sample=sample)}


def test_every_code_has_a_section_and_every_section_a_code() -> None:
    """Once each."""
    assert [example.code for example in EXAMPLES] == list(dict.fromkeys(example.code for example in EXAMPLES))
    assert {example.code for example in EXAMPLES} == set(CODES)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.code)
def test_the_example_has_the_lint_and_its_fix_has_none(example: Example) -> None:
    """A fix may keep the sample of the example."""
    sample = {key: block for key, block in example.wrong.items() if key == "ndjson"}
    assert example.code in codes_of(example.wrong)
    assert codes_of({**sample, **example.fixed}) == set()
