"""Faults to order: what the client sees, and whether the events were taken."""

from __future__ import annotations

import httpx
import pytest


@pytest.mark.parametrize("status", [302, 401, 403, 404, 408, 413, 422, 429, 500, 502, 503])
def test_a_status_without_taking_the_events(ingest, event, standin, status):
    standin.set_faults([{"kind": "status", "status": status}])
    response = ingest(event())
    assert (response.status_code, response.json()) == (status, {"message": "injected by the stand-in"})
    assert standin.accepted() == {}


def test_a_5xx_after_taking_the_events(ingest, event, standin):
    standin.set_faults([{"kind": "status", "status": 503, "when": "after_taking", "times": 1}])
    assert ingest(event()).status_code == 503
    assert list(standin.accepted()) == ["t1"]
    assert ingest(event()).status_code == 200
    assert standin.stats()["duplicates"] == 1


def test_a_fault_after_taking_leaves_bad_events_refused(ingest, event, standin):
    standin.set_faults([{"kind": "status", "status": 503, "when": "after_taking"}])
    assert ingest(event(customer_id="")).status_code == 400


@pytest.mark.parametrize("retry_after", [None, 0, 1.5, "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_429_with_and_without_retry_after(ingest, event, standin, retry_after):
    standin.set_faults([{"kind": "status", "status": 429, "retry_after": retry_after}])
    expected = None if retry_after is None else str(retry_after)
    assert ingest(event()).headers.get("retry-after") == expected


@pytest.mark.parametrize(("when", "taken"), [("before_body", 0), ("before_taking", 0), ("after_taking", 1)])
@pytest.mark.parametrize("size", [1, 900_000])
def test_a_reset(ingest, event, standin, when, taken, size):
    standin.set_faults([{"kind": "reset", "when": when}])
    with pytest.raises((httpx.NetworkError, httpx.RemoteProtocolError)):
        ingest(event(properties={"x": "y" * size}))
    assert len(standin.accepted()) == taken


@pytest.mark.parametrize(("when", "taken"), [("before_taking", 0), ("after_taking", 1)])
def test_a_truncated_answer(ingest, event, standin, when, taken):
    standin.set_faults([{"kind": "truncate", "when": when}])
    with pytest.raises(httpx.RemoteProtocolError):
        ingest(event())
    assert len(standin.accepted()) == taken


def test_a_web_page_with_200(ingest, event, standin):
    standin.set_faults([{"kind": "web_page"}])
    response = ingest(event())
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    assert "<html>" in response.text
    assert standin.accepted() == {}


@pytest.mark.parametrize(("when", "taken"), [("before_taking", 0), ("after_taking", 1)])
def test_silence(client, event, standin, when, taken):
    standin.set_faults([{"kind": "silence", "when": when}])
    with pytest.raises(httpx.ReadTimeout):
        client.post("/v1/ingest", json=[event()], timeout=0.2)
    assert len(standin.accepted()) == taken


def test_a_delayed_request_is_handled(ingest, event, standin):
    standin.set_faults([{"kind": "delay", "seconds": 0.01}])
    assert ingest(event()).status_code == 200
    assert list(standin.accepted()) == ["t1"]


@pytest.mark.parametrize(("when", "taken"), [("before_taking", 0), ("after_taking", 1)])
def test_a_slow_answer_may_come_too_late(client, event, standin, when, taken):
    standin.set_faults([{"kind": "delay", "seconds": 1, "when": when}])
    with pytest.raises(httpx.ReadTimeout):
        client.post("/v1/ingest", json=[event()], timeout=0.2)
    assert len(standin.accepted()) == taken


def test_a_followed_redirect_is_counted(client, event, standin):
    standin.set_faults([{"kind": "status", "status": 302}])
    client.post("/v1/ingest", json=[event()], follow_redirects=True)
    assert standin.stats()["redirects_followed"] == 1


def test_rates_share_out_the_requests_and_the_seed_repeats_them(ingest, event, standin):
    faults = [{"kind": "status", "status": 429, "rate": 0.3}, {"kind": "status", "status": 500, "rate": 0.2}]

    def statuses(seed):
        standin.set_faults(faults, seed=seed)
        return [ingest(event()).status_code for _ in range(100)]

    first = statuses(7)
    assert first == statuses(7)
    assert first != statuses(8)
    assert (first.count(200) > 30, first.count(429) > 15, first.count(500) > 5) == (True, True, True)
    assert standin.stats()["faults"]["status 429"] > 30


def test_faults_follow_one_another(ingest, event, standin):
    once = [{"kind": "status", "status": s, "times": 1} for s in (503, 429)]
    standin.set_faults(once)
    assert [ingest(event()).status_code for _ in range(3)] == [503, 429, 200]


def test_faults_of_another_path_leave_ingest_alone(client, ingest, event, standin):
    standin.set_faults([{"kind": "status", "status": 500, "path": "/v1/events/search"}])
    assert ingest(event()).status_code == 200
    assert client.post("/v1/events/search", json={"transactionIds": []}).status_code == 500


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fault": []}, "unknown setting 'fault'"),
        ({"faults": [{"kind": "statu"}]}, "fault kind 'statu' is not one of status, delay"),
        ({"faults": [{"rate": 1}]}, "missing key 'kind'"),
        ({"faults": [{"kind": "reset", "wen": "x"}]}, "unknown key 'wen'"),
        (
            {"faults": [{"kind": "truncate", "when": "before_body"}]},
            "before_body goes with the kind reset only",
        ),
        ({"faults": [{"kind": "reset", "rate": 5}]}, "fault rate 5 is not between 0 and 1"),
        ({"now": "2026-11-21T12:00:00"}, "has no time zone"),
    ],
)
def test_wrong_settings_are_refused(standin, settings, message):
    with pytest.raises(ValueError, match=message):
        standin.configure(**settings)
