"""The stand-in's own endpoints, for tests and the demo; they need no token.

``GET /standin/accepted?from=N``
    the ledger's NDJSON (``etl.standin.ledger``) from byte ``N`` on
``GET /standin/ids``
    every accepted transaction_id, one JSON string per line
``GET /standin/stats``
    counts since the last reset
``GET`` and ``PATCH /standin/settings``
    ``etl.standin.faults``; a patch names what changes
``POST /standin/reset``
    forget everything; the settings of the start apply again
"""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from etl.standin.rules import Refusal, parsed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from etl.standin.app import App
    from etl.standin.http import Request

_MAX_BODY = 16 << 20
_IDS_PER_PIECE = 10_000


async def serve(app: App, request: Request) -> None:
    """Answer one request under ``/standin/``."""
    body = await request.body(_MAX_BODY)
    if request.path == "/standin/accepted":
        start = parse_qs(request.query.decode("ascii")).get("from", ["0"])[0]
        await request.stream(app.ledger.pieces(int(start)))
    elif request.path == "/standin/ids":
        await request.stream(_id_lines(list(app.ledger.ids())))
    else:
        try:
            await request.answer(200, _controlled(app, request, body or b""))
        except Refusal as refusal:
            await request.answer(refusal.status, {"message": refusal.message})


def _controlled(app: App, request: Request, body: bytes) -> Any:
    match request.method, request.path:
        case "GET", "/standin/stats":
            return stats(app)
        case "GET", "/standin/settings":
            return app.settings
        case "PATCH", "/standin/settings":
            _patch(app, parsed(body))
            return app.settings
        case "POST", "/standin/reset":
            app.reset()
            return {}
        case _, "/standin/elsewhere":
            app.counts["redirects_followed"] += 1
            return {}
        case _:
            raise Refusal(404, "Not found")


def stats(app: App) -> dict[str, Any]:
    """Counts since the last reset.

    ``requests`` to ingest, ``events`` in those that were taken, ``accepted`` and ``duplicates`` among them,
    answers by status (``none``: not answered), faults by name, ``most_in_flight`` requests at once,
    ``redirects_followed``, and the headers (but the authorization) of the last request.
    """
    counted = ("requests", "events", "duplicates", "most_in_flight", "redirects_followed")
    return {
        **{name: app.counts[name] for name in counted},
        "accepted": app.ledger.accepted,
        "statuses": app.statuses,
        "faults": app.fault_counts,
        "last_headers": app.last_request.headers() if app.last_request else {},
    }


def _patch(app: App, values: Any) -> None:
    try:
        app.configure(app.settings.changed(values))
    except (TypeError, ValueError) as error:
        raise Refusal(400, str(error)) from None


def _id_lines(ids: Iterable[str]) -> Iterator[bytes]:
    rest = iter(ids)
    while piece := list(islice(rest, _IDS_PER_PIECE)):
        yield "".join(f"{json.dumps(transaction_id)}\n" for transaction_id in piece).encode()
