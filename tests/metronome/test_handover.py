"""Between the pipeline's thread and the delivery's: bounds, waiting, stopping, leaving; adaptive concurrency."""

from __future__ import annotations

import os
import signal
import threading
from datetime import timedelta

import pytest

from etl.core.errors import MetronomeError
from etl.metronome.delivery import Bounds, MetronomeDelivery
from etl.metronome.pace import Clock
from etl.pipeline.chunks import chunks
from tests.metronome.fake_time import FakeTime
from tests.metronome.server import OK, Received, Reply, Server, refusal
from tests.metronome.support import deliver, metronome, outcomes, submit, usage_events

CONNECTIONS = 4
#: So slow that no more than a few chunks for each connection may wait.
SLOW = 2_000
IN_FLIGHT = CONNECTIONS * 6


def one_event_chunks(count: int):
    return list(chunks(usage_events(count), max_events=1))


def test_submit_blocks_once_the_bound_is_reached_and_goes_on_when_there_is_room():
    with (
        Server(lambda _: OK, held=True) as server,
        metronome(server.url, connections=CONNECTIONS, events_per_second=SLOW).open() as delivery,
    ):
        submitted = []
        done = threading.Event()

        def submit_all() -> None:
            for chunk in one_event_chunks(IN_FLIGHT + 5):
                submit(delivery, chunk)
                submitted.append(chunk)
            done.set()

        thread = threading.Thread(target=submit_all)
        thread.start()
        server.wait_for(CONNECTIONS)
        assert not done.wait(0.2)
        assert len(submitted) == IN_FLIGHT
        assert delivery.in_flight == IN_FLIGHT
        server.release()
        assert done.wait(20)
        thread.join()
        delivery.drain()
        assert len(delivery.results()) == IN_FLIGHT + 5
        assert server.busiest == CONNECTIONS


def test_large_chunks_are_bounded_by_their_bytes():
    destination = metronome("http://127.0.0.1:1")
    with Server(lambda _: OK, held=True) as server:
        destination = metronome(server.url)
        bounds = Bounds(chunks=1000, bytes=250)
        with MetronomeDelivery(destination.open()._process, bounds) as delivery:
            first, second, third = one_event_chunks(3)
            submit(delivery, first)
            assert delivery.ready(timeout=0)
            submit(delivery, second)
            assert not delivery.ready(timeout=0)
            server.release()
            assert delivery.ready(timeout=20)
            submit(delivery, third)
            delivery.drain()


def test_uncollected_results_count_as_in_flight_but_do_not_block():
    """The bound is on what is on its way: whoever submits is also who collects."""
    with Server(lambda _: OK) as server, metronome(server.url, connections=1).open() as delivery:
        for chunk in one_event_chunks(50):
            submit(delivery, chunk)
        delivery.drain()
        assert delivery.in_flight == 50
        assert len(delivery.results()) == 50
        assert delivery.in_flight == 0
        assert delivery.results() == []


def test_drain_returns_after_its_timeout():
    with Server(lambda _: OK, held=True) as server, metronome(server.url).open() as delivery:
        submit(delivery, one_event_chunks(1)[0])
        delivery.drain(timeout=0.05)
        assert delivery.in_flight == 1
        assert delivery.results() == []
        server.release()
        delivery.drain()
        assert len(delivery.results()) == 1


def test_leaving_gives_up_what_is_in_flight_at_once():
    """No answer is waited for; nothing is left running."""
    before = threading.active_count()
    with Server(lambda _: OK, held=True) as server:
        with metronome(server.url, connections=CONNECTIONS, events_per_second=SLOW).open() as delivery:
            for chunk in one_event_chunks(IN_FLIGHT):
                submit(delivery, chunk)
            server.wait_for(CONNECTIONS)
        assert len(server.received) == CONNECTIONS
        assert not [thread for thread in threading.enumerate() if thread.name == "metronome-delivery"]
    assert threading.active_count() == before


def test_leaving_does_not_wait_for_a_back_off():
    with Server(lambda _: Reply(503, b"", {"retry-after": "300"})) as server:
        with metronome(server.url, clock=Clock()).open() as delivery:
            submit(delivery, one_event_chunks(1)[0])
            server.wait_for(1)
        assert not [thread for thread in threading.enumerate() if thread.name == "metronome-delivery"]


def test_leaving_without_having_submitted():
    with metronome("http://127.0.0.1:9").open() as delivery:
        delivery.drain()
        assert delivery.ready(timeout=0)
    with metronome("http://127.0.0.1:9").open():
        pass


def test_an_error_of_the_caller_passes_through():
    with pytest.raises(KeyError), Server(lambda _: OK) as server, metronome(server.url).open() as delivery:
        submit(delivery, one_event_chunks(1)[0])
        raise KeyError


def test_after_a_stop_answers_on_their_way_are_still_collected():
    """One of four requests on the wire is refused; the others' chunks end, what only waited is given up."""

    def answer(request: Received) -> Reply:
        return refusal(403, "Forbidden") if request.ids == ["t0"] else OK

    with (
        Server(answer, held=True) as server,
        metronome(server.url, connections=CONNECTIONS, events_per_second=SLOW).open() as delivery,
    ):
        for chunk in one_event_chunks(20):
            submit(delivery, chunk)
        server.wait_for(CONNECTIONS)
        server.release()
        with pytest.raises(MetronomeError, match="refuses the token"):
            delivery.drain()
        delivery.drain()
        sent = outcomes(delivery.results())
        assert {"t1", "t2", "t3"} <= set(sent)
        assert "t0" not in sent
        assert set(sent) == {i for request in server.received for i in request.ids} - {"t0"}
        assert delivery.in_flight == 0


