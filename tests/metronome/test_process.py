"""Sending from a process of its own: the same outcomes, and no trouble that the two processes do not survive."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from etl.core.errors import MetronomeError
from etl.core.http import Network
from etl.metronome import process as process_module
from etl.metronome.chunk import Endpoint, Setup
from etl.metronome.client import Metronome
from etl.metronome.delivery import Bounds, MetronomeDelivery
from etl.metronome.pace import Clock
from etl.metronome.process import SendingProcess, started_early
from etl.pipeline.chunks import chunks
from tests.metronome.server import OK, Received, Reply, Server, refusal
from tests.metronome.support import TOKEN, deliver, outcomes, submit, usage_events

ROOT = Path(__file__).parents[2]


def on_real_time(url: str, **settings: Any) -> Metronome:
    return Metronome(url, lambda: TOKEN, **{"events_per_second": 1e9, **settings})


def fresh(count: int):
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return usage_events(count, timestamp=now)


def pid_of(delivery: MetronomeDelivery) -> int:
    process = delivery._process._process
    assert process is not None
    return process.pid


def has_ended(pid: int) -> bool:
    """Within ten seconds."""
    for _ in range(1000):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False


def test_every_event_is_sent_once_with_the_bytes_it_was_given():
    events = fresh(2_345)
    with Server(lambda _: OK) as server:
        results, failure = deliver(on_real_time(server.url), events)
    assert failure is None
    assert set(outcomes(results).values()) == {"sent"}
    assert sum(result.requests for result in results) == len(server.received) == 24
    bodies = [",".join(events["body"].iloc[c.start : c.stop]) for c in chunks(events)]
    assert sorted(request.body for request in server.received) == sorted(f"[{b}]".encode() for b in bodies)


def test_what_is_refused_is_found_by_halving_and_told_by_its_row_in_the_frame():
    def answer(request: Received) -> Reply:
        return refusal(400, "customer_id is unknown") if "t250" in request.ids else OK

    events = fresh(300)
    with Server(answer) as server:
        results, failure = deliver(on_real_time(server.url), events)
    assert failure is None
    assert {i: o for i, o in outcomes(results).items() if o != "sent"} == {
        "t250": "400: customer_id is unknown"
    }


def test_events_that_grew_too_old_are_not_sent_again():
    with Server(lambda request: Reply(503, b"") if len(server.received) == 1 else OK) as server:
        results, failure = deliver(
            on_real_time(server.url, max_age=timedelta(days=33)),
            usage_events(2, timestamp="2020-01-01T00:00:00.000Z"),
        )
    assert failure is None
    assert set(outcomes(results).values()) == {"too_old"}


def test_a_refused_token_stops_the_delivery_in_the_same_words():
    with Server(lambda _: refusal(401, "Unauthorized")) as server:
        results, failure = deliver(on_real_time(server.url), fresh(100))
    assert results == []
    assert "refuses the token (401: Unauthorized), at chunk 1 (100 events, " in str(failure)
    assert failure.__cause__ is None


def test_nothing_is_started_for_a_run_that_sends_nothing():
    with on_real_time("http://127.0.0.1:9").open() as delivery:
        delivery.drain()
        assert delivery._process._process is None


def test_a_process_started_early_is_the_one_that_sends():
    with started_early(), Server(lambda _: OK) as server:
        (early,) = process_module._started
        with on_real_time(server.url).open() as delivery:
            for chunk in chunks(fresh(300)):
                submit(delivery, chunk)
            assert pid_of(delivery) == early.pid
            delivery.drain(timeout=20)
            assert set(outcomes(delivery.results()).values()) == {"sent"}
        assert process_module._started == []
        results, failure = deliver(on_real_time(server.url), fresh(3))  # the next starts its own
        assert (set(outcomes(results).values()), failure) == ({"sent"}, None)


def test_a_process_started_early_for_nothing_is_ended(capfd):
    with started_early():
        (early,) = process_module._started
    assert early.returncode == -signal.SIGKILL
    assert process_module._started == []
    assert capfd.readouterr() == ("", "")


def test_a_process_started_early_ends_quietly_with_the_run_that_was_killed(capfd):
    """``kill -9`` while it has been given nothing yet."""
    with started_early():
        (early,) = process_module._started
        assert early.stdin is not None
        early.stdin.close()
        assert early.wait(20) == 0
    assert capfd.readouterr() == ("", "")


def test_leaving_gives_up_what_is_in_flight_and_leaves_no_process():
    with (
        Server(lambda _: OK, held=True) as server,
        on_real_time(server.url, connections=2).open() as delivery,
    ):
        for chunk in chunks(fresh(20), max_events=2):
            submit(delivery, chunk)
        server.wait_for(2)
        pid = pid_of(delivery)
        delivery.__exit__(None, None, None)
        assert len(server.received) == 2
    assert has_ended(pid)


def test_signals_are_for_the_run_that_decides_what_to_finish():
    """Ctrl-C reaches every process of a terminal, systemd's stop every process of a unit."""
    with Server(lambda _: OK, held=True) as server, on_real_time(server.url).open() as delivery:
        for chunk in chunks(fresh(1)):
            submit(delivery, chunk)
        server.wait_for(1)
        for sent in (signal.SIGINT, signal.SIGTERM):
            os.kill(pid_of(delivery), sent)
        server.release()
        delivery.drain(timeout=20)
        assert set(outcomes(delivery.results()).values()) == {"sent"}


