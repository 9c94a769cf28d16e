"""A client for the stand-in, and events it accepts."""

from __future__ import annotations

import httpx
import pytest

NOW = "2026-11-21T12:00:00Z"


@pytest.fixture
def standin(standin):
    standin.configure(now=NOW)
    return standin


@pytest.fixture
def client(standin):
    headers = {"Authorization": f"Bearer {standin.token}", "Content-Type": "application/json"}
    with httpx.Client(base_url=standin.url, headers=headers, trust_env=False, timeout=10) as client:
        yield client


@pytest.fixture
def ingest(client):
    """Send usage events, or bytes as they are; the response."""

    def send(*events, content=None, **headers):
        body = {"content": content} if content is not None else {"json": list(events)}
        return client.post("/v1/ingest", **body, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return send


@pytest.fixture
def event():
    """Make a valid usage event with some fields changed; ``...`` leaves one out."""

    def make(transaction_id="t1", **fields):
        made = {
            "transaction_id": transaction_id,
            "customer_id": "acme",
            "timestamp": "2026-11-20T10:00:00.000Z",
            "event_type": "api_request",
            "properties": {"bytes": 1},
        } | fields
        return {name: value for name, value in made.items() if value is not ...}

    return make
