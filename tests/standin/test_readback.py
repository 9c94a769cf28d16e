"""The official SDK, unmodified, and the read-back endpoints."""

from __future__ import annotations

import pytest
from metronome import Metronome, PermissionDeniedError

CUSTOMER = {
    "id": "4db51251-61de-4bfe-b9ce-495e244f3491",
    "name": "Acme",
    "ingest_aliases": ["acme"],
    "external_id": "acme",
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-01T00:00:00Z",
    "custom_fields": {},
    "customer_config": {},
}
METRIC = {"id": "m1", "name": "Requests", "aggregation_type": "COUNT"} | {
    "event_type_filter": {"in_values": ["api_request"]}
}


@pytest.fixture
def sdk(standin):
    standin.configure(customers=[CUSTOMER], billable_metrics=[METRIC])
    with Metronome(bearer_token=standin.token, base_url=standin.url, max_retries=0) as sdk:
        yield sdk


def test_the_sdk_ingests_and_searches(sdk, event, standin):
    sdk.v1.usage.ingest(usage=[event("a"), event("b", customer_id="nobody", event_type="other")])
    assert standin.accepted() == {
        "a": event("a"),
        "b": event("b", customer_id="nobody", event_type="other"),
    }

    found = sdk.v1.usage.search(transaction_ids=["a", "b", "unknown"])
    assert [item.transaction_id for item in found] == ["a", "b"]
    assert found[0].properties == {"bytes": 1}
    assert found[0].is_duplicate is False
    assert found[0].matched_customer.name == "Acme"
    assert [metric.name for metric in found[0].matched_billable_metrics] == ["Requests"]
    assert found[1].matched_customer is None
    assert found[1].matched_billable_metrics == []
    assert found[0].processed_at.isoformat() == "2026-11-21T12:00:00+00:00"


def test_the_sdk_lists_customers_by_alias_and_metrics(sdk):
    assert [c.name for c in sdk.v1.customers.list(ingest_alias="acme")] == ["Acme"]
    assert list(sdk.v1.customers.list(ingest_alias="nobody")) == []
    assert [m.id for m in sdk.v1.billable_metrics.list()] == ["m1"]


def test_the_sdk_is_refused_with_a_wrong_token(standin, event):
    with (
        Metronome(bearer_token="wrong", base_url=standin.url, max_retries=0) as sdk,
        pytest.raises(PermissionDeniedError),
    ):
        sdk.v1.usage.ingest(usage=[event()])


def test_search_forgets_after_34_days(sdk, event, standin):
    sdk.v1.usage.ingest(usage=[event("a")])
    standin.configure(now="2026-12-26T12:00:00Z")
    assert sdk.v1.usage.search(transaction_ids=["a"]) == []


def test_search_wants_a_list_of_ids(client):
    response = client.post("/v1/events/search", json={"transaction_ids": ["a"]})
    assert (response.status_code, response.json()) == (
        400,
        {"message": "transactionIds must be an array of strings"},
    )
