"""What a run leaves behind: its row, its counts, its intervals, versions, marks and token."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from etl.core.errors import ConfigError, MetronomeError, StateError
from etl.core.ports import SubscriptionVersion
from etl.core.report import Counts
from etl.state import open_state
from tests.state.building import DAY, days, known, letter, plan, sent


def test_a_complete_run_leaves_its_interval_counts_and_marks(store, clock):
    """All in the last transaction."""
    counts = Counts(read=3)
    with store.begin(plan()) as run:
        clock.forward(minutes=5)
        run.record(sent(["a"]), [], counts)
        assert store.intervals("product", "production") == {}
        run.complete(counts, ["file-1", "file-2"])
    (row,) = store.runs("product").to_dict("records")
    assert (row["run_id"], row["status"], row["kind"], row["error"]) == (
        run.run_id,
        "complete",
        "scheduled",
        None,
    )
    assert (row["ended"] - row["started"]).total_seconds() == 300
    assert row["counts"] == counts.as_dict()
    assert store.intervals("product", "production") == {"usage": [days(0, 1)]}
    with store.begin(plan()) as again:
        assert again.marks == {"file-1", "file-2"}
    with store.begin(plan(scope="other")) as other:
        assert other.marks == frozenset()


def test_a_stopped_run_leaves_its_error_and_no_interval(store):
    """And what it recorded before."""
    counts = Counts(read=1)
    with store.begin(plan()) as run:
        run.record(sent(["a"]), [], counts)
        counts.read = 2
        run.stop(counts, MetronomeError("401"))
    (row,) = store.runs().to_dict("records")
    assert (row["status"], row["error"], row["counts"]["read"]) == ("stopped", "MetronomeError: 401", 2)
    assert store.intervals("product", "production") == {}


def test_a_run_that_is_left_is_stopped(store):
    """Leaving the block without complete() or stop() closes the run, with the counts recorded last."""
    with store.begin(plan()) as run:
        run.record(sent(["a"]), [], Counts(read=5))
    with pytest.raises(ZeroDivisionError), store.begin(plan()) as run:
        run.record(sent(["b"]), [], Counts(read=6))
        raise ZeroDivisionError
    left = store.runs().to_dict("records")[::-1]
    assert [(row["status"], row["counts"]["read"]) for row in left] == [("stopped", 5), ("stopped", 6)]


def test_intervals_are_kept_merged(store):
    """Touching windows become one; gaps stay."""
    for window in (days(0, 1), days(2, 3), days(1, 2), days(5, 6)):
        with store.begin(plan(window)) as run:
            run.complete(Counts(), ())
    assert store.intervals("product", "production") == {"usage": [days(0, 3), days(5, 6)]}
    assert store.intervals("another", "production") == {}


def test_windows_are_touched_before_anything_is_sent_and_by_completing(store):
    """Whatever becomes of the run then; one that was stopped before it sent anything leaves its window to others."""
    for window in (days(0, 1), days(1, 2)):
        with store.begin(plan(window)) as run:
            run.touch({"usage"})
            run.stop(Counts(), RuntimeError())
    with store.begin(plan(days(2, 3))) as run:
        run.touch({"another"})
        run.stop(Counts(), RuntimeError())
    assert store.touched("product", "production") == {("usage", "v1"): [days(0, 2)]}
    with store.begin(plan(days(5, 6))) as run:
        run.complete(Counts(), ())
    assert store.touched("product", "production") == {("usage", "v1"): [days(0, 2), days(5, 6)]}


def test_versions_are_remembered_as_last_seen(store):
    """The start of a version stays when a later run (ad hoc) names none."""
    old = SubscriptionVersion("usage", "v1", None, None, DAY, "a", "{}")
    closed = SubscriptionVersion("usage", "v1", None, days(0, 4).until, None, "a", "{}")
    new = SubscriptionVersion("usage", "v2", days(0, 4).until, None, DAY, "b", "{}")
    for versions in ([old], [closed, new]):
        with store.begin(plan(subscriptions=versions)) as run:
            run.complete(Counts(), ())
    first, second = store.versions("product", "production")
    assert (first.until, first.starts, first.trigger) == (closed.until, DAY, "a")
    assert second == new


def test_a_token_belongs_to_the_account_it_was_accepted_under(store):
    """Only once Metronome accepted it; refused for runs and dry runs alike, before anything is touched."""
    with store.begin(plan(account="sandbox")) as run:
        run.stop(Counts(), RuntimeError())
    with store.begin(plan(account="production", window=days(1, 2))) as run:
        run.accept_token()
        run.accept_token()
    message = (
        r"destination.api_token: .* under destination.account 'production', and now the account is 'sandbox'"
    )
    for opened in (store.begin, store.peek):
        with pytest.raises(ConfigError, match=message), opened(plan(account="sandbox")):
            pass
    with store.begin(plan(account="sandbox", fingerprint="another")) as run:
        run.accept_token()
    assert len(store.runs()) == 3


def test_a_clock_set_back_loses_and_doubles_nothing(store, clock):
    """Order comes from the state's own numbers, not from the clock."""
    with store.begin(plan()) as run:
        run.record(sent(["a"]), [letter()], Counts())
        run.complete(Counts(), ())
    clock.forward(hours=-1)
    with store.begin(plan()) as run:
        assert known(run, sent(["a", "b"])) == [1, 0]
        assert run.record(sent(["b"]), [letter()], Counts()) == {}
        run.complete(Counts(), ())
    assert store.runs()["run_id"].iloc[0] == run.run_id
    assert store.sizes()["sent_log"] == 2


