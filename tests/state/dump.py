"""Record what the present schema version leaves behind: ``python -m tests.state.dump`` (``pg_dump`` as in ``$PG_BIN``)."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import tempfile
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

from etl.core.report import Counts
from etl.state import open_state, schema
from tests.state.building import Clock, letter, plan, sent
from tests.support.postgres import Cluster

DUMPS = Path(__file__).parent / "dumps"


def fill(url: str) -> None:
    store = open_state(url, retention=timedelta(days=100), now=Clock())
    with (
        patch("socket.gethostname", return_value="host"),
        patch("os.getpid", return_value=1),
        store.begin(plan()) as run,
    ):
        run.record(sent(["a", "b"]), [letter()], Counts(read=3))
        run.accept_token()
        run.complete(Counts(read=3), ["part"])


def of_sqlite() -> str:
    with tempfile.TemporaryDirectory() as folder:
        fill(f"sqlite:///{folder}/etl.db")
        connection = sqlite3.connect(f"{folder}/etl.db")
        try:
            return "\n".join(connection.iterdump()) + "\n"
        finally:
            connection.close()


def of_postgresql() -> str:
    with Cluster() as cluster:
        url = cluster.create_database()
        fill(url)
        command = ["pg_dump", "--no-owner", "--inserts", "--no-comments", url.replace("+psycopg", "")]
        dump = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # Comments and settings name the server's version; psql's own commands are not SQL.
    return re.sub(r"(?m)^(--.*|SET .*|SELECT pg_catalog.*|\\.*)?\n", "", dump)


if __name__ == "__main__":
    DUMPS.mkdir(exist_ok=True)
    for backend, dump in (("sqlite", of_sqlite()), ("postgresql", of_postgresql())):
        (DUMPS / f"{backend}-{schema.VERSION}.sql").write_text(dump)
