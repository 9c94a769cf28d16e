"""POST /v1/ingest keeps Metronome's documented rules."""

from __future__ import annotations

import gzip
import json

import pytest


def test_accepts_a_batch_and_keeps_its_events(ingest, event, standin):
    response = ingest(event("a"), event("b", properties=...))
    assert response.status_code == 200
    assert standin.accepted() == {"a": event("a"), "b": event("b", properties=...)}
    assert standin.ids() == ["a", "b"]


@pytest.mark.parametrize(("token", "status"), [(None, 401), ("Bearer other", 403), ("Basic x", 403)])
def test_asks_for_the_token(client, event, standin, token, status):
    del client.headers["authorization"]
    headers = {"authorization": token} if token else {}
    response = client.post("/v1/ingest", json=[event()], headers=headers)
    assert (response.status_code, list(response.json())) == (status, ["message"])
    assert standin.accepted() == {}


@pytest.mark.parametrize("count", [0, 101])
def test_a_batch_holds_1_to_100_events(ingest, event, count):
    """An empty array with a good token is refused with 400: Segment's credential test."""
    response = ingest(*(event(f"t{n}") for n in range(count)))
    assert response.status_code == 400
    assert response.json() == {"message": f"Request body must hold 1 to 100 events, not {count}"}


def test_100_events_and_ids_of_128_characters_are_accepted(ingest, event, standin):
    assert ingest(*(event(f"{n:0128d}") for n in range(100))).status_code == 200
    assert len(standin.ids()) == 100


BAD = [
    ({"transaction_id": ...}, ".transaction_id must be a string of 1 to 128 characters"),
    ({"transaction_id": ""}, ".transaction_id must be a string of 1 to 128 characters"),
    ({"transaction_id": "x" * 129}, ".transaction_id must be a string of 1 to 128 characters"),
    ({"transaction_id": 5}, ".transaction_id must be a string of 1 to 128 characters"),
    ({"customer_id": ""}, ".customer_id must be a non-empty string"),
    ({"customer_id": None}, ".customer_id must be a non-empty string"),
    ({"event_type": ...}, ".event_type must be a non-empty string"),
    ({"properties": None}, ".properties must be an object"),
    ({"properties": []}, ".properties must be an object"),
    ({"properties": {"__poison__": 1}}, " is not acceptable"),
    ({"timestamp": ...}, ".timestamp must be an RFC 3339 timestamp"),
    ({"timestamp": 1700000000}, ".timestamp must be an RFC 3339 timestamp"),
    ({"timestamp": "2026-11-20"}, ".timestamp must be an RFC 3339 timestamp"),
    ({"timestamp": "2026-11-20T10:00:00"}, ".timestamp must be an RFC 3339 timestamp"),
    ({"timestamp": "2026-11-20 10:00:00Z"}, ".timestamp must be an RFC 3339 timestamp"),
    ({"timestamp": "2026-11-31T10:00:00Z"}, ".timestamp must be an RFC 3339 timestamp"),
    ({"timestamp": "2026-11-20T24:00:00Z"}, ".timestamp must be an RFC 3339 timestamp"),
    ({"timestamp": "+012026-11-20T10:00:00Z"}, ".timestamp must be an RFC 3339 timestamp"),
    ({"timestamp": "2026-11-20T10:00:00Z\n2026-11-20T10:00:00Z"}, ".timestamp must be an RFC 3339 timestamp"),
    ({"timestamp": "٢٠٢٦-11-20T10:00:00Z"}, ".timestamp must be an RFC 3339 timestamp"),
    ({"timestamp": "2026-10-18T11:59:59.999Z"}, ".timestamp is more than 34 days in the past"),
    ({"timestamp": "2026-11-22T12:00:00.001Z"}, ".timestamp is more than 24 hours in the future"),
]


@pytest.mark.parametrize(("fields", "message"), BAD)
def test_one_bad_event_refuses_the_whole_batch(ingest, event, standin, fields, message):
    response = ingest(event("good"), event(**{"transaction_id": "bad"} | fields), event("other"))
    assert (response.status_code, response.json()) == (400, {"message": f"[1]{message}"})
    assert standin.accepted() == {}


@pytest.mark.parametrize(
    "timestamp",
    [
        "2026-10-18T12:00:00Z",
        "2026-11-22T12:00:00Z",
        "2026-11-20T10:00:00.123456789Z",
        "2026-11-20T10:00:00+05:30",
    ],
)
def test_timestamps_at_the_edge_are_accepted(ingest, event, timestamp):
    assert ingest(event(timestamp=timestamp)).status_code == 200


def test_the_bad_one_is_found_at_either_end(ingest, event):
    bad = event("x", customer_id="")
    good = [event(f"t{n}") for n in range(99)]
    assert ingest(bad, *good).json()["message"].startswith("[0].customer_id")
    assert ingest(*good, bad).json()["message"].startswith("[99].customer_id")


@pytest.mark.parametrize(
    "content", [b"", b"{", b'[{"a": NaN}]', b'[{"a": "\x01"}]', b'["\xff"]', b"[" * 100_000]
)
def test_what_is_no_json_is_refused(ingest, content):
    response = ingest(content=content)
    assert (response.status_code, response.json()) == (400, {"message": "Request body is not valid JSON"})


def test_an_object_is_no_batch(ingest, event):
    assert ingest(content=json.dumps(event())).json() == {
        "message": "Request body must be an array of events"
    }


def test_a_poisoned_prefix_is_refused(ingest, event, standin):
    standin.configure(poison_prefix="bad-")
    assert ingest(event("good"), event("bad-1")).json() == {"message": "[1] is not acceptable"}
    assert ingest(event("good")).status_code == 200


def test_gzip_is_understood(ingest, event, standin):
    body = json.dumps([event()]).encode()
    assert ingest(content=gzip.compress(body), content_encoding="gzip").status_code == 200
    assert standin.accepted() == {"t1": event()}


@pytest.mark.parametrize("cut", [slice(0, 20), slice(5, None)])
def test_broken_gzip_is_refused(ingest, event, cut):
    body = gzip.compress(json.dumps([event()]).encode())[cut]
    assert ingest(content=body, content_encoding="gzip").json() == {
        "message": "Request body is not valid gzip"
    }


def test_a_body_over_the_limit_is_413_compressed_or_not(ingest, event, standin):
    standin.configure(max_body=2000)
    body = json.dumps([event(properties={"x": "y" * 2000})]).encode()
    assert ingest(content=body).status_code == 413
    assert ingest(content=gzip.compress(body), content_encoding="gzip").status_code == 413
    assert standin.accepted() == {}


def test_other_encodings_methods_and_paths_are_refused(client, ingest, event):
    assert ingest(event(), content_encoding="br").status_code == 415
    assert client.get("/v1/ingest").status_code == 405
    assert client.post("/v1/other", json=[]).status_code == 404


def test_digits_arrive_as_they_were_sent(ingest, event, standin):
    """What is kept is the text received, so that a lost digit cannot hide."""
    text = json.dumps(event()).replace('"bytes": 1', '"n": 12345678901234567890.10, "s": "\\ud800 🚀\\n"')
    assert ingest(content=f"[\n{text}\n]").status_code == 200
    assert standin.bodies() == {"t1": text}
    assert str(standin.accepted(exact=True)["t1"]["properties"]["n"]) == "12345678901234567890.10"
