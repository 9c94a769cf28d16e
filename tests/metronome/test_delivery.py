"""What becomes of chunks over real HTTP: every row of the table of answers, halving, retries, age and stops."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.metronome.fake_time import FakeTime
from tests.metronome.server import OK, Received, Reply, Server, refusal
from tests.metronome.support import (
    TOKEN,
    deliver,
    metronome,
    outcomes,
    usage_events,
)


def scripted(*replies: Reply):
    """The replies in turn; the last one for ever."""
    left = list(replies)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def refusing(bad: set[str], status: int = 400, message: str = "an event is not acceptable"):
    return lambda request: refusal(status, message) if bad & set(request.ids) else OK


def test_a_request_is_as_metronome_documents_it():
    """A bare array, the bearer token, JSON, no Idempotency-Key, and the body byte for byte."""
    events = usage_events(3, name="Zoë 😀")
    with Server(lambda _: OK) as server:
        results, failure = deliver(metronome(server.url), events)
    [request] = server.received
    assert failure is None
    assert set(outcomes(results).values()) == {"sent"}
    assert request.line == "POST /v1/ingest HTTP/1.1"
    assert request.body == f"[{','.join(events['body'])}]".encode()
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["host"] == server.url.removeprefix("http://")
    assert "idempotency-key" not in request.headers
    assert "cookie" not in request.headers
    assert "content-encoding" not in request.headers


def test_bodies_are_gzipped_when_asked_to():
    with Server(lambda _: OK) as server:
        results, _ = deliver(metronome(server.url, gzip=True), usage_events(100))
    [request] = server.received
    assert request.headers["content-encoding"] == "gzip"
    assert len(request.ids) == 100
    assert len(request.body) < 2000
    assert len(outcomes(results)) == 100


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/"])
def test_the_base_url_may_end_in_v1_or_not(path):
    with Server(lambda _: OK) as server:
        deliver(metronome(server.url + path), usage_events(1))
    assert server.received[0].line == "POST /v1/ingest HTTP/1.1"


@pytest.mark.parametrize("bad", [0, 1, 12, 49, 50, 51, 98, 99])
def test_one_bad_event_of_100_stands_alone_after_at_most_15_requests_more(bad):
    with Server(refusing({f"t{bad}"})) as server:
        results, failure = deliver(metronome(server.url), usage_events(100))
    assert failure is None
    assert {i: o for i, o in outcomes(results).items() if o != "sent"} == {
        f"t{bad}": "400: an event is not acceptable"
    }
    assert len(server.received) - 1 <= 15
    assert results[0].requests == len(server.received)
    accepted = [i for request in server.received if f"t{bad}" not in (ids := request.ids) for i in ids]
    assert sorted(accepted) == sorted(f"t{i}" for i in range(100) if i != bad)
    assert results[0].retries == 0


@pytest.mark.parametrize(
    "bad", [{0, 99}, {3, 4, 5}, set(range(0, 100, 2)), set(range(100))], ids=["ends", "near", "half", "all"]
)
def test_no_good_event_is_blamed_for_several_bad_ones(bad):
    names, events = {f"t{i}" for i in bad}, usage_events(100)
    with Server(refusing(names)) as server:
        results, failure = deliver(metronome(server.url), events)
    assert failure is None
    assert {i for i, outcome in outcomes(results).items() if outcome != "sent"} == names
    blamed = [
        request.ids for request in server.received if len(request.ids) == 1 and set(request.ids) & names
    ]
    assert len(blamed) == len(names)


def test_a_refusal_quotes_no_property():
    answer = refusing({"t1"}, message='[1] property "plan" is hunter2, not one of "free", at 1.5')
    with Server(answer) as server:
        results, _ = deliver(metronome(server.url), usage_events(2, plan="hunter2", price=1.5))
    assert outcomes(results)["t1"] == "400: [1] property … is …, not one of …, at …"
    assert "hunter2" not in outcomes(results)["t1"]


def test_413_is_split_until_it_fits():
    def answer(request: Received) -> Reply:
        return Reply(413, b"<html>too large</html>") if len(request.ids) > 30 else OK

    with Server(answer) as server:
        results, failure = deliver(metronome(server.url), usage_events(100))
    assert failure is None
    assert set(outcomes(results).values()) == {"sent"}
    assert sorted(len(request.ids) for request in server.received) == [25, 25, 25, 25, 50, 50, 100]


def test_413_alone_is_refused():
    with Server(refusing({"t2"}, 413, "too large")) as server:
        results, failure = deliver(metronome(server.url), usage_events(4))
    assert failure is None
    assert outcomes(results) == {"t0": "sent", "t1": "sent", "t2": "413: too large", "t3": "sent"}


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 529])
def test_overload_and_server_errors_send_the_same_ids_again(status):
    time = FakeTime()
    with Server(scripted(Reply(status, b""), Reply(status, b""), OK)) as server:
        results, failure = deliver(metronome(server.url, clock=time), usage_events(5))
    assert failure is None
    assert len({request.body for request in server.received}) == 1
    assert (results[0].requests, results[0].retries) == (3, 2)
    assert time.slept == [0.25, 0.5]


@pytest.mark.parametrize(
    ("header", "wait"), [("7", 7), ("Fri, 20 Nov 2026 12:00:30 GMT", 30), ("999999", 300), ("nonsense", 0)]
)
def test_retry_after_is_honoured_and_capped(header, wait):
    time = FakeTime(chance=0.0)
    with Server(scripted(Reply(429, b"", {"retry-after": header}), OK)) as server:
        results, failure = deliver(metronome(server.url, clock=time), usage_events(5))
    assert failure is None
    assert time.seconds == pytest.approx(wait, abs=0.01)
    assert results[0].retries == 1


def test_retry_after_holds_back_other_chunks_too():
    """Metronome asked the sender to wait, not the chunk."""
    time = FakeTime(chance=0.0)
    at: list[float] = []

    def answer(_: Received) -> Reply:
        at.append(time.seconds)
        return Reply(429, b"", {"retry-after": "60"}) if len(at) == 1 else OK

    with Server(answer) as server:
        deliver(metronome(server.url, clock=time, connections=1), usage_events(30), size=10)
    assert at[0] == 0
    assert all(later >= 60 for later in at[1:])


def test_retries_end_after_retry_for():
    time = FakeTime(chance=1.0)
    destination = metronome("http://127.0.0.1:1", clock=time)
    with Server(scripted(Reply(503, b""))) as server:
        destination = metronome(server.url, clock=time)
        results, failure = deliver(destination, usage_events(100))
    assert results == []
    assert time.seconds == pytest.approx(1800)
    host = server.url.removeprefix("http://")
    assert str(failure) == (
        f"Metronome at {host} did not take chunk 1 (100 events, {len(server.received[0].body):,} bytes) within "
        f"1800 s and {len(server.received)} tries; the last ended with: 503 Service Unavailable. Nothing of the chunk "
        "is recorded. Run again when Metronome can be reached: the same ids are sent again."
    )


def test_a_wait_longer_than_retry_for_is_not_begun():
    time = FakeTime()
    with Server(scripted(Reply(429, b"", {"retry-after": "200"}))) as server:
        destination = metronome(server.url, clock=time, retry_for=timedelta(seconds=100))
        _, failure = deliver(destination, usage_events(1))
    assert "429 Too Many Requests, asking to wait 200 s" in str(failure)
    assert time.slept == []


def test_events_that_grow_too_old_are_taken_out_before_a_retry():
    """33 days to the second: what passes it while Metronome is away is not sent again, the rest is."""
    time = FakeTime(chance=0.0)
    events = usage_events(4, timestamp="2026-11-20T11:00:00.000Z")
    older = events["body"].str.replace("2026-11-20T11:00:00.000Z", "2026-10-18T12:00:05.000Z")
    events["body"] = events["body"].where(events.index % 2 == 0, older)
    with Server(scripted(Reply(503, b"", {"retry-after": "10"}), OK)) as server:
        results, failure = deliver(metronome(server.url, clock=time), events)
    assert failure is None
    assert [request.ids for request in server.received] == [["t0", "t1", "t2", "t3"], ["t0", "t2"]]
    assert outcomes(results) == {"t0": "sent", "t1": "too_old", "t2": "sent", "t3": "too_old"}


def test_half_an_emoji_in_a_property_is_retried_and_halved_like_anything_else():
    """A lone surrogate, which Segment passes on escaped."""
    events = usage_events(4, name="\ud83d")
    assert "\\ud83d" in events["body"][0]
    bad = refusing({"t1"})
    with Server(lambda request: bad(request) if len(server.received) > 1 else Reply(503, b"")) as server:
        results, failure = deliver(metronome(server.url), events)
    assert failure is None
    assert outcomes(results) == {
        "t0": "sent", "t1": "400: an event is not acceptable", "t2": "sent", "t3": "sent",
    }  # fmt: skip


def test_a_chunk_that_grew_too_old_as_a_whole_is_not_sent_again():
    time = FakeTime(chance=0.0)
    events = usage_events(3, timestamp="2026-10-18T12:00:05.000Z")
    with Server(scripted(Reply(503, b"", {"retry-after": "10"}), OK)) as server:
        results, failure = deliver(metronome(server.url, clock=time), events)
    assert failure is None
    assert len(server.received) == 1
    assert set(outcomes(results).values()) == {"too_old"}


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_stops_at_once_and_marks_nothing_bad(status):
    with Server(scripted(refusal(status, "Forbidden"))) as server:
        results, failure = deliver(metronome(server.url), usage_events(100))
    assert results == []
    assert len(server.received) == 1
    assert str(failure) == (
        f"Metronome at {server.url.removeprefix('http://')} refuses the token ({status}: Forbidden), at chunk 1 "
        f"(100 events, {len(server.received[0].body):,} bytes). No event was marked bad. Put a token that may ingest "
        "into destination.api_token and run again."
    )


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (refusal(404, "no such path"), "404: no such path"),
        (refusal(409, "conflict"), "409: conflict"),
        (Reply(415, b""), "415 Unsupported Media Type"),
        (refusal(422, 'bad "hunter2"'), "422: bad …"),
        (Reply(202, b""), "202 Accepted"),
        (Reply(204, b""), "204 No Content"),
    ],
)
def test_an_unlisted_answer_stops_and_records_nothing(reply, reason):
    with Server(scripted(reply)) as server:
        results, failure = deliver(metronome(server.url), usage_events(7))
    assert results == []
    assert len(server.received) == 1
    assert str(failure) == (
        f"Metronome at {server.url.removeprefix('http://')} gave an answer to chunk 1 (7 events, "
        f"{len(server.received[0].body):,} bytes) that this job does not know: {reason}. Nothing of the chunk is "
        "recorded. See that destination.base_url names Metronome's API and that no proxy answers for it, then run "
        "again."
    )


def test_a_200_in_doubt_stops_shows_how_it_begins_and_names_the_way_on():
    body = b'{"errors": [{"index": 3, "reason": "plan gold-9 is unknown", "token": "%s"}]}' % TOKEN.encode()
    with Server(scripted(Reply(200, body))) as server:
        results, failure = deliver(metronome(server.url), usage_events(7, plan="gold-9"))
        taken, _ = deliver(metronome(server.url, confirm="status"), usage_events(7))
    assert results == []
    assert str(failure) == (
        f"Metronome at {server.url.removeprefix('http://')} answered chunk 1 (7 events, "
        f"{len(server.received[0].body):,} bytes) with 200, but with errors in it: "
        """'{"errors": [{"index": 3, "reason": "plan … is unknown", "token": "…"}]}'. Nothing of the chunk is recorded. """
        "See that destination.base_url names Metronome's API and that no proxy answers for it, then run again: the same "
        "ids are sent again. If this does confirm the events, 'destination.confirm: status' makes the status 200 enough."
    )
    assert set(outcomes(taken).values()) == {"sent"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status):
    """The token must not travel to wherever the answer points."""
    with (
        Server(lambda _: OK) as elsewhere,
        Server(scripted(Reply(status, b"", {"location": f"{elsewhere.url}/v1/ingest"}))) as server,
    ):
        results, failure = deliver(metronome(server.url), usage_events(1))
    assert elsewhere.received == []
    assert results == []
    assert f"does not know: {status}" in str(failure)


def test_cookies_are_not_kept():
    with Server(scripted(Reply(503, b"", {"set-cookie": "a=b"}), OK)) as server:
        deliver(metronome(server.url), usage_events(1))
    assert "cookie" not in server.received[1].headers


def test_an_endless_answer_is_not_read_to_its_end():
    """64 KB are read; a 200 of which the end was never seen is still judged by its beginning."""
    page = b"<html>" + b"x" * 5_000_000
    with Server(scripted(Reply(200, page))) as server:
        results, failure = deliver(metronome(server.url), usage_events(1))
    assert results == []
    assert "with 200, but with a web page in it: '<html>xxx" in str(failure)


def test_fewer_events_a_second_than_a_chunk_holds_are_sent_in_parts():
    time = FakeTime()
    seen: list[tuple[float, int]] = []

    def answer(request: Received) -> Reply:
        seen.append((time.seconds, len(request.ids)))
        return OK

    with Server(answer) as server:
        destination = metronome(server.url, clock=time, events_per_second=30)
        results, failure = deliver(destination, usage_events(100))
    assert failure is None
    assert set(outcomes(results).values()) == {"sent"}
    assert [size for _, size in seen] == [30, 30, 30, 10]
    assert seen[-1][0] == pytest.approx(3, abs=0.1)


def test_the_rate_holds_across_retries():
    """A retried chunk counts again: Metronome counts what it receives."""
    time = FakeTime(chance=0.0)
    seen: list[tuple[float, int]] = []

    def answer(request: Received) -> Reply:
        seen.append((time.seconds, len(request.ids)))
        return Reply(500, b"") if len(seen) % 2 else OK

    with Server(answer) as server:
        destination = metronome(server.url, clock=time, events_per_second=200, connections=1)
        results, failure = deliver(destination, usage_events(1000))
    assert failure is None
    assert len(outcomes(results)) == 1000
    for begin, _ in seen:
        assert sum(size for at, size in seen if begin <= at < begin + 0.999999) <= 200
