"""Warehouses with tables in Segment's shape, for tests: PostgreSQL for real, SQLite and DuckDB in a file."""

from __future__ import annotations

from itertools import groupby

import sqlalchemy as sa

TRACKS = """CREATE TABLE {schema}.tracks (id text, event text, event_text text, user_id text, anonymous_id text,
    context_group_id text, received_at {instant}, sent_at {instant}, "timestamp" {instant}, uuid_ts {instant})"""
JOB_DONE = """CREATE TABLE {schema}.job_done (id text, event text, event_text text, user_id text,
    context_group_id text, received_at {instant}, "timestamp" {instant}, job_id text, tokens bigint,
    price numeric(38,6), exact numeric, share double precision, ok boolean, flag text, detail {json})"""


def run(url, *statements, **names):
    """Run statements in one transaction."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement.format(**names) if names else statement)
    engine.dispose()


def insert(url, table, rows):
    """Insert dicts, with whatever keys they have, into ``schema.table``."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        for keys, alike in groupby(rows, key=tuple):
            names = ", ".join(f'"{name}"' for name in keys)
            values = ", ".join(f":v{number}" for number in range(len(keys)))
            cells = [{f"v{number}": cell for number, cell in enumerate(row.values())} for row in alike]
            connection.execute(sa.text(f"INSERT INTO {table} ({names}) VALUES ({values})"), cells)
    engine.dispose()


def segment_schema(url, schema="segment", instant="timestamptz", json="jsonb"):
    """An empty Segment schema with the tables ``tracks`` and ``job_done``."""
    if schema != "main":
        run(url, f"CREATE SCHEMA {schema}")
    run(url, TRACKS, JOB_DONE, schema=schema, instant=instant, json=json)
    return schema
