"""The destination itself: which URLs and tokens it takes, what ``check`` finds, and who never sees the token."""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import pickle
import traceback
from datetime import timedelta

import pytest

from etl.core.errors import ConfigError, MetronomeError
from etl.metronome.client import Metronome
from etl.standin import Standin
from tests.metronome.server import OK, Reply, Server, refusal
from tests.metronome.support import TOKEN, deliver, metronome, outcomes, usage_events


@pytest.mark.parametrize(
    "url", ["https://api.metronome.com", "http://localhost:1", "http://127.0.0.2:1", "http://[::1]:1"]
)
def test_https_anywhere_and_http_on_loopback(url):
    assert (
        repr(Metronome(url, lambda: TOKEN, account="production"))
        == f"Metronome('{url}/v1/ingest', account='production')"
    )


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://api.metronome.com", "is not https"),
        ("http://localhost.example.com", "is not https"),
        ("http://0.0.0.0", "is not https"),
        ("ftp://127.0.0.1", "is not https"),
        ("api.metronome.com", "scheme, host and path only"),
        ("", "scheme, host and path only"),
        ("https://me:hunter2@api.metronome.com", "scheme, host and path only"),
        ("https://api.metronome.com?key=hunter2", "scheme, host and path only"),
        ("https://api.metronome.com#hunter2", "scheme, host and path only"),
        ("https://localhost:port", "is not a URL"),
    ],
)
def test_urls_that_would_show_the_token_are_refused(url, problem):
    with pytest.raises(ConfigError, match=problem) as caught:
        Metronome(url, lambda: TOKEN)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("token", ["", "secret\n", "sec ret", "secr\u00e9t", "secret\r\nX-Evil: 1", "\x00"])
def test_a_token_no_header_can_carry_is_refused_unseen(token):
    destination = Metronome("http://127.0.0.1:9", lambda: token)
    with pytest.raises(ConfigError, match=r"destination\.api_token is empty or holds") as caught:
        destination.open()
    assert (
        "secr"
        not in "".join(traceback.format_exception(caught.value)).replace("secrets", "").split("Error:")[-1]
    )
    with pytest.raises(ConfigError):
        destination.check()


def test_check_posts_an_empty_array_and_takes_400_for_a_good_token():
    with Server(lambda _: refusal(400, "Request body must hold 1 to 100 events, not 0")) as server:
        metronome(server.url).check()
    [request] = server.received
    assert (request.line, request.body) == ("POST /v1/ingest HTTP/1.1", b"[]")


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (refusal(401, "Unauthorized"), r"refuses the token \(401: Unauthorized\)"),
        (refusal(403, "Forbidden"), r"refuses the token \(403: Forbidden\)"),
        (Reply(404, b""), r"does not look like Metronome \(404 Not Found\)"),
        (Reply(302, b"", {"location": "/login"}), r"does not look like Metronome \(302 Found\)"),
        (Reply(200, b"<html>"), r"does not look like Metronome \(200 with a web page in it: '<html>'\)"),
        (
            Reply(200, b"Busy"),
            r"does not look like Metronome \(200 with a text in it that confirms nothing: 'Busy'\)",
        ),
        (Reply(400, b"<html>"), r"does not look like Metronome \(400 Bad Request\)"),
        (Reply(500, b""), r"does not look like Metronome \(500 Internal Server Error\)"),
        (Reply(how="close"), r"cannot be reached: the connection was closed before an answer\. Look at"),
    ],
)
def test_check_tells_what_is_wrong(reply, problem):
    with Server(lambda _: reply) as server, pytest.raises(MetronomeError, match=problem):
        metronome(server.url).check()


def test_check_within_a_running_event_loop():
    """As in a notebook."""

    async def cell(url: str) -> None:
        metronome(url).check()

    with Server(lambda _: refusal(400, "empty")) as server:
        asyncio.run(cell(server.url))


