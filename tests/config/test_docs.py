"""The examples of docs/configuration.md load; its tables are made from the code (tests/test_reference.py)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.config.support import SMALLEST, load

TEXT = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL))
def test_examples_load(block: str) -> None:
    """A whole config, or the part of one that replaces that of a smallest one."""
    text = block if "pipeline" in block else SMALLEST[: SMALLEST.index("subscriptions:")] + block
    assert load(text if "destination" in text else text + "destination: {account: a}\n").subscriptions
