"""Databases of every earlier version are brought up to date; newer ones are refused.

``dumps/<backend>-<version>.sql`` is what a release with that version of the schema left behind: one complete run
that sent ``a`` and ``b``, one dead letter, one mark. A new version adds its dumps with ``python -m
tests.state.dump``; none is ever changed.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlalchemy as sa

from etl.core.errors import ConfigError
from etl.core.report import Counts
from etl.state import migrations, schema
from etl.state.database import Database
from tests.state.building import days, known, plan, sent

DUMPS = Path(__file__).parent / "dumps"


def restore(store, version: int) -> None:
    """Fill the empty database with the dump of ``version``."""
    dump = (DUMPS / f"{store.database.dialect.backend}-{version}.sql").read_text()
    store.database.dialect.make(store.database.url)
    with store.database.writing_engine.connect() as connection:
        driver = connection.connection.driver_connection
        if store.database.dialect.backend == "sqlite":
            driver.executescript(dump)
        else:
            driver.execute(dump)
            driver.commit()


def shape(database: Database) -> dict:
    """Tables → columns (name, type, nullable), primary keys and indexes."""
    inspector = sa.inspect(database.engine)
    return {
        table: (
            [(c["name"], str(c["type"]), c["nullable"]) for c in inspector.get_columns(table)],
            inspector.get_pk_constraint(table)["constrained_columns"],
            sorted((i["column_names"], bool(i["unique"])) for i in inspector.get_indexes(table)),
        )
        for table in sorted(inspector.get_table_names())
    }


@pytest.mark.parametrize("version", range(1, schema.VERSION + 1))
def test_every_earlier_version_is_brought_up_to_date(store, version):
    """What was recorded is there, and the next run works on it."""
    restore(store, version)
    with store.begin(plan()) as run:
        assert known(run, sent(["a", "b", "c"])) == [1, 1, 0]
        assert run.marks == {"part"}
        run.record(sent(["c"]), [], Counts())
        run.complete(Counts(), ())
    assert store.intervals("product", "production") == {"usage": [days(0, 1)]}
    letters = store.dead_letters()
    assert letters["message_id"].tolist() == ["m1"]
    assert letters["row"].tolist() == [8 if version < 5 else 7]
    assert store.runs()["status"].tolist() == ["complete", "complete"]
    with store.database.reading() as connection:
        assert migrations.version(connection) == schema.VERSION


@pytest.mark.parametrize("version", range(1, schema.VERSION + 1))
def test_a_migrated_database_has_the_shape_of_a_new_one(store, version):
    """Columns, keys and indexes."""
    restore(store, version)
    store.database.prepare()
    migrated = shape(store.database)
    with store.database.written() as connection:
        schema.metadata.drop_all(connection)
    store.database.prepare()
    assert migrated == shape(store.database)


def test_the_dumps_are_of_every_version():
    """A changed schema needs a new version and a dump of the old one."""
    found = {path.stem for path in DUMPS.glob("*.sql")}
    assert found == {
        f"{backend}-{v}" for backend in ("sqlite", "postgresql") for v in range(1, schema.VERSION + 1)
    }


def test_steps_run_in_order_and_all_or_nothing(store, monkeypatch):
    """A step that fails leaves the version before it; nothing is touched by looking."""
    store.database.prepare()
    newer = schema.VERSION + 2
    monkeypatch.setattr(schema, "VERSION", newer)
    steps = {
        newer - 2: lambda c: c.exec_driver_sql("ALTER TABLE runs ADD COLUMN first_step TEXT"),
        newer - 1: lambda c: c.exec_driver_sql("ALTER TABLE no_such_table ADD COLUMN x TEXT"),
    }
    monkeypatch.setattr(migrations, "STEPS", steps)
    with pytest.raises(ConfigError, match=r"the next `etl run` brings it up to date"):
        store.runs()
    with pytest.raises(Exception, match="no_such_table"), store.begin(plan()):
        pass
    assert "first_step" not in str(shape(store.database))
    steps[newer - 1] = lambda c: c.exec_driver_sql("ALTER TABLE runs ADD COLUMN second_step TEXT")
    store.database.prepare()
    assert re.search("first_step.*second_step", str(shape(store.database)))


def test_a_newer_version_is_refused(store):
    """Exit code 2, by runs, dry runs and reading alike."""
    store.database.prepare()
    with store.database.written() as connection:
        connection.execute(schema.state_version.update().values(version=schema.VERSION + 1))
    message = (
        rf"state.url: the state database has version {schema.VERSION + 1}, this release knows versions up to"
    )
    for attempt in (store.begin, store.peek):
        with pytest.raises(ConfigError, match=message), attempt(plan()):
            pass
    with pytest.raises(ConfigError, match=message):
        store.runs()
