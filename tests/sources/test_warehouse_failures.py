"""A warehouse that fails, through the real command: what is said, exit 3 (or 2), and the next run carries on."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from etl.cli import main
from tests.support.workspace import USAGE, Workspace

NOW = datetime.now(UTC)
START = NOW - timedelta(days=3)
AGAIN = "Run again once that is mended; nothing of the window is marked complete."
ELSE = (
    "Everything else was read. To complete the window without it, discard its dead letter (`etl dead-letters list` "
    "shows them), or name it in source.exclude."
)


@dataclass
class Said:
    code: int
    report: dict[str, Any]
    message: str


@dataclass
class Warehouse:
    """Segment's tables in PostgreSQL, a config that names them, and the command."""

    database: psycopg.Connection
    workspace: Workspace
    run: Callable[[], Said]

    def config(self, **source: Any) -> None:
        path = self.workspace.config()
        asked = {"type": "warehouse", "url": "${WAREHOUSE_URL}", "schema": "prod", "tables": ["job_done"]}
        content = json.loads(path.read_text())
        content["source"] = {**asked, "start": START.isoformat(), **source}
        path.write_text(json.dumps(content))

    def add(self, count: int, *, hours_ago: float = 2, **columns: Any) -> None:
        """Rows of the table ``job_done``, in one go, whose ids begin with their hour."""
        names = "".join(f", {name}" for name in columns)
        cells = "".join(f", {cell}" for cell in columns.values())
        moment = NOW - timedelta(hours=hours_ago)
        self.database.execute(
            f"INSERT INTO prod.job_done (id, event_text, context_group_id, received_at, timestamp{names}) "
            f"SELECT '{hours_ago}-' || n, 'Job Done', 'acme', '{moment}', '{moment}'{cells} "
            f"FROM generate_series(1, {count}) AS n"
        )

    def billed(self) -> int:
        ids = self.workspace.standin.ids()
        assert len(ids) == len(set(ids)) == self.workspace.standin.stats()["accepted"]
        return len(ids)


@pytest.fixture
def warehouse(
    postgres: str, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Warehouse]:
    monkeypatch.chdir(workspace.path)
    for name, value in {**workspace.env, "WAREHOUSE_URL": postgres}.items():
        monkeypatch.setenv(name, value)

    def run() -> Said:
        with pytest.raises(SystemExit) as left:
            main(["run", "-c", "etl.yml", "--json"])
        told = capsys.readouterr()
        report = json.loads(told.out)
        assert report["exit_code"] == left.value.code
        assert "Traceback" not in told.err
        return Said(left.value.code, report, (report["error"] or {}).get("message", ""))

    with psycopg.connect(postgres.replace("+psycopg", ""), autocommit=True) as database:
        database.execute("CREATE SCHEMA prod")
        database.execute("CREATE TABLE prod.tracks (id text, event text, received_at timestamptz)")
        database.execute(
            "CREATE TABLE prod.job_done (id text, event_text text, context_group_id text, received_at timestamptz, "
            "timestamp timestamptz, tokens bigint, a text, b text, c text, d text)"
        )
        made = Warehouse(database, workspace, run)
        made.config()
        yield made


def amend(warehouse: Warehouse, *, destination: dict[str, Any], **sections: Any) -> None:
    path = warehouse.workspace.path / "etl.yml"
    content = json.loads(path.read_text()) | sections
    content["destination"] |= destination
    path.write_text(json.dumps(content))


# ------------------------------------------------------------------------------------------- amid a reading


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (
            "pg_terminate_backend",
            "The connection was lost|The warehouse was shut down or closed the connection",
        ),
        (
            "pg_cancel_backend",
            "The query was cancelled: by someone, or because the warehouse allows it too little time",
        ),
    ],
)
def test_a_reading_that_is_cut_off_stops_the_run_and_the_next_one_bills_the_rest(
    warehouse: Warehouse, how: str, said: str
) -> None:
    """Once the first events are billed; few a second may be, so that most rows still wait in the warehouse."""
    count = 24_000
    warehouse.add(count, tokens="n % 6", **dict.fromkeys("abcd", "repeat(md5(n::text), 8)"))
    warehouse.config(batch_rows=1000)
    amend(warehouse, subscriptions=[ONE_IN_6], destination={"connections": 1, "events_per_second": 1000})
    cutter = threading.Thread(target=_cut, args=(warehouse, how))
    cutter.start()
    cut = warehouse.run()
    cutter.join()
    assert cut.code == 3
    assert re.search(said, cut.message)
    assert AGAIN in cut.message
    assert not cut.report["complete"]
    assert 0 < cut.report["sent"] < count / 6
    assert cut.report["read"] < count
    amend(warehouse, destination={"events_per_second": 1_000_000})
    whole = warehouse.run()
    assert (whole.code, whole.report["complete"], whole.report["read"]) == (0, True, count)
    assert warehouse.billed() == count / 6


