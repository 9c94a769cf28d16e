"""Which columns hold which paths."""

from __future__ import annotations

import pyarrow as pa
import pytest

from etl.core.errors import ConfigError
from etl.core.layouts import (
    detect_layout,
    find_column,
    flat_column,
    flat_holder,
    needed_columns,
    object_columns,
    properties_columns,
    snake_case,
)

TABLE = (
    "ID",
    "EVENT",
    "EVENT_TEXT",
    "TYPE",
    "JOB_ID",
    "_ID",
    "_2FA",
    "CONTEXT_GROUP_ID",
    "RECEIVED_AT",
    "DATA_JOB_ID",
)
LAKE = ("message_id", "event", "type", "properties_job_id", "properties_type", "integrations_all", "plan")


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("sampleText", "sample_text"),
        ("FOO:BAR$BAZ", "foo_bar_baz"),
        ("2FA Enabled", "2fa_enabled"),
        ("CStringRef", "cstring_ref"),
        ("f_pX9", "f_p_x9"),
        ("already_snake_2", "already_snake_2"),
        ("  spaces   2    Text ", "spaces_2_text"),
        ("sample___text", "sample_text"),
        ("•¶§ƒ˚foo˙∆˚¬", "foo"),
        ("_5TEst", "5test"),
        ("a_2FA", "a_2fa"),
        ("jobId", "job_id"),
        ("", ""),
        ("é", ""),
    ],
)
def test_snake_case_follows_segments_warehouses(name, column):
    assert snake_case(name) == column


@pytest.mark.parametrize(
    ("path", "column"),
    [
        (("messageId",), "ID"),
        (("event",), "EVENT_TEXT"),
        (("type",), None),
        (("properties", "type"), "TYPE"),
        (("properties", "jobId"), "JOB_ID"),
        (("properties", "data", "jobId"), "DATA_JOB_ID"),
        (("properties", "id"), "_ID"),
        (("properties", "receivedAt"), None),
        (("properties", "2FA"), "_2FA"),
        (("context", "groupId"), "CONTEXT_GROUP_ID"),
        (("receivedAt",), "RECEIVED_AT"),
        (("jobId",), None),
        (("userId",), None),
        (("properties",), None),
        (("context",), None),
        ((), None),
    ],
)
def test_a_path_finds_its_column_in_a_warehouse(path, column):
    assert flat_column(path, TABLE) == column


@pytest.mark.parametrize(
    ("path", "column"),
    [
        (("messageId",), "message_id"),
        (("event",), "event"),
        (("type",), "type"),
        (("properties", "type"), "properties_type"),
        (("properties", "jobId"), "properties_job_id"),
        (("properties", "plan"), "plan"),
        (("integrations", "All"), "integrations_all"),
    ],
)
def test_a_path_finds_its_column_in_a_lake(path, column):
    assert flat_column(path, LAKE) == column


def test_id_is_preferred_to_message_id():
    assert flat_column(("messageId",), ["message_id", "id"]) == "id"


def test_of_names_that_differ_in_case_the_one_spelt_so_is_meant():
    assert flat_column(("messageId",), ["ID", "id"]) == "id"
    assert flat_column(("properties", "Units"), ["units", "Units"]) == "Units"
    assert flat_column(("properties", "units"), ["Units", "units"]) == "units"
    with pytest.raises(ConfigError, match=r"\$\.messageId may be ID or Id"):
        flat_column(("messageId",), ["Id", "ID"])


def test_the_properties_of_a_warehouse_row_are_all_columns_but_reserved_and_context():
    assert properties_columns(TABLE) == {
        "type": "TYPE",
        "job_id": "JOB_ID",
        "id": "_ID",
        "2fa": "_2FA",
        "data_job_id": "DATA_JOB_ID",
    }


def test_the_properties_of_a_lake_row_lose_their_prefix():
    assert properties_columns(LAKE) == {
        "job_id": "properties_job_id",
        "type": "properties_type",
        "plan": "plan",
    }