def test_files_are_for_the_owner_only(tmp_path):
    """The folder is made; database, lock, WAL and shared memory are 0600."""
    store = open_state(f"sqlite:///{tmp_path}/deep/er/etl.db", retention=days(0, 100).until - DAY)
    with store.begin(plan()) as run:
        run.record(sent(["a"]), [], Counts())
        files = list((tmp_path / "deep" / "er").iterdir())
        assert len(files) == 4
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("blocked/etl.db", "state.url: cannot write .*: File exists. Nothing was touched"),
        ("folder", "state.url: cannot write .*: Is a directory. Nothing was touched"),
        (
            "text.db",
            "state.url: cannot open the state database .*: file is not a database. Nothing was touched",
        ),
    ],
)
def test_a_path_that_cannot_be_written_is_a_config_error(tmp_path, path, message):
    """Exit code 2, before anything is read or sent."""
    (tmp_path / "blocked").write_text("a file")
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.db").write_text("no database at all" * 100)
    store = open_state(f"sqlite:///{tmp_path}/{path}", retention=days(0, 100).until - DAY)
    with pytest.raises(ConfigError, match=message), store.begin(plan()):
        pass


@pytest.mark.parametrize("url", ["sqlite://", "nonsense", "mysql+pymysql://host/db"])
def test_urls_that_name_no_supported_database_are_config_errors(url):
    """SQLite needs a file."""
    with pytest.raises(ConfigError, match=r"state\.url"):
        open_state(url, retention=days(0, 100).until - DAY)


def test_an_unreachable_server_stops_the_run_and_hides_the_password():
    """It may come back: exit code 3."""
    store = open_state("postgresql+psycopg://u:s3cret@127.0.0.1:1/db", retention=days(0, 100).until - DAY)
    with pytest.raises(StateError, match="cannot open the state database") as caught, store.begin(plan()):
        pass
    assert "s3cret" not in str(caught.value)


def test_a_full_disk_stops_the_run_with_a_clear_message(tmp_path, monkeypatch):
    """What was recorded before stays; the next run goes on from there."""
    url = f"sqlite:///{tmp_path}/etl.db"
    store = open_state(url, retention=days(0, 100).until - DAY)
    many = sent([f"id{n}" for n in range(20_000)])
    with pytest.raises(StateError, match=r"database or disk is full") as caught, store.begin(plan()) as run:
        run.record(sent(["a"]), [], Counts())
        run._writer.exec_driver_sql("PRAGMA max_page_count = 60")
        run._writer.commit()
        run.record(many, [letter()], Counts())
    assert "customer" not in str(caught.value)
    with store.begin(plan()) as run:
        assert known(run, sent(["a", "id1"])) == [1, 0]
        run.record(many, [], Counts())
        run.complete(Counts(), ())
    assert store.runs()["status"].tolist() == ["complete", "stopped"]


def test_a_server_that_dies_mid_run_stops_it_and_loses_nothing(postgres_cluster, postgres):
    """After the restart the next run finds what was committed, and takes the window."""
    store = open_state(postgres, retention=days(0, 100).until - DAY)
    with pytest.raises(StateError, match=r"the state database .* failed"), store.begin(plan()) as run:
        run.record(sent(["a"]), [], Counts())
        postgres_cluster.crash()
        postgres_cluster.start()
        run.record(sent(["b"]), [], Counts())
    with store.begin(plan()) as run:
        assert known(run, sent(["a", "b"])) == [1, 0]
        run.record(sent(["a", "b"]), [], Counts())
        run.complete(Counts(), ())
    assert store.sizes()["sent_log"] == 2


def test_no_event_content_in_a_message(store, monkeypatch):
    """What the database says about a row must not show the row."""
    monkeypatch.setattr("etl.state.dead_letters.take_numbers", lambda *_: 1)
    with pytest.raises(StateError) as caught, store.begin(plan()) as run:
        run.record(sent([]), [letter("m1")], Counts())
        run.record(sent([]), [letter("m2", event="TOP SECRET")], Counts())
    assert "TOP SECRET" not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert Path(__file__).name not in str(caught.value)


def test_a_database_can_be_made_by_several_at_once(tmp_path):
    """The first runs of a pipeline may start together: all find the database made, none finds it locked."""
    for number in range(20):
        store = open_state(f"sqlite:///{tmp_path}/{number}.db", retention=days(0, 100).until - DAY)
        with ThreadPoolExecutor(6) as together:
            for made in [together.submit(store.database.prepare) for _ in range(6)]:
                made.result()


def test_a_database_that_somebody_else_keeps_locked_can_be_tried_again(tmp_path, monkeypatch):
    """Exit code 3, not 2: nothing in the config is wrong."""
    monkeypatch.setattr("etl.state.database.BUSY_SECONDS", 0)
    store = open_state(f"sqlite:///{tmp_path}/etl.db", retention=days(0, 100).until - DAY)
    store.database.prepare()
    locked = r"cannot open the state database .*: database is locked. Nothing was touched"
    opened = store.begin(plan())
    with (
        store.database.writing_engine.connect() as other,
        other.begin(),
        pytest.raises(StateError, match=locked),
    ):
        opened.__enter__()
