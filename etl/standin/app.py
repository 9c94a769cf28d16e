"""The stand-in as an ASGI application: Metronome's endpoints under ``/v1``, its own under ``/standin``."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

from etl.standin import controls, readback
from etl.standin.faults import Fault, Faults
from etl.standin.http import Request
from etl.standin.rules import Limits, Refusal, batch_ids, decoded, parsed

if TYPE_CHECKING:
    from etl.standin.faults import Settings
    from etl.standin.http import Headers, Receive, Scope, Send
    from etl.standin.ledger import Ledger

_ENDPOINTS = {
    "/v1/ingest": "POST",
    "/v1/events/search": "POST",
    "/v1/customers": "GET",
    "/v1/billable-metrics": "GET",
}


class App:
    """One stand-in. Events are taken between two awaits, so no request sees another half done."""

    def __init__(self, token: str, settings: Settings, ledger: Ledger) -> None:
        self._authorization = f"Bearer {token}"
        self._at_start = settings
        self.ledger = ledger
        self._in_flight = 0
        self._resets = 0
        self._forget_counts()
        self.configure(settings)

    def reset(self) -> None:
        """Forget what was accepted and counted, and go back to the settings of the start."""
        self._resets += 1
        self.ledger.clear()
        self._forget_counts()
        self.configure(self._at_start)

    def _forget_counts(self) -> None:
        self.counts: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.fault_counts: Counter[str] = Counter()
        self.last_request: Request | None = None

    def configure(self, settings: Settings) -> None:
        """Use ``settings`` from the next request on; the draws of the faults begin anew."""
        self.settings = settings
        self.faults = Faults(settings.faults, settings.seed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry."""
        request = Request(scope, receive, send)
        if request.path.startswith("/standin/"):
            await controls.serve(self, request)
        else:
            await self._serve_counted(request)

    async def _serve_counted(self, request: Request) -> None:
        self._in_flight += 1
        self.counts["most_in_flight"] = max(self.counts["most_in_flight"], self._in_flight)
        self.counts["requests"] += request.path == "/v1/ingest"
        self.last_request = request
        try:
            await self._serve(request)
        finally:
            self._in_flight -= 1
            self.statuses[str(request.status or "none")] += 1

    async def _serve(self, request: Request) -> None:
        fault = self.faults.draw(request.path)
        if fault is not None:
            self.fault_counts[fault.name] += 1
        if fault is not None and fault.when == "before_body":
            await request.reset()
            return
        body = await request.body(self.settings.max_body)
        if body is None:
            return
        if fault is None:
            await request.answer(*self._handled(request, body))
        elif fault.kind == "delay":
            await self._serve_late(request, body, fault)
        else:
            await self._serve_faulty(request, body, fault)

    async def _serve_late(self, request: Request, body: bytes, fault: Fault) -> None:
        resets = self._resets
        handled = self._handled(request, body) if fault.when == "after_taking" else None
        await asyncio.sleep(fault.seconds)
        # What a test left behind must not turn up in the next one.
        if resets == self._resets:
            await request.answer(*(handled or self._handled(request, body)))
        else:
            await request.reset()

    async def _serve_faulty(self, request: Request, body: bytes, fault: Fault) -> None:
        if fault.when == "after_taking":
            status, content = self._handled(request, body)
            if status != 200:
                await request.answer(status, content)
                return
        match fault.kind:
            case "status":
                await request.answer(fault.status, {"message": fault.message}, _extra_headers(fault))
            case "reset":
                await request.reset()
            case "truncate":
                await request.truncate()
            case "web_page":
                await request.web_page()
            case _:
                await request.disconnected()

    def _handled(self, request: Request, body: bytes) -> tuple[int, Any]:
        try:
            self._authorise(request)
            return 200, self._respond(request, body)
        except Refusal as refusal:
            return refusal.status, {"message": refusal.message}

    def _authorise(self, request: Request) -> None:
        authorization = request.header(b"authorization")
        if not authorization:
            raise Refusal(401, "Missing bearer token")
        if authorization != self._authorization:
            raise Refusal(403, "Forbidden")
        method = _ENDPOINTS.get(request.path)
        if method is None:
            raise Refusal(404, "Not found")
        if method != request.method:
            raise Refusal(405, "Method not allowed")

    def _respond(self, request: Request, body: bytes) -> Any:
        match request.path:
            case "/v1/ingest":
                return self._ingest(request, body)
            case "/v1/events/search":
                return readback.events(parsed(body), self.ledger, self.settings)
            case "/v1/customers":
                return readback.customers(request.query, self.settings)
            case _:
                return {"data": self.settings.billable_metrics, "next_page": None}

    def _ingest(self, request: Request, body: bytes) -> dict[str, Any]:
        settings, now = self.settings, self.settings.clock()
        body = decoded(body, request.header(b"content-encoding"), settings.max_body)
        ids = batch_ids(parsed(body), Limits.at(now, settings.poison_prefix))
        new = self.ledger.take(ids, body, now)
        self.counts["events"] += len(ids)
        self.counts["duplicates"] += len(ids) - new
        return {}


def _extra_headers(fault: Fault) -> Headers:
    headers: Headers = ()
    if fault.retry_after is not None:
        headers = ((b"retry-after", str(fault.retry_after).encode()),)
    if 300 <= fault.status < 400:
        headers = (*headers, (b"location", b"/standin/elsewhere"))
    return headers
