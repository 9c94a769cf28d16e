"""Config texts to start from: a smallest one, and one with every section."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.config import parse_config
from etl.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etl.config import Config

SMALLEST = """\
pipeline: usage
source: {type: parquet, path: exports}
subscriptions:
  - name: Tracks
destination: {account: sandbox}
"""


def load(text: str, env: Mapping[str, str] | None = None, path: str = "/etc/etl/prod.yml") -> Config:
    """The config of ``text``, as though it stood in ``path``."""
    return parse_config(text, path, env or {})


def problems(text: str, env: Mapping[str, str] | None = None, path: str = "/etc/etl/prod.yml") -> list[str]:
    """What ``load`` refuses ``text`` for, the path left out."""
    try:
        load(text, env, path)
    except ConfigError as error:
        return [problem.replace(f"{path}:", "") for problem in error.problems]
    return []
