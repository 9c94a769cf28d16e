"""What docs/sources/ says of rights and files is enough, and no more than enough."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from etl.sources import logs, parquet
from etl.sources.dialects import extra_of
from etl.sources.warehouse import WarehouseSource
from tests.sources.support import DAY

FOLDER = Path(__file__).parents[2] / "docs" / "sources"
WAREHOUSES = [
    page for page in sorted(FOLDER.glob("*.md")) if "WAREHOUSE_URL=" in page.read_text(encoding="utf-8")
]
COLUMNS = "id text, event_text text, received_at timestamptz, timestamp timestamptz, context_group_id text"


def statements(page: str) -> list[str]:
    text = (FOLDER / page).read_text(encoding="utf-8")
    return [
        sql
        for block in re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
        for sql in block.split(";")
        if sql.strip()
    ]


@pytest.fixture
def admin(postgres: str) -> Iterator[psycopg.Connection]:
    """Of a database that Segment writes as its user; roles are the server's, so they are dropped again."""
    with psycopg.connect(postgres.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE ROLE segment LOGIN")
        connection.execute("CREATE SCHEMA web_prod AUTHORIZATION segment")
        yield connection
        connection.execute("RESET ROLE")
        for role in ("etl", "segment"):
            connection.execute(f"DROP OWNED BY {role} CASCADE")
            connection.execute(f"DROP ROLE {role}")


def made(admin: psycopg.Connection, table: str) -> None:
    """A table of an event, made by Segment."""
    admin.execute("SET ROLE segment")
    admin.execute(f"CREATE TABLE web_prod.{table} ({COLUMNS})")
    row = f"('{table}', '{table}', '2026-11-01 01:00Z', '2026-11-01 01:00Z', 'g')"
    admin.execute(f"INSERT INTO web_prod.{table} VALUES {row}")
    admin.execute("RESET ROLE")


def test_the_rights_of_postgresql_suffice_also_for_tables_to_come(
    admin: psycopg.Connection, postgres: str
) -> None:
    made(admin, "api_request")
    for statement in statements("postgresql.md"):
        admin.execute(statement)
    made(admin, "job_completed")
    url = sa.make_url(postgres).set(username="etl", password="PASSWORD").render_as_string(hide_password=False)
    source = WarehouseSource(url, schemas=["web_prod"], tables=["api_request", "job_completed"])
    source.check()
    assert sum(len(batch.table) for batch in source.batches(DAY)) == 2
    with (
        psycopg.connect(url.replace("+psycopg", "")) as own,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        own.execute("DELETE FROM web_prod.api_request")


@pytest.mark.parametrize("page", WAREHOUSES, ids=lambda page: page.stem)
def test_urls_are_of_a_dialect_and_an_extra_that_there_are(page: Path) -> None:
    """The dialect loads; the extra is the one that a missing driver would name."""
    text = page.read_text(encoding="utf-8")
    urls = [sa.make_url(url) for url in re.findall(r"WAREHOUSE_URL='([^']+)'", text)]
    for url in urls:
        assert url.get_dialect(_is_async=False)
        assert url.get_backend_name() == "sqlite" or f"[{extra_of(url.get_backend_name())}]" in text
    assert urls


@pytest.mark.parametrize(("page", "endings"), [("parquet.md", parquet.ENDINGS), ("logs.md", logs.ENDINGS)])
def test_the_endings_of_files_are_those_of_the_code(page: str, endings: tuple[str, ...]) -> None:
    assert all(f"`{ending}`" in (FOLDER / page).read_text(encoding="utf-8") for ending in endings)
