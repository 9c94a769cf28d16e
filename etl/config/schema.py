"""The JSON Schema of configs, for editors: ``python -m etl.config.schema`` writes configs/etl.schema.json."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from etl.config.config import Config
from etl.config.values import duration_text

#: ``${…}`` may stand wherever a value may.
_REFERENCE = {"type": "string", "pattern": r"\$\{.+\}"}
_ISO_DURATION = re.compile(r"P[\dDTHMS]+")
_LEAVES = {"integer", "number", "boolean"}
PATH = Path("configs/etl.schema.json")


def schema_text() -> str:
    """The schema as JSON text."""
    schema = Config.model_json_schema(by_alias=True)
    found = {"$schema": "https://json-schema.org/draft/2020-12/schema", **_with_references(schema)}
    return json.dumps(found | {"title": "etl config"}, indent=2) + "\n"


def _with_references(node: Any) -> Any:
    if isinstance(node, list):
        return [_with_references(item) for item in node]
    if not isinstance(node, dict):
        return node
    if str(node.get("type")) in _LEAVES or "enum" in node or "pattern" in node:
        return _leaf(node)
    # The default of a whole section says nothing that those of its keys do not.
    kept = {key: value for key, value in node.items() if key != "default" or not isinstance(value, dict)}
    return {key: value if key == "default" else _with_references(value) for key, value in kept.items()}


def _leaf(node: dict[str, Any]) -> dict[str, Any]:
    """``node`` or a reference; what editors show of it stays outside."""
    shown: dict[str, Any] = {key: node[key] for key in ("title", "description", "default") if key in node}
    if _ISO_DURATION.fullmatch(str(shown.get("default"))):
        shown["default"] = duration_text(TypeAdapter(timedelta).validate_python(shown["default"]))
    return {**shown, "anyOf": [{key: value for key, value in node.items() if key not in shown}, _REFERENCE]}


def main() -> None:
    """Write the schema into the repository's ``configs/``, from its root."""
    PATH.write_text(schema_text(), encoding="utf-8")


if __name__ == "__main__":
    main()
