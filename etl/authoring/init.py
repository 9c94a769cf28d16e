"""A config to start from, and the SQL of a warehouse's own extract: what ``etl init`` writes."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from etl.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

Kind = Literal["parquet", "logs", "warehouse"]

_CONFIG = """\
# Made by `etl init`. Next: `etl fields -c {out}` shows what there is, `etl check -c {out}` what may surprise.
pipeline: {pipeline:<21} # a stable name: state is kept under it, whatever path or url becomes
source:
{source}\
  start: {start}             # where the first scheduled run begins
  overlap: 72h                  # how far scheduled runs reach back for rows that come late
subscriptions:                  # at most 50; an event is billed by each whose trigger it matches
  - name: Send track events to Metronome
    trigger: type = "track"     # Segment's FQL; narrow it: type = "track" and event = "Job Completed"
    mapping:                    # Segment's mapping JSON as it stands; these are Segment's defaults
      transaction_id: {{"@path": "$.messageId"}}         # billed once for each; never change it lightly
      customer_id:    {{"@path": "$.context.groupId"}}   # Metronome's customer id or one of its ingest aliases
      timestamp:      {{"@path": "$.timestamp"}}
      event_type:     {{"@path": "$.event"}}             # what billable metrics filter on
      properties:     {{"@path": "$.properties"}}
destination:
  account: {account:<20} # which Metronome account or environment this bills; ids are unique within it
  api_token: ${{METRONOME_BEARER_TOKEN}}   # from the environment; it is refused when written here
  events_per_second: 5000       # Metronome's starting limit of an account
  max_age: 33d                  # Metronome takes events of the last 34 days
state:
  url: sqlite:///state/etl.db   # what was sent; postgresql+psycopg://… where several machines run the job
"""
_PARQUET = """\
  type: parquet
  path: {path:<23} # file, folder, glob, s3:// or gs:// URL; relative to this file
  layout: auto                  # segment (nested, camelCase) | warehouse (flat, snake_case) | auto
  # cursor: receivedAt          # what windows are cut on; receivedAt or received_at if left out
"""
_LOGS = """\
  type: logs                    # gzipped JSON lines, as Segment's S3 destination writes them
  path: {path:<23} # file, folder, glob, s3:// or gs:// URL; relative to this file
"""
_WAREHOUSE = """\
  type: warehouse
  # A SQLAlchemy URL, from the environment; a password is refused when written here. For example
  #   postgresql+psycopg://etl:…@db.example.com/segment      snowflake://etl:…@account/database?warehouse=…
  #   bigquery://project      redshift+psycopg2://etl:…@cluster/segment      databricks://token:…@host?http_path=…
  url: ${{WAREHOUSE_URL}}
{tables}\
  cursor: received_at           # what windows are cut on
"""
_TABLES = """\
  schema: {schema:<21} # or a list: one schema for each Segment source
  tables: {tables:<21} # the events' own tables, or "*" for all that tracks names
"""
_QUERY = """\
  query: {query:<22} # your own extract; binds :since and :until
"""
_SQL = """\
-- Track events for `etl`, one row each: those whose received_at lies in [:since, :until).
--
-- Name the columns as Segment's warehouses do: id (the messageId), event_text (the event's name), timestamp,
-- received_at, user_id, anonymous_id, context_group_id and other context_ columns. Every other column is a property.
SELECT *
FROM {table}
WHERE received_at >= :since
  AND received_at < :until
"""


@dataclass(frozen=True)
class Answers:
    """What is asked. ``path``: of Parquet and logs; ``schema``, ``tables``, ``query``: of a warehouse."""

    kind: Kind
    start: date
    path: str = ""
    schema: str = ""
    tables: Sequence[str] = ()
    query: str | None = None
    pipeline: str = "product-usage"
    account: str = "production"


def initial_files(answers: Answers, out: str) -> dict[str, str]:
    """Path → text: the config at ``out``, which ``etl check`` accepts, and a query that is not there yet.

    Paths are given as from the working directory; in the config they are relative to it.
    """
    config = _CONFIG.format(
        out=out,
        pipeline=_yaml(answers.pipeline),
        account=_yaml(answers.account),
        start=answers.start.isoformat(),
        source=_source(answers, out),
    )
    files = {out: config}
    if answers.query is not None and not Path(answers.query).exists():
        files[answers.query] = _SQL.format(table=_table(answers))
    return files


def write_new(files: Mapping[str, str], *, force: bool) -> None:
    """Write them all, making folders, or none. Raises ``ConfigError`` for one that is there, unless ``force``."""
    there = [path for path in files if Path(path).exists()]
    if there and not force:
        raise ConfigError(
            f"{there[0]} is there already; name another file with --out, or overwrite it with --force"
        )
    for path, text in files.items():
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text(text, encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from None


def _source(answers: Answers, out: str) -> str:
    if answers.kind == "parquet":
        return _PARQUET.format(path=_yaml(_from(out, answers.path)))
    if answers.kind == "logs":
        return _LOGS.format(path=_yaml(_from(out, answers.path)))
    if answers.query is not None:
        return _WAREHOUSE.format(tables=_QUERY.format(query=_yaml(_from(out, answers.query))))
    every = list(answers.tables) == ["*"]
    tables = '"*"' if every else f"[{', '.join(map(_yaml, answers.tables))}]"
    return _WAREHOUSE.format(tables=_TABLES.format(schema=_yaml(answers.schema), tables=tables))


def _from(out: str, path: str) -> str:
    """A path relative to the config; URLs, absolute paths and references stay as they are."""
    if "://" in path or path.startswith(("/", "${")) or Path(path).is_absolute():
        return path
    near = os.path.relpath(path, Path(out).parent)
    return f"{near}/" if path.endswith("/") else near


def _table(answers: Answers) -> str:
    named = [name for name in answers.tables if name != "*"] or ["tracks"]
    return ".".join(_identifier(part) for part in (answers.schema, named[0]) if part)


def _identifier(name: str) -> str:
    return name if re.fullmatch(r"\w+", name, re.ASCII) else '"' + name.replace('"', '""') + '"'


def _yaml(text: str) -> str:
    """Plain where YAML reads it as this very text, else quoted."""
    plain = re.fullmatch(r"[A-Za-z./][\w./*-]*(://[\w./*-]+)?", text, re.ASCII)
    special = text.lower() in {"true", "false", "yes", "no", "on", "off", "null", "y", "n", ".", ".."}
    return text if plain and not special else json.dumps(text, ensure_ascii=False)
