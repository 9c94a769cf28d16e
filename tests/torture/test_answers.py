"""Answers that stop a run, end to end: exit code 3, nothing marked bad, nothing recorded that was not confirmed."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from etl.standin import Standin
from tests.torture.conftest import Figures
from tests.torture.life import Life
from tests.torture.runs import Ended, Mill

STOPPING = {
    "401": ({"kind": "status", "status": 401}, "refuses the token (401"),
    "403": ({"kind": "status", "status": 403}, "refuses the token (403"),
    "a redirect": ({"kind": "status", "status": 302}, "does not know: 302"),
    "404": ({"kind": "status", "status": 404}, "does not know: 404"),
    "409": ({"kind": "status", "status": 409}, "does not know: 409"),
    "415": ({"kind": "status", "status": 415}, "does not know: 415"),
    "422": ({"kind": "status", "status": 422}, "does not know: 422"),
    "a web page": ({"kind": "web_page"}, "with 200, but with a web page in it"),
}


@pytest.fixture
def life(tmp_path: Path, recording: tuple[Standin, Path], mill: Mill) -> Life:
    """Two exports: the first was billed, the second is new."""
    life = Life(tmp_path, *recording, mill, "sqlite:///state.db")
    life.arrive(1000)
    assert life.run().code == 0
    life.check()
    life.arrive(900)
    return life


def stopped(life: Life, ended: Ended, message: str) -> dict[str, Any]:
    """The run exits 3 and says why, in JSON and on stderr; the state is as after the last complete run."""
    assert ended.code == 3, ended.stderr
    report = ended.report
    assert (report["exit_code"], report["complete"], report["rejected"]) == (3, False, 0)
    assert message in report["error"]["message"]
    assert message in ended.stderr
    assert report["matched"] == report["sent"] + report["already_sent"] + report["unsent"]
    with life.watch() as seen:
        assert seen.look().status == "stopped"
        assert seen.value("SELECT count(*) FROM dead_letters") == 0
        assert seen.value("SELECT count(*) FROM sent_log") == 1000 + report["sent"]
    return report


def recovers(life: Life) -> None:
    """The next run sends what is missing."""
    life.standin.set_faults()
    assert life.run().code == 0
    life.check()


@pytest.mark.parametrize(
    "answer",
    [pytest.param(name, marks=[pytest.mark.slow] if name in ("409", "415") else []) for name in STOPPING],
)
def test_an_answer_that_no_later_request_would_better_stops_the_run(life: Life, answer: str) -> None:
    """To every request: nothing is recorded, and the window stays where it was."""
    fault, message = STOPPING[answer]
    life.standin.set_faults([fault])
    before = watermark(life)
    assert stopped(life, life.run(), message)["sent"] == 0
    assert watermark(life) == before
    assert life.standin.stats()["redirects_followed"] == 0
    recovers(life)


@pytest.mark.parametrize("answer", ["403", "409", "a web page"])
def test_one_such_answer_amid_good_ones_takes_nothing_from_those(life: Life, answer: str) -> None:
    """What was confirmed is recorded; of the chunk in question nothing is, although its events were taken."""
    fault, message = STOPPING[answer]
    life.standin.set_faults([fault | {"times": 1, "rate": 0.3, "when": "after_taking"}], seed=3)
    report = stopped(life, life.run(), message)
    life.newly_accepted()
    # What the others in flight at that moment took is confirmed or not: but never less than what is recorded.
    assert 1000 + report["sent"] <= len(life.accepted) - 100
    recovers(life)


def test_a_metronome_that_cannot_be_reached_stops_the_run_after_retry_for(life: Life) -> None:
    """With the reason, and the same ids are sent by the next run."""
    url = life.standin.url
    with socket.create_server(("127.0.0.1", 0)) as closed:
        life.standin.url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    life.configure(destination={"retry_for": "1s", "timeout": "1s"})
    report = stopped(life, life.run(), "the last ended with: no connection (")
    assert report["sent"] == 0
    life.standin.url = url
    life.configure()
    recovers(life)


@pytest.mark.slow
def test_silence_stops_the_run_after_retry_for(life: Life) -> None:
    """Metronome may have taken the events; they are sent again and taken once."""
    life.standin.set_faults([{"kind": "silence", "when": "after_taking"}])
    life.configure(destination={"retry_for": "2s", "timeout": "1s"})
    assert stopped(life, life.run(), "no answer within 1 s")["sent"] == 0
    life.configure()
    recovers(life)
    assert life.standin.stats()["duplicates"] > 0


def test_a_typo_in_a_mapping_does_not_turn_a_day_into_dead_letters(life: Life, figures: Figures) -> None:
    """The breaker stops the run before the watermark moves, keeps no new dead letter, and the cure is a correct one."""
    life.arrive(20_000)
    before = watermark(life)
    typo = {
        "transaction_id": {"@path": "$.messageId"},
        "customer_id": {"@path": "$.context.groupID"},
        "timestamp": {"@path": "$.timestamp"},
        "event_type": {"@path": "$.event"},
        "properties": {"@path": "$.properties"},
    }
    pipeline = {"pipeline": "other", "breaker": {"enabled": True}}
    life.configure(subscriptions=[{"name": "Usage", "mapping": typo}], **pipeline)
    ended = life.run()
    assert ended.code == 3, ended.stderr
    assert "were newly rejected, over 5% and over 1,000; none of this was kept" in ended.stderr
    assert (ended.report["sent"], ended.report["complete"]) == (0, False)
    with life.watch() as seen:
        assert seen.value("SELECT count(*) FROM dead_letters") == 0
        assert seen.value("SELECT count(*) FROM intervals WHERE pipeline = 'other'") == 0
    assert watermark(life) == before
    figures(pairs_rejected_when_it_tripped=ended.report["rejected"])
    life.configure(**pipeline)
    assert life.run().code == 0
    life.check()


@pytest.mark.slow
def test_ten_chunks_that_metronome_refuses_whole_stop_the_run(life: Life) -> None:
    """Every event of the first ten chunks was refused: nothing of it is kept."""
    life.arrive(2_000)
    life.standin.configure(poison_prefix="m")
    life.configure(breaker={"enabled": True})
    ended = life.run()
    assert ended.code == 3, ended.stderr
    assert "Metronome refused every event of the first 10 chunks" in ended.stderr
    with life.watch() as seen:
        assert seen.value("SELECT count(*) FROM dead_letters") == 0
    life.standin.configure(poison_prefix=None)
    recovers(life)


def watermark(life: Life) -> list[int]:
    """How far the windows are complete."""
    with life.watch() as seen:
        return seen.column("SELECT until FROM intervals ORDER BY pipeline, subscription, since")
