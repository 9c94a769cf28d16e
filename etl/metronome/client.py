"""Metronome's ``POST /v1/ingest`` as a destination (:class:`etl.core.ports.Destination`)."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from etl.core.errors import ConfigError, MetronomeError
from etl.core.http import Network, is_loopback
from etl.metronome.answers import Answer, NoAnswer, describe, doubt, excerpt, is_web_page
from etl.metronome.chunk import Endpoint, Setup, Terms
from etl.metronome.delivery import Bounds, MetronomeDelivery
from etl.metronome.pace import Clock
from etl.metronome.process import SendingProcess
from etl.metronome.sender import refused_by_proxy

if TYPE_CHECKING:
    from collections.abc import Callable

    from etl.metronome.answers import Confirm

#: Chunks handed over per connection: one on the wire, the others so that it never waits for the pipeline.
_QUEUED = 6
#: Where nothing slows down sending, the pipeline may be away for longer than that: a second's worth, up to so many.
_MOST_QUEUED, _CHUNK_EVENTS = 300, 100


class Metronome:
    """One Metronome account.

    Args:
        base_url: https, or http to a loopback address; ``/v1/ingest`` is appended.
        token: gives the API token when requests are about to be made; no attribute of this object keeps it.
        account: the name ids are unique under; for messages.
        events_per_second: never exceeded in any second, retries included; any positive number.
        max_age: events whose ``timestamp`` is older are not sent again, see ``ChunkResult.too_old``.
        retry_for: how long the same request is retried before the delivery stops.
        timeout: seconds for one request, connecting included.
        connections: requests on the wire at once, at most; fewer while Metronome is overloaded.
        gzip: compress request bodies.
        confirm: ``answer``: a 200 confirms if its body does not gainsay it; ``status``: whatever its body.
        network: proxies, and whom TLS trusts.
        clock: time and chance, in the process that sends.

    Raises:
        ConfigError: ``base_url`` is not https, or holds a password, a query or a fragment.
    """

    def __init__(
        self,
        base_url: str,
        token: Callable[[], str],
        *,
        account: str = "",
        events_per_second: float = 5000,
        max_age: timedelta = timedelta(days=33),
        retry_for: timedelta = timedelta(minutes=30),
        timeout: float = 60.0,
        connections: int = 16,
        gzip: bool = False,
        confirm: Confirm = "answer",
        network: Network | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._url = _ingest_url(base_url)
        self._account = account
        self._clock = clock or Clock()
        self._terms = Terms(self._url.netloc, connections, events_per_second, max_age, retry_for, confirm)

        def endpoint() -> Endpoint:
            url, through = self._url.geturl(), network or Network()
            through.check(url)
            headers = _headers(token(), self._url, gzip=gzip)
            return Endpoint(url, headers, timeout, connections, gzip, through)

        self._endpoint = endpoint

    def __repr__(self) -> str:
        """URL and account, nothing more."""
        return f"Metronome({self._url.geturl()!r}, account={self._account!r})"

    def open(self) -> MetronomeDelivery:
        """A delivery to use in a ``with`` block.

        Raises:
            ConfigError: no header can carry the token, the proxy is none, or the certificates cannot be read.
        """
        process = SendingProcess(Setup(self._endpoint(), self._terms, self._clock))
        a_second = min(int(self._terms.events_per_second / _CHUNK_EVENTS), _MOST_QUEUED)
        return MetronomeDelivery(process, Bounds(max(self._terms.connections * _QUEUED, a_second)))

    def check(self) -> None:
        """Posts an empty array: a good token is answered 400, a bad one 401 or 403.

        So does the credential test of Segment's own Metronome destination.

        Raises:
            MetronomeError: the token is refused, or it is not Metronome that answers, or nothing does.
        """
        answer = _ask(self._endpoint(), b"[]")
        host = self._terms.host
        if isinstance(answer, NoAnswer):
            raise MetronomeError(
                f"Metronome at {host} cannot be reached: {answer.reason}. Look at destination.base_url and the "
                "network."
            )
        if answer.status in (401, 403):
            raise MetronomeError(
                f"Metronome at {host} refuses the token ({describe(answer)}). Put a token that may ingest "
                "into destination.api_token."
            )
        if answer.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            raise refused_by_proxy(host)
        if problem := self._unlike_metronome(answer):
            raise MetronomeError(
                f"What answers at {host} does not look like Metronome ({problem}). Look at destination.base_url, and at "
                "proxies in between."
            )

    def _unlike_metronome(self, answer: Answer) -> str:
        """What is strange in an answer to an empty array; empty if nothing is."""
        if answer.status == HTTPStatus.OK:
            problem = "" if self._terms.confirm == "status" else doubt(answer, 0)
            return problem and f"200 {problem}: {excerpt(answer, ())!r}"
        return "" if answer.status == HTTPStatus.BAD_REQUEST and not is_web_page(answer) else describe(answer)


def _ask(endpoint: Endpoint, body: bytes) -> Answer | NoAnswer:
    """One request, in a thread of its own: the caller may itself run inside an event loop (a notebook)."""
    answers: list[Answer | NoAnswer] = []

    from etl.metronome.http import Wire

    async def ask() -> None:
        async with Wire(endpoint) as wire:
            answers.append(await wire.post(body))

    thread = threading.Thread(target=lambda: asyncio.run(ask()), name="metronome-check", daemon=True)
    thread.start()
    thread.join()
    return answers[0] if answers else NoAnswer("the request failed inside this program")


def _ingest_url(base_url: str) -> SplitResult:
    try:
        url = urlsplit(base_url)
        known = url.port is None or url.port
    except ValueError:
        known = False
    if not known or not base_url.isprintable() or " " in base_url:
        raise ConfigError("destination.base_url is not a URL")
    if not url.hostname or url.username is not None or url.query or url.fragment:
        raise ConfigError(
            "destination.base_url must be scheme, host and path only, as https://api.metronome.com"
        )
    if url.scheme != "https" and not (url.scheme == "http" and is_loopback(url.hostname)):
        raise ConfigError(
            f"destination.base_url {base_url!r} is not https: the token would travel in the clear. Only "
            "loopback addresses may be http."
        )
    return url._replace(path=url.path.rstrip("/").removesuffix("/v1") + "/v1/ingest")


def _headers(token: str, url: SplitResult, *, gzip: bool) -> dict[str, str]:
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError(
            "destination.api_token is empty or holds a space, a line break or a character outside ASCII; look "
            "at where it comes from (a file with a stray newline?)"
        )
    headers = {
        "host": url.netloc,
        "authorization": f"Bearer {token}",
        "content-type": "application/json",
        "accept": "application/json, */*;q=0.5",
        "accept-encoding": "identity",
        "user-agent": "segment-metronome-etl",
    }
    return {**headers, "content-encoding": "gzip"} if gzip else headers
