"""The PostgreSQL fixture keeps its promises: real, empty, restartable, gone with its process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import sqlalchemy as sa

from tests.support.postgres import Cluster


def test_each_test_gets_an_empty_database(postgres):
    engine = sa.create_engine(postgres)
    with engine.begin() as connection:
        assert sa.inspect(connection).get_table_names() == []
        connection.execute(sa.text("CREATE TABLE seen (id text)"))
    engine.dispose()


def test_the_next_database_does_not_see_the_last(postgres):
    engine = sa.create_engine(postgres)
    assert sa.inspect(engine).get_table_names() == []
    engine.dispose()


def test_a_crashed_server_comes_back_with_what_was_committed():
    with Cluster() as cluster:
        engine = sa.create_engine(cluster.url(), poolclass=sa.NullPool)
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE kept (id text)"))
        cluster.crash()
        cluster.start()
        assert sa.inspect(engine).get_table_names() == ["kept"]


def test_it_is_gone_when_its_process_is_killed():
    code = "import time; from tests.support.postgres import Cluster as C; c = C().__enter__()\n"
    code += "print(c._directory, flush=True); time.sleep(60)"
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=root) as process:
        directory = Path(process.stdout.readline().decode().strip())
        assert directory.exists()
        os.kill(process.pid, signal.SIGKILL)
    end = time.monotonic() + 30
    while directory.exists() and time.monotonic() < end:
        time.sleep(0.02)
    assert not directory.exists()
