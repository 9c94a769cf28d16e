"""Configs to lint, made of a trigger, of fields of a mapping, or of whole subscriptions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from etl.authoring.lints import lints, problems
from etl.config import parse_config
from etl.core.subscription import DEFAULT_MAPPING, DEFAULT_TRIGGER
from etl.transform.columns.tracks import Events

if TYPE_CHECKING:
    from etl.authoring.lints import Lint
    from etl.config import Config

HEAD = "pipeline: p\nsource: {type: parquet, path: x}\ndestination: {account: a}\nsubscriptions:\n"


def subscription(
    trigger: str = DEFAULT_TRIGGER, fields: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """One entry of ``subscriptions``: Segment's default, with another trigger, and fields put over the mapping."""
    return {"name": "A", "trigger": trigger, "mapping": {**DEFAULT_MAPPING, **(fields or {})}, **more}


def config(*subscriptions: dict[str, Any]) -> Config:
    """A config with these subscriptions, each on a line of its own from line 5 on."""
    return parse_config(HEAD + "".join(f"  - {json.dumps(one)}\n" for one in subscriptions), "c.yml", {})


def linted(*subscriptions: dict[str, Any], sample: list[Any] | None = None) -> list[Lint]:
    """The lints of a config that has no problems."""
    checked = config(*subscriptions)
    assert problems(checked) == []
    return lints(checked, [] if sample is None else [Events.of(sample)])