def test_a_stop_is_raised_once_by_drain_and_by_every_submit():
    with Server(lambda _: refusal(401, "Unauthorized")) as server, metronome(server.url).open() as delivery:
        first, second = one_event_chunks(2)
        submit(delivery, first)
        with pytest.raises(MetronomeError):
            delivery.drain()
        delivery.drain()
        assert delivery.ready(timeout=0)
        with pytest.raises(MetronomeError):
            submit(delivery, second)
        assert len(server.received) == 1


def test_a_stop_wakes_a_blocked_submit():
    server = Server(lambda _: refusal(401, "Unauthorized"), held=True)
    with server, metronome(server.url, connections=1).open() as delivery:
        threading.Timer(0.1, server.release).start()
        with pytest.raises(MetronomeError):
            for chunk in one_event_chunks(1000):
                submit(delivery, chunk)


def test_a_chunk_half_done_when_the_delivery_stops_is_not_reported():
    """Its accepted half is sent again by the next run, under the same ids."""

    def answer(request: Received) -> Reply:
        if "t3" not in request.ids:
            return OK
        return refusal(400, "bad") if len(request.ids) > 1 else refusal(403, "Forbidden")

    with Server(answer) as server:
        results, failure = deliver(metronome(server.url), usage_events(4))
    assert results == []
    assert "refuses the token" in str(failure)


def test_a_fault_of_this_program_stops_the_delivery_loudly():
    """An event without a time, which the pipeline never makes: no hang, no chunk reported, no text of the exception."""
    events = usage_events(4)
    events["body"] = events["body"].str.replace("timestamp", "time")
    [broken] = chunks(events)
    with Server(lambda _: Reply(503, b"")) as server, metronome(server.url).open() as delivery:
        submit(delivery, broken)
        with pytest.raises(
            MetronomeError, match=r"Sending chunk 1 failed inside this program: KeyError at .*\.py:\d+"
        ):
            delivery.drain(timeout=20)
        assert delivery.results() == []


def test_a_stop_gives_up_chunks_that_have_not_begun():
    """Even those that arrive in the same breath as the answer that stops the delivery: ``drain`` must not wait."""
    server = Server(lambda _: refusal(403, "Forbidden"), held=True)
    with server, metronome(server.url, connections=1).open() as delivery:
        first, *others = one_event_chunks(4)
        submit(delivery, first)
        server.wait_for(1)
        os.kill(delivery._process._process.pid, signal.SIGSTOP)
        server.release()
        assert delivery.offer(others) == 3
        os.kill(delivery._process._process.pid, signal.SIGCONT)
        with pytest.raises(MetronomeError, match="refuses the token"):
            delivery.drain(timeout=20)
        delivery.drain(timeout=20)
        assert (delivery.results(), delivery.in_flight) == ([], 0)
        assert len(server.received) == 1


def test_a_stop_does_not_wait_for_a_chunk_that_is_to_be_retried():
    """Two on the wire: one is answered 403, the other 503 with five minutes to wait, on a real clock."""

    def answer(request: Received) -> Reply:
        return refusal(403, "Forbidden") if request.ids == ["t0"] else Reply(503, b"", {"retry-after": "300"})

    with Server(answer, held=True) as server, metronome(server.url, clock=Clock()).open() as delivery:
        for chunk in one_event_chunks(2):
            submit(delivery, chunk)
        server.wait_for(2)
        server.release()
        with pytest.raises(MetronomeError, match="refuses the token"):
            delivery.drain(timeout=20)
        delivery.drain(timeout=20)
        assert delivery.in_flight == 0


def test_fewer_requests_at_once_while_metronome_is_overloaded():
    """It takes three requests at a time and answers 429 to more: with halving and recovery all get through."""
    most = []

    def answer(_: Received) -> Reply:
        most.append(server.open + 1)
        return refusal(429, "slow down") if server.open + 1 > 3 else OK

    with Server(answer) as server:
        results, failure = deliver(metronome(server.url, connections=16), usage_events(300), size=1)
    assert failure is None
    assert len(outcomes(results)) == 300


def test_concurrency_recovers_after_an_outage():
    down = [Reply(503, b"")] * 12
    server = Server(lambda _: down.pop() if down else OK)
    with server, metronome(server.url, connections=8).open() as delivery:
        for chunk in one_event_chunks(400):
            submit(delivery, chunk)
        delivery.drain()
        assert len(delivery.results()) == 400
        before = len(server.received)
        server.hold()
        for chunk in one_event_chunks(20):
            submit(delivery, chunk)
        server.wait_for(before + 8)
        assert server.open == 8


def test_retry_for_counts_from_the_first_failure_of_a_request():
    """A success in between (of another part) starts it anew; time spent waiting in line does not count."""
    time = FakeTime(chance=1.0)
    down = {"t0": 3, "t2": 3}

    def answer(request: Received) -> Reply:
        if len(request.ids) == 4:
            return refusal(400, "bad")
        key = request.ids[0]
        down[key] = down.get(key, 0) - 1
        return Reply(503, b"") if down[key] >= 0 else OK

    with Server(answer) as server:
        destination = metronome(server.url, clock=time, retry_for=timedelta(seconds=5))
        results, failure = deliver(destination, usage_events(4))
    assert failure is None
    assert time.seconds > 5
    assert results[0].retries == 6