def test_a_process_that_is_killed_stops_the_run_and_nothing_counts_as_sent():
    with Server(lambda _: OK, held=True) as server, on_real_time(server.url).open() as delivery:
        first, second = chunks(fresh(2), max_events=1)
        submit(delivery, first)
        server.wait_for(1)
        os.kill(pid_of(delivery), signal.SIGKILL)
        with pytest.raises(MetronomeError, match="was ended by signal 9 before its work was done") as caught:
            delivery.drain(timeout=20)
        assert "Nothing of what was on its way is recorded" in str(caught.value)
        with pytest.raises(MetronomeError):
            submit(delivery, second)
        assert (delivery.results(), delivery.in_flight) == ([], 0)


def test_a_process_that_cannot_begin_to_send_says_why_and_not_with_a_traceback(capfd):
    endpoint = Endpoint(
        "http://127.0.0.1:9/v1/ingest", {}, timeout=1, connections=1, gzip=False, network=Network()
    )
    setup = Setup(endpoint, on_real_time("http://127.0.0.1:9")._terms, Clock())
    with MetronomeDelivery(SendingProcess(setup), Bounds(10)) as delivery:
        for chunk in chunks(fresh(1)):
            submit(delivery, chunk)
        with pytest.raises(MetronomeError, match="Sending failed inside this program: KeyError at "):
            delivery.drain(timeout=20)
    assert "Traceback" not in capfd.readouterr().err


PARENT = """
import sys, time
from tests.metronome.test_process import chunks, fresh, on_real_time, pid_of, submit
with on_real_time(sys.argv[1]).open() as delivery:
    for chunk in chunks(fresh(5), max_events=1):
        submit(delivery, chunk)
    print(pid_of(delivery), flush=True)
    time.sleep(60)
"""


def test_when_the_run_is_killed_its_process_ends_and_sends_nothing_more():
    """``kill -9`` of the one cannot be noticed but by the end of the pipe."""
    with Server(lambda _: Reply(503, b"", {"retry-after": "1"})) as server:
        parent = subprocess.Popen(
            [sys.executable, "-c", PARENT, server.url], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        try:
            assert parent.stdout is not None
            pid = int(parent.stdout.readline())
            server.wait_for(5)
        finally:
            parent.kill()
            parent.wait()
            parent.stdout.close()
        assert has_ended(pid)
        assert len(server.received) == 5


def test_the_token_is_neither_in_the_process_list_nor_in_its_environment():
    with Server(lambda _: OK, held=True) as server, on_real_time(server.url).open() as delivery:
        for chunk in chunks(fresh(1)):
            submit(delivery, chunk)
        server.wait_for(1)
        for name in ("cmdline", "environ"):
            assert TOKEN.encode() not in Path(f"/proc/{pid_of(delivery)}/{name}").read_bytes()
        assert TOKEN not in repr(vars(delivery._process))
