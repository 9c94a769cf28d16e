"""The examples of the documentation, billed for real: the seed example, Customer.io's advice, a first scheduled run."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import etl
from tests.support.workspace import Workspace, ago, track

CONFIGS = Path(__file__).parent.parent / "configs"


def billed(workspace: Workspace, name: str, events: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The accepted usage events of configs/``name``, with only source path and destination changed."""
    workspace.write(events)
    text = (CONFIGS / name).read_text()
    for old in ("../exports/billing/", "../exports/customerio/", "../exports/tracks/"):
        text = text.replace(old, "tracks/")
    text = text.replace("sqlite:///../state/", "sqlite:///")
    text = text.replace(
        "  account: production", f"  account: production\n  base_url: {workspace.standin.url}"
    )
    path = workspace.path / "etl.yml"
    path.write_text(text)
    shutil.copy(CONFIGS / "etl.schema.json", workspace.path)
    etl.run(etl.load_config(path, workspace.env), since=ago(days=1))
    return workspace.standin.accepted()


def billing_event(message_id: str, **changes: Any) -> dict[str, Any]:
    properties = {
        "cid": "customer-7",
        "data": {"action": "render", "jobId": "job-1", "username": "ada"},
        "t": "render_minutes",
        "ts": ago(hours=3),
    }
    return track(message_id, event="billing_event", properties=properties, **changes)


def test_the_seed_example(workspace: Workspace) -> None:
    """Every field comes from the properties; our own people are kept out, events without a user are not."""
    events = [
        billing_event("m1", userId="ada@example.org"),
        billing_event("m2", userId="bob@company.com"),
        billing_event("m3", userId=None),
        track("m4", event="other"),
    ]
    accepted = billed(workspace, "seed-example.yml", events)
    assert sorted(accepted) == ["m1", "m3"]
    assert accepted["m1"] == {
        "transaction_id": "m1",
        "customer_id": "customer-7",
        "timestamp": events[0]["properties"]["ts"],
        "event_type": "render_minutes",
        "properties": {"action": "render", "jobId": "job-1", "username": "ada"},
    }


def test_customer_io(workspace: Workspace) -> None:
    """customer_id is the userId, else the anonymousId."""
    events = [track("m1", userId="u1", anonymousId="a1"), track("m2", userId=None, anonymousId="a2")]
    accepted = billed(workspace, "customerio.yml", events)
    assert {key: event["customer_id"] for key, event in accepted.items()} == {"m1": "u1", "m2": "a2"}


def test_every_example_config_is_accepted() -> None:
    """With the variables they name set."""
    env = {"METRONOME_BEARER_TOKEN": "t", "WAREHOUSE_URL": "postgresql+psycopg://db/x", "STATE_PASSWORD": "p"}
    for path in sorted(CONFIGS.glob("*.yml")):
        assert etl.load_config(path, env).pipeline
