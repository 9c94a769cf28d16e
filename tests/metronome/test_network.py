"""Networks that fail: before, within and after the answer; TLS; names; proxies; and nothing learnt from any of it."""

from __future__ import annotations

import socket
import ssl
from datetime import timedelta

import pytest
import trustme

from etl.core.errors import MetronomeError
from etl.core.http import Network
from tests.metronome.fake_time import FakeTime
from tests.metronome.server import OK, Reply, Server
from tests.metronome.support import deliver, metronome, outcomes, usage_events

SECOND = timedelta(seconds=1)


def flaky(fault: Reply, times: int = 2):
    left = [fault] * times
    return lambda _: left.pop() if left else OK


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Reply(how="reset"), "the connection broke (Connection reset by peer)"),
        (Reply(how="close"), "the connection was closed before an answer"),
        (Reply(200, b'{"status": "taken"}', how="cut"), "the answer was cut short"),
        (
            Reply(body=b"HTTP/1.1 200 OK\r\ncontent-le", how="raw"),
            "the connection was closed before an answer",
        ),
        (Reply(body=b"SSH-2.0-OpenSSH_9.6\r\n\r\n", how="raw"), "the answer is not HTTP"),
    ],
    ids=["reset", "closed", "cut", "cut in the head", "not HTTP"],
)
def test_broken_connections_send_the_same_ids_again(fault, reason):
    with Server(flaky(fault)) as server:
        results, failure = deliver(metronome(server.url), usage_events(10))
        assert failure is None
        assert results[0].retries == 2
        assert set(outcomes(results).values()) == {"sent"}
        assert len({request.body for request in server.received}) == 1
    with Server(lambda _: fault) as server:
        results, failure = deliver(metronome(server.url, clock=FakeTime(1.0)), usage_events(10))
    assert results == []
    assert f"the last ended with: {reason}" in str(failure)


def test_no_answer_in_time_is_tried_again():
    with Server(flaky(Reply(how="hang"), 1)) as server:
        results, failure = deliver(metronome(server.url, timeout=0.5), usage_events(10))
    assert failure is None
    assert results[0].retries >= 1


def test_no_answer_for_good_stops():
    with Server(lambda _: Reply(how="hang")) as server:
        _, failure = deliver(metronome(server.url, timeout=0.05, retry_for=SECOND), usage_events(1))
    assert "the last ended with: no answer within 0.05 s" in str(failure)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"http://127.0.0.1:{free_port()}", "no connection (Connect call failed"),
        ("https://metronome.invalid", "the host name is not known ("),
    ],
    ids=["refused", "unknown name"],
)
def test_an_unreachable_metronome_is_tried_until_retry_for_ends(url, reason):
    time = FakeTime(1.0)
    results, failure = deliver(metronome(url, clock=time, retry_for=SECOND), usage_events(3))
    assert results == []
    assert time.slept == [0.5, 0.5]
    assert f"the last ended with: {reason}" in str(failure)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server_tls(authority) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


def test_a_certificate_nobody_vouches_for_gets_no_token(server_tls):
    with Server(lambda _: OK, tls=server_tls) as server:
        results, failure = deliver(metronome(server.url, clock=FakeTime(1.0)), usage_events(1))
        with pytest.raises(MetronomeError, match="TLS failed: the certificate is not trusted"):
            metronome(server.url).check()
    assert results == []
    assert server.received == []
    assert "TLS failed: the certificate is not trusted" in str(failure)


def test_https_to_a_server_that_speaks_http():
    with Server(lambda _: OK, greeting=b"HTTP/1.1 400 Bad Request\r\n\r\n") as server:
        url = server.url.replace("http://127.0.0.1", "https://localhost")
        _, failure = deliver(metronome(url, retry_for=SECOND), usage_events(1))
    assert "the last ended with: TLS failed" in str(failure)


def test_https_with_an_authority_of_ones_own(authority, server_tls, tmp_path):
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with Server(lambda _: OK, tls=server_tls) as server:
        destination = metronome(server.url, network=Network(ca_file=str(tmp_path / "ca.pem")))
        results, failure = deliver(destination, usage_events(250))
    assert failure is None
    assert len(outcomes(results)) == 250
