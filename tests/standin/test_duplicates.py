"""A transaction_id counts once in 34 days, and the record of it survives."""

from __future__ import annotations

import httpx
import pytest

from etl.standin import Standin, read_record


def test_the_first_of_an_id_wins_and_the_next_is_answered_200(ingest, event, standin):
    assert ingest(event("a"), event("b")).status_code == 200
    assert ingest(event("b", customer_id="late"), event("c")).status_code == 200
    assert [standin.accepted()[i]["customer_id"] for i in "abc"] == ["acme"] * 3
    stats = standin.stats()
    assert (stats["requests"], stats["events"], stats["accepted"], stats["duplicates"]) == (2, 4, 3, 1)


def test_an_id_twice_in_one_batch_counts_once(ingest, event, standin):
    assert ingest(event("a"), event("a", customer_id="second"), event("b")).status_code == 200
    assert standin.accepted() == {"a": event("a"), "b": event("b")}
    assert standin.stats()["duplicates"] == 1


@pytest.mark.parametrize(("now", "accepted"), [("2026-12-25T12:00:00Z", 1), ("2026-12-25T12:00:01Z", 2)])
def test_after_34_days_an_id_is_billed_again(ingest, event, standin, now, accepted):
    assert ingest(event("a")).status_code == 200
    standin.configure(now=now)
    assert ingest(event("a", timestamp=now), event("a", timestamp=now)).status_code == 200
    assert standin.stats()["accepted"] == accepted
    assert standin.accepted() == {"a": event("a")}


def test_reset_forgets_everything(ingest, event, standin):
    ingest(event("a"))
    standin.configure(poison_prefix="x", faults=[{"kind": "silence"}])
    standin.reset()
    assert (standin.accepted(), standin.ids(), standin.stats()["requests"]) == ({}, [], 0)
    standin.configure(now="2026-11-21T12:00:00Z")
    assert ingest(event("x1")).status_code == 200


def test_the_record_survives_a_kill(tmp_path, event):
    """What was answered 200 is in the file, a restarted stand-in knows it, a torn line is cut off."""
    record = tmp_path / "accepted.ndjson"
    now = "2026-11-21T12:00:00Z"
    with Standin(record=record, now=now) as standin:
        headers = {"Authorization": f"Bearer {standin.token}"}
        send = lambda *events: httpx.post(f"{standin.url}/v1/ingest", json=events, headers=headers)  # noqa: E731
        assert send(event("a"), event("b")).status_code == 200
        assert send(event("b", customer_id="second"), event("c")).status_code == 200
        standin.kill()
        assert [accepted.event["transaction_id"] for accepted in read_record(record)] == ["a", "b", "c"]
        with record.open("ab") as torn:
            torn.write(b'{"at":"2026-11-21T12:00:00+00:00","new":null,"events":[{"tra')
        standin.start()
        assert send(event("c"), event("d")).status_code == 200
        assert standin.ids() == ["a", "b", "c", "d"]
        assert standin.stats()["duplicates"] == 1
    assert [accepted.event for accepted in read_record(record)] == [event(i) for i in "abcd"]