def test_a_prefix_is_kept_where_dropping_it_would_clash():
    assert properties_columns(["plan", "properties_plan"]) == {
        "plan": "plan",
        "properties_plan": "properties_plan",
    }


def test_flattened_objects_are_found_by_their_prefix():
    assert object_columns("context", TABLE) == {"group_id": "CONTEXT_GROUP_ID"}
    assert object_columns("integrations", LAKE) == {"all": "integrations_all"}
    assert object_columns("integrations", ["event_text", "integrations_all"]) == {}


def test_a_nested_column_holds_what_lies_below_it():
    schema = pa.schema({"id": pa.string(), "data": pa.json_(), "text": pa.string()})
    assert flat_holder(("properties", "data", "jobId"), schema) == ("data", ("jobId",))
    assert flat_holder(("properties", "data"), schema) == ("data", ())
    assert flat_holder(("properties", "text", "x"), schema) is None


@pytest.mark.parametrize(
    ("names", "layout"),
    [
        (["messageId", "event"], "segment"),
        (["properties", "event", "received_at"], "segment"),
        (["$"], "segment"),
        (["id", "received_at", "job_id"], "warehouse"),
        (["ID", "RECEIVED_AT"], "warehouse"),
        (["event", "timestamp"], "warehouse"),
    ],
)
def test_the_layout_is_told_by_the_names(names, layout):
    assert detect_layout(pa.schema([(name, pa.string()) for name in names])) == layout


def test_only_the_asked_parts_of_a_struct_are_needed():
    """Overlapping paths do not name the same leaf twice, and a missing field is not asked for."""
    inner = pa.struct({"c": pa.int64(), "d": pa.int64()})
    schema = pa.schema(
        {
            "messageId": pa.string(),
            "event": pa.string(),
            "properties": pa.struct({"a": pa.int64(), "b": inner}),
            "context": pa.struct({"groupId": pa.string(), "ip": pa.string()}),
            "traits": pa.map_(pa.string(), pa.string()),
            "unused": pa.string(),
            "receivedAt": pa.timestamp("us"),
        }
    )
    paths = {
        ("context", "groupId"),
        ("properties", "b", "c"),
        ("properties", "b"),
        ("properties", "zz"),
        ("traits", "x"),
    }
    assert needed_columns(schema, "segment", paths, "receivedAt") == [
        "messageId",
        "event",
        "properties.b",
        "context.groupId",
        "traits",
        "receivedAt",
    ]


def test_everything_is_needed_for_the_whole_event():
    schema = pa.schema([("id", pa.string()), ("x", pa.string())])
    assert needed_columns(schema, "warehouse", None, "id") == ["id", "x"]
    assert needed_columns(schema, "warehouse", {()}, "id") == ["id", "x"]


def test_a_flat_table_gives_its_id_name_opt_out_and_cursor_besides_what_is_asked():
    schema = pa.schema([(name, pa.string()) for name in (*LAKE, "received_at", "context_group_id")])
    assert needed_columns(schema, "warehouse", {("context", "groupId")}, "received_at") == [
        "message_id",
        "event",
        "integrations_all",
        "received_at",
        "context_group_id",
    ]
    asked = needed_columns(schema, "warehouse", {("properties",)}, "received_at")
    assert {"properties_job_id", "properties_type", "plan"} <= set(asked)


def test_the_event_text_is_always_read_because_a_lake_is_told_by_lacking_it():
    schema = pa.schema([(name, pa.string()) for name in TABLE])
    columns = needed_columns(schema, "warehouse", {("properties", "type")}, None)
    assert flat_column(("properties", "type"), columns) == "TYPE"


def test_a_column_is_found_exactly_before_it_is_found_in_another_case():
    assert find_column("a", ["A", "a"]) == "a"
    assert find_column("a", ["A"]) == "A"
    assert find_column("b", ["A"]) is None