#: Looks at every column, and bills few rows of few bytes.
ONE_IN_6 = {
    "name": "Usage",
    "trigger": 'properties.tokens = 5 and properties.a != "" and properties.b != "" and properties.c != "" '
    'and properties.d != ""',
    "mapping": {
        "transaction_id": {"@path": "$.messageId"},
        "customer_id": {"@path": "$.context.groupId"},
        "timestamp": {"@path": "$.timestamp"},
        "event_type": {"@path": "$.event"},
        "properties": {"tokens": {"@path": "$.properties.tokens"}},
    },
}


def _cut(warehouse: Warehouse, how: str) -> None:
    """Ends what reads rows, as soon as some are billed."""
    for _ in range(600):
        if warehouse.workspace.standin.stats()["accepted"]:
            break
        threading.Event().wait(0.05)
    warehouse.database.execute(
        f"SELECT {how}(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


# ---------------------------------------------------------------------------------------- between two runs


def test_a_permission_that_is_taken_away_is_said_and_once_given_back_the_next_run_carries_on(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, postgres: str
) -> None:
    database = warehouse.database
    role = f"reader_{database.info.dbname}"
    database.execute(f"CREATE ROLE {role} LOGIN")
    try:
        monkeypatch.setenv("WAREHOUSE_URL", postgres.replace("postgres@", f"{role}:s3cret@"))
        database.execute(f"GRANT USAGE ON SCHEMA prod TO {role}")
        database.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA prod TO {role}")
        warehouse.add(3, hours_ago=5)
        assert warehouse.run().report["sent"] == 3
        database.execute(f"REVOKE USAGE ON SCHEMA prod FROM {role}")
        warehouse.add(2, hours_ago=3)
        refused = warehouse.run()
        assert refused.code == 3
        assert refused.message == (
            "cannot read table prod.job_done: permission denied for schema prod. Grant the user of source.url USAGE "
            f"on the schema and SELECT on its tables. {AGAIN} {ELSE}"
        )
        database.execute(f"GRANT USAGE ON SCHEMA prod TO {role}")
        assert (warehouse.run().report["sent"], warehouse.billed()) == (2, 5)
    finally:
        database.execute(f"DROP OWNED BY {role}")
        database.execute(f"DROP ROLE {role}")


def test_a_table_that_is_gone_is_a_mistake_in_the_config_until_it_is_back(warehouse: Warehouse) -> None:
    warehouse.add(3, hours_ago=5)
    assert warehouse.run().report["sent"] == 3
    warehouse.database.execute("ALTER TABLE prod.job_done RENAME TO job_dones")
    gone = warehouse.run()
    assert (gone.code, gone.message) == (
        2,
        "source.tables: schema prod has no table 'job_done'; did you mean job_dones?",
    )
    warehouse.database.execute("ALTER TABLE prod.job_dones RENAME TO job_done")
    warehouse.add(2, hours_ago=3)
    assert (warehouse.run().report["sent"], warehouse.billed()) == (2, 5)


def test_a_table_that_tracks_names_but_that_is_gone_stops_the_run(warehouse: Warehouse) -> None:
    """Not a mistake in the config, which says only "all of them"."""
    warehouse.config(tables="*")
    warehouse.database.execute(
        "INSERT INTO prod.tracks VALUES ('x', 'job_done', %s)", [NOW - timedelta(hours=5)]
    )
    warehouse.add(3, hours_ago=5)
    warehouse.database.execute("ALTER TABLE prod.job_done RENAME TO elsewhere")
    gone = warehouse.run()
    assert gone.code == 3
    assert gone.message.startswith("schema prod has no table for job_done, which prod.tracks names")
    warehouse.database.execute("ALTER TABLE prod.elsewhere RENAME TO job_done")
    assert (warehouse.run().report["sent"], warehouse.billed()) == (3, 3)


def test_a_type_that_changed_is_followed_for_new_rows_and_tells_of_drift_for_those_read_again(
    warehouse: Warehouse,
) -> None:
    """What was billed stays as it was billed: an hour read again for a late row has its old rows with new content."""
    warehouse.add(2, hours_ago=30, tokens="7")
    assert warehouse.run().report["sent"] == 2
    warehouse.database.execute("ALTER TABLE prod.job_done ALTER tokens TYPE text")
    warehouse.add(1, hours_ago=5, tokens="'seven'")
    after = warehouse.run()
    assert (after.code, after.report["sent"], after.report["drift"]) == (0, 1, 0)
    assert warehouse.workspace.standin.accepted()["5-1"]["properties"]["tokens"] == "seven"
    moment = NOW - timedelta(hours=30)
    warehouse.database.execute(
        "INSERT INTO prod.job_done (id, event_text, context_group_id, received_at, timestamp, tokens) "
        "VALUES ('late', 'Job Done', 'acme', %s, %s, '8')",
        [moment, moment],
    )
    late = warehouse.run()
    assert (late.code, late.report["sent"], late.report["drift"]) == (1, 1, 2)
    assert warehouse.billed() == 4


def test_a_cursor_that_is_no_instant_any_more_is_a_mistake_in_the_config_until_it_is_one(
    warehouse: Warehouse,
) -> None:
    warehouse.add(3, hours_ago=5)
    assert warehouse.run().report["sent"] == 3
    warehouse.database.execute(
        "ALTER TABLE prod.job_done ALTER received_at TYPE numeric USING extract(epoch FROM received_at)"
    )
    wrong = warehouse.run()
    assert wrong.code == 2
    assert "source.cursor has to name a timestamp column" in wrong.message
    warehouse.database.execute(
        "ALTER TABLE prod.job_done ALTER received_at TYPE timestamptz USING to_timestamp(received_at)"
    )
    warehouse.add(2, hours_ago=3)
    assert (warehouse.run().report["sent"], warehouse.billed()) == (2, 5)


# --------------------------------------------------------------------------------------------- hostile names

HOSTILE = (
    '"; DROP TABLE victim; --',
    "'; DROP TABLE victim; --",
    "a:since b",
    "%s %(x)s {columns}",
    "\\:x $1 ünï",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_only_names(warehouse: Warehouse, name: str) -> None:
    """Schema, table, columns, cursor, pipeline, account and subscription are all called that."""
    database = warehouse.database
    quoted = '"' + name.replace('"', '""') + '"'
    database.execute("CREATE TABLE victim (x int)")
    database.execute(f"CREATE SCHEMA {quoted}")
    database.execute(
        f'CREATE TABLE {quoted}.{quoted} (id text, event_text text, context_group_id text, "timestamp" timestamptz, '
        f'{quoted} timestamptz, "x{quoted[1:]} numeric)'
    )
    moment = (NOW - timedelta(hours=2)).isoformat()
    database.execute(
        f"INSERT INTO {quoted}.{quoted} VALUES ('m1', 'Job', 'acme', '{moment}', '{moment}', 1.50)".encode()
    )
    warehouse.config(schema=name, tables=[name], cursor=name)
    amend(warehouse, subscriptions=[{**USAGE, "name": name}], pipeline=name, destination={"account": name})
    done = warehouse.run()
    assert (done.code, done.report["by_subscription"][name]["sent"]) == (0, 1)
    assert warehouse.workspace.standin.accepted()["m1"]["properties"][f"x{name.lower()}"] == 1.5
    database.execute("SELECT x FROM victim")
    warehouse.config(schema="prod", tables=[name])
    assert warehouse.run().code == 2
    warehouse.config(schema=f"{name}.", tables=["job_done"])
    assert warehouse.run().code == 2
    database.execute("SELECT x FROM victim")