FAULTS = [
    refusal(403, f"token {TOKEN} is bad"),
    Reply(body=b"garbage\r\n\r\n", how="raw"),
    Reply(body=b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", how="raw"),
    Reply(body=b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n", how="raw"),
    Reply(302, b"", {"location": "http://[broken"}),
    Reply(200, b"\x1f\x8b", {"content-encoding": "gzip", "transfer-encoding": "chunked"}),
    Reply(how="reset"),
    Reply(how="hang"),
]


@pytest.mark.parametrize("reply", FAULTS, ids=range(len(FAULTS)))
def test_the_token_is_in_no_log_message_or_traceback(reply, caplog, capfd):
    """With every logger at debug level; the whole chain of exceptions, with its attributes, is searched."""
    caplog.set_level(logging.DEBUG)
    for name in ("aiohttp", "httpx", "httpcore", "asyncio", "etl"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    with Server(lambda _: reply) as server:
        destination = metronome(server.url, timeout=0.2, retry_for=timedelta(seconds=1))
        results, failure = deliver(destination, usage_events(2))
        with pytest.raises(MetronomeError) as caught:
            destination.check()
        with destination.open() as delivery:
            faulthandler.dump_traceback(all_threads=True)
            seen = [
                repr(delivery),
                repr(vars(delivery)),
                repr(vars(destination)),
                repr(vars(delivery._process)),
            ]
    assert results == []
    for error in (failure, caught.value):
        assert error.__context__ is None
        assert error.__cause__ is None
        seen += [
            repr(error),
            str(vars(error)),
            *traceback.TracebackException.from_exception(error, capture_locals=True).format(),
        ]
        seen.append(pickle.dumps(error).decode("latin-1"))
    seen += [record.getMessage() + str(vars(record)) for record in caplog.records]
    seen += capfd.readouterr()
    ours = [text for text in seen if TOKEN in text and "test_metronome.py" not in text]
    assert ours == []


def test_a_message_that_repeats_the_token_is_blacked_out():
    with Server(lambda _: refusal(403, f"token {TOKEN} is bad")) as server:
        _, failure = deliver(metronome(server.url), usage_events(1))
        with pytest.raises(MetronomeError) as caught:
            metronome(server.url).check()
    assert "(403: token … is bad)" in str(failure)
    assert "(403: token … is bad)" in str(caught.value)


def test_every_good_event_is_accepted_once_under_all_faults_together():
    """Against the stand-in: overload, errors before and after taking, resets, silence, and poisoned events."""
    faults = [
        {"kind": "status", "status": 429, "rate": 0.05},
        {"kind": "status", "status": 503, "rate": 0.03},
        {"kind": "status", "status": 500, "when": "after_taking", "rate": 0.03},
        {"kind": "reset", "when": "before_body", "rate": 0.02},
        {"kind": "reset", "when": "after_taking", "rate": 0.02},
        {"kind": "truncate", "when": "after_taking", "rate": 0.02},
        {"kind": "silence", "rate": 0.01},
    ]
    events = usage_events(3000)
    poisoned = {f"t{i}" for i in range(37, 3000, 611)}
    rows = events["transaction_id"].isin(poisoned)
    events.loc[rows, "body"] = events.loc[rows, "body"].str.replace(
        '"properties":{', '"properties":{"__poison__":1,'
    )
    with Standin(token=TOKEN, now="2026-11-20T12:00:00Z", faults=faults, seed=7) as standin:
        results, failure = deliver(metronome(standin.url, timeout=0.5), events, size=20)
        accepted = standin.ids()
    assert failure is None
    found = outcomes(results)
    assert len(found) == 3000
    assert {i for i, outcome in found.items() if outcome != "sent"} == poisoned
    assert sorted(accepted) == sorted(set(found) - poisoned)
    assert {found[i] for i in poisoned} == {"400: [0] is not acceptable"}


def test_a_good_run_against_the_stand_in():
    with Standin(token=TOKEN, now="2026-11-20T12:00:00Z") as standin:
        metronome(standin.url).check()
        results, failure = deliver(metronome(standin.url, gzip=True), usage_events(1000))
        assert failure is None
        assert sum(result.requests for result in results) == 10
        assert len(standin.ids()) == 1000
        wrong = Metronome(standin.url, lambda: "wrong")
        with pytest.raises(MetronomeError, match="refuses the token"):
            wrong.check()


def test_ok_is_not_enough_of_a_chunk_for_another():
    """Results carry the chunk they belong to, in whatever order answers come."""
    with Server(lambda _: OK) as server:
        results, _ = deliver(metronome(server.url), usage_events(1000), size=7)
    rows = sorted((result.chunk.start, result.chunk.stop) for result in results)
    assert rows == [(at, min(at + 7, 1000)) for at in range(0, 1000, 7)]
