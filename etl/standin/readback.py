"""What the stand-in tells about accepted events, customers and metrics, in the shapes of Metronome's API."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from etl.standin.rules import PAST, Refusal

if TYPE_CHECKING:
    from datetime import datetime

    from etl.standin.faults import Settings
    from etl.standin.ledger import Ledger


def events(query: Any, ledger: Ledger, settings: Settings) -> list[dict[str, Any]]:
    """``POST /v1/events/search``: events of the last 34 days; unknown ids are absent from the answer."""
    ids = query.get("transactionIds") if isinstance(query, dict) else None
    if not isinstance(ids, list) or not all(isinstance(item, str) for item in ids):
        raise Refusal(400, "transactionIds must be an array of strings")
    found = (ledger.find(transaction_id) for transaction_id in dict.fromkeys(ids))
    oldest = settings.clock() - PAST
    return [_searched(event, at, settings) for event, at in filter(None, found) if at >= oldest]


def _searched(event: dict[str, Any], at: datetime, settings: Settings) -> dict[str, Any]:
    customer = _customer_of(event["customer_id"], settings)
    answer = {
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, event["transaction_id"])),
        "transaction_id": event["transaction_id"],
        "customer_id": event["customer_id"],
        "event_type": event["event_type"],
        "timestamp": event["timestamp"],
        "properties": event.get("properties", {}),
        "processed_at": at.isoformat(),
        "is_duplicate": False,
        "matched_billable_metrics": [m for m in settings.billable_metrics if _counts(m, event["event_type"])],
    }
    if customer is not None:
        answer["matched_customer"] = {"id": customer.get("id"), "name": customer.get("name")}
    return answer


def _customer_of(customer_id: str, settings: Settings) -> dict[str, Any] | None:
    return next((c for c in settings.customers if _is_called(c, customer_id)), None)


def _is_called(customer: dict[str, Any], name: str) -> bool:
    return name == customer.get("id") or name in customer.get("ingest_aliases", ())


def _counts(metric: dict[str, Any], event_type: str) -> bool:
    wanted = metric.get("event_type_filter", {}).get("in_values")
    return wanted is None or event_type in wanted


def customers(query: bytes, settings: Settings) -> dict[str, Any]:
    """``GET /v1/customers``, all of them or those with the ``ingest_alias`` asked for, on one page."""
    alias = parse_qs(query.decode("ascii")).get("ingest_alias", [None])[0]
    found = [c for c in settings.customers if alias is None or alias in c.get("ingest_aliases", ())]
    return {"data": found, "next_page": None}
