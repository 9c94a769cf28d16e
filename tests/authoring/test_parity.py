"""``etl parity``: our usage events against recorded ones, value by value."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import etl
from tests.support.workspace import Workspace, track

TIME = "2026-11-01T10:00:00.000Z"


def usage(transaction_id: str, **changes: Any) -> dict[str, Any]:
    """What the default mapping makes of ``sample(transaction_id)``."""
    return {
        "transaction_id": transaction_id,
        "customer_id": "acme",
        "timestamp": TIME,
        "event_type": "api_call",
        "properties": {"count": 1, "region": "eu"},
        **changes,
    }


def sample(message_id: str, **changes: Any) -> dict[str, Any]:
    return track(message_id, timestamp=TIME, **changes)


@pytest.fixture
def config(workspace: Workspace) -> etl.Config:
    workspace.config()
    return workspace.load()


def differences(found: Any) -> list[tuple[Any, ...]]:
    columns = found.differences.astype(object).where(found.differences.notna(), None)
    return list(columns.itertuples(index=False, name=None))


def test_equal_bodies_are_equal_however_they_are_written(config: etl.Config) -> None:
    """Order of keys, white space and 1.0 for 1 are no differences."""
    theirs = dict(reversed(usage("m1", properties={"region": "eu", "count": 1.0}).items()))
    found = etl.parity(config, [sample("m1")], [theirs])
    assert (found.ours, found.expected, found.equal, found.agree) == (1, 1, 1, True)


def test_each_value_that_differs_is_told_with_its_path(config: etl.Config) -> None:
    """Nested ones too; absent is not null; text is not a number."""
    ours = {"n": 1, "a": {"b": [1, {"c": "x"}]}, "null": None, "same": True, "list": [1]}
    theirs = {"n": "1", "a": {"b": [1, {"c": "y"}]}, "same": True, "more": None, "list": [1, 2], "null": 0}
    found = etl.parity(config, [sample("m1", properties=ours)], [usage("m1", properties=theirs)])
    assert sorted(differences(found), key=str) == [
        ("m1", "differs", "$.properties.a.b.1.c", '"x"', '"y"', None),
        ("m1", "differs", "$.properties.list", "[1]", "[1,2]", None),
        ("m1", "differs", "$.properties.more", None, "null", None),
        ("m1", "differs", "$.properties.n", "1", '"1"', None),
        ("m1", "differs", "$.properties.null", "null", "0", None),
    ]
    assert (found.equal, found.agree) == (0, False)


def test_numbers_are_compared_to_the_last_digit(workspace: Workspace, config: etl.Config) -> None:
    """What only agrees as doubles differs, with a note; --by-value takes it for equal."""
    events = workspace.path / "events.ndjson"
    long, rounded = "9007199254740993", "9007199254740992"
    tenth = "0.1000000000000000055511151231257827"
    body = json.dumps(sample("m1", properties="HERE"))
    events.write_text(body.replace('"HERE"', f'{{"id": {long}, "x": {tenth}, "y": 0.30}}'))
    expected = workspace.path / "expected.ndjson"
    expected.write_text(
        json.dumps(usage("m1", properties="HERE")).replace(
            '"HERE"', f'{{"id": {rounded}, "x": 0.1, "y": 0.3}}'
        )
    )
    found = etl.parity(config, str(events), str(expected))
    assert sorted(differences(found)) == [
        ("m1", "differs", "$.properties.id", long, rounded, "the same as doubles"),
        ("m1", "differs", "$.properties.x", tenth, "0.1", "the same as doubles"),
    ]
    assert etl.parity(config, str(events), str(expected), by_value=True).agree


def test_true_is_not_one(config: etl.Config) -> None:
    """Python would take them for equal."""
    found = etl.parity(config, [sample("m1", properties={"a": True})], [usage("m1", properties={"a": 1})])
    assert differences(found) == [("m1", "differs", "$.properties.a", "true", "1", None)]


def test_a_timestamp_written_differently_is_noted(config: etl.Config) -> None:
    """The same instant is a difference in text only."""
    expected = [
        usage("m1", timestamp="2026-11-01T12:00:00+02:00"),
        usage("m2", timestamp="2026-11-01T10:00:01Z"),
    ]
    events = [sample("m1"), sample("m2")]
    assert [row[-1] for row in differences(etl.parity(config, events, expected))] == [
        "the same instant",
        None,
    ]
    assert [row[0] for row in differences(etl.parity(config, events, expected, by_value=True))] == ["m2"]


def test_missing_and_extra_ones_are_told_with_the_reason(config: etl.Config) -> None:
    """Missing: what became of the event that has this messageId."""
    events = [
        sample("ours"),
        sample("page", type="page"),
        sample("refused", context={}),
        sample("out", integrations={"All": False}),
    ]
    expected = [usage(name) for name in ("page", "refused", "out", "nowhere")]
    rows = differences(etl.parity(config, events, expected))
    assert [(row[0], row[1], row[5]) for row in rows] == [
        ("page", "missing", "no trigger matches its event"),
        (
            "refused",
            "missing",
            "its event was rejected (schema: The root value is missing the required field 'customer_id'.)",
        ),
        ("out", "missing", "its event opted out"),
        ("nowhere", "missing", "no usage event of ours has this id"),
        ("ours", "extra", None),
    ]


def test_several_subscriptions_are_all_compared(workspace: Workspace) -> None:
    """An event that two subscriptions bill is two usage events."""
    other = {
        "transaction_id": {"@template": "calls-{{messageId}}"},
        "customer_id": "c",
        "timestamp": {"@path": "$.timestamp"},
        "event_type": "e",
        "properties": {},
    }
    workspace.config([{"name": "a"}, {"name": "b", "trigger": 'event = "api_call"', "mapping": other}])
    second = usage("calls-m1", customer_id="c", event_type="e", properties={})
    found = etl.parity(workspace.load(), [sample("m1")], [usage("m1"), second])
    assert (found.ours, found.equal) == (2, 2)


WRAPPED = [
    pytest.param(json.dumps, id="usage events"),
    pytest.param(lambda one: json.dumps({"messageId": "x", "payload": one}), id="payload"),
    pytest.param(
        lambda one: json.dumps({"event": {"messageId": "x"}, "payload": [one]}), id="batch in a payload"
    ),
    pytest.param(lambda one: json.dumps({"payload": json.dumps(one)}), id="payload as text"),
    pytest.param(lambda one: json.dumps({"data": [one]}), id="an answer of Metronome"),
    pytest.param(lambda one: json.dumps([one], indent=2), id="one JSON document"),
    pytest.param(
        lambda one: json.dumps({**one, "id": "x", "is_duplicate": False, "processed_at": "2026"}),
        id="with what Metronome adds",
    ),
    pytest.param(
        lambda one: json.dumps({**one, "properties": json.dumps(one["properties"])}), id="properties as text"
    ),
]


@pytest.mark.parametrize("written", WRAPPED)
@pytest.mark.parametrize("zipped", [False, True])
def test_recorded_usage_events_come_in_many_shapes(
    workspace: Workspace, config: etl.Config, written: Any, zipped: bool
) -> None:
    """People save what they see."""
    path = workspace.path / "expected"
    text = written(usage("m1"))
    if zipped and "\n" in text:
        text = json.dumps(json.loads(text))
    path.write_bytes(gzip.compress(text.encode()) if zipped else text.encode())
    assert etl.parity(config, [sample("m1")], str(path)).equal == 1


def test_a_payload_counts_whole(config: etl.Config) -> None:
    """A key that Segment sent and we do not is a difference."""
    found = etl.parity(config, [sample("m1")], [{"payload": usage("m1", extra=1)}])
    assert [row[2] for row in differences(found)] == ["$.extra"]


def test_metronomes_export_as_parquet_with_its_newest_state(workspace: Workspace, config: etl.Config) -> None:
    """Object storage delivers at least once: of repeated rows the newest ``updated_at`` counts."""
    body = usage("m1")
    rows = [
        {
            **body,
            "properties": json.dumps({"count": count}),
            "environment_type": "PRODUCTION",
            "updated_at": at,
        }
        for count, at in (
            (1, "2026-11-02T00:00:00Z"),
            (2, "2026-11-03T00:00:00Z"),
            (3, "2026-11-01T00:00:00Z"),
        )
    ]
    path = workspace.path / "expected.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    found = etl.parity(config, [sample("m1", properties={"count": 2})], str(path))
    assert found.agree


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1}', "record 1 holds no usage event: it has neither transaction_id nor payload"),
        ('{"transaction_id": "a"}\n7', "record 2 holds no usage event: it is no object"),
        ('{"transaction_id": "a"}\nnot json', "expected:2: the line is not JSON"),
    ],
)
def test_a_file_of_something_else(workspace: Workspace, text: str, message: str) -> None:
    """Exit 2, naming the record."""
    (workspace.path / "expected").write_text(text)
    (workspace.path / "events").write_text(json.dumps(sample("m1")))
    workspace.config()
    done = workspace.cli("parity", "-c", "etl.yml", "--events", "events", "--expected", "expected")
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stdout == ""


def compared(workspace: Workspace, expected: list[dict[str, Any]], *more: str) -> Any:
    """The command on a sample as Parquet; without a token."""
    workspace.write([sample("m1"), sample("m2")], "sample.parquet")
    (workspace.path / "expected.ndjson").write_text("\n".join(map(json.dumps, expected)))
    workspace.config()
    workspace.env = {"METRONOME_BEARER_TOKEN": ""}
    arguments = ["--events", "tracks/sample.parquet", "--expected", "expected.ndjson"]
    return workspace.cli("parity", "-c", "etl.yml", *arguments, *more)


def test_the_command_exits_0_when_nothing_differs(workspace: Workspace) -> None:
    """And says how many were compared."""
    done = compared(workspace, [usage("m1"), usage("m2")])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "2 usage events of ours, 2 recorded: 2 are equal\n"


def test_the_command_exits_1_and_shows_what_differs(workspace: Workspace) -> None:
    """First how many for each field, then each."""
    done = compared(workspace, [usage("m1", customer_id="other"), usage("m3")])
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "2 usage events of ours, 2 recorded: 0 are equal",
        "",
        "        1  differs  $.customer_id",
        "        1  missing    (no usage event of ours has this id)",
        "        1  extra    ",
        "",
        "m1  $.customer_id",
        '  ours      "acme"',
        '  recorded  "other"',
        "m3  missing  (no usage event of ours has this id)",
        "m2  extra",
    ]


def test_the_command_shows_so_many_differences(workspace: Workspace) -> None:
    """The counts are of all."""
    done = compared(
        workspace, [usage("m1", customer_id="other"), usage("m2", customer_id="other")], "--limit", "1"
    )
    assert "        2  differs  $.customer_id" in done.stdout
    assert done.stdout.splitlines()[-1] == "(1 more; --limit to see them, --json for all)"


def test_json_embeds_the_values(workspace: Workspace) -> None:
    """Digit for digit; what is absent has no key."""
    theirs = usage("m1", properties={"count": 1, "region": None})
    done = compared(workspace, [theirs, usage("m2", properties={"count": 1})], "--json")
    assert json.loads(done.stdout) == {
        "ours": 2,
        "expected": 2,
        "equal": 0,
        "differences": [
            {
                "transaction_id": "m1",
                "difference": "differs",
                "path": "$.properties.region",
                "note": None,
                "ours": "eu",
                "expected": None,
            },
            {
                "transaction_id": "m2",
                "difference": "differs",
                "path": "$.properties.region",
                "note": None,
                "ours": "eu",
            },
        ],
    }


def test_sample_files_that_are_not_there(workspace: Workspace) -> None:
    """Exit 2, naming them."""
    workspace.config()
    done = workspace.cli("parity", "-c", "etl.yml", "--events", "nope.ndjson", "--expected", "nope.ndjson")
    assert done.returncode == 2
    assert "nope.ndjson is not a file" in done.stderr
    assert not Path(workspace.path / "state.db").exists()
