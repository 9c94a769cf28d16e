"""``etl fields`` and ``etl.fields``: every path of a source, whatever holds it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import etl
from etl.authoring.survey import EXACT, MOST_PATHS, Distinct, Survey
from etl.standin.samples import SampleEvents, encoded, write_flat_parquet, write_logs, write_parquet
from tests.support.workspace import Workspace, track

SAMPLE = SampleEvents(600, seed=3, awkward=True)


def config_for(folder: Path, **source: Any) -> etl.Config:
    content = {
        "pipeline": "p",
        "source": source,
        "subscriptions": [{"name": "a"}],
        "destination": {"account": "x"},
    }
    (folder / "etl.yml").write_text(json.dumps(content))
    return etl.load_config(folder / "etl.yml", {})


def by_path(frame: pd.DataFrame) -> dict[str, Any]:
    return {field.path: field for field in frame.itertuples(index=False)}


def test_paths_types_fill_and_samples_of_json_text(workspace: Workspace) -> None:
    """Mixed types are told; null is a type but no value; absent is neither."""
    workspace.write(
        [
            track("m1", properties={"n": 1, "s": "é", "list": [1, {"a": 2}], "data": {"jobId": "j1"}}),
            track("m2", properties={"n": "1", "s": "é", "data": {"jobId": None}}),
            track("m3", properties={"n": 2.5, "big": 2**70, "data": {}}),
            track("m4", properties={"n": True, "a.b": 1}),
        ]
    )
    workspace.config()
    frame = etl.fields(workspace.load())
    assert frame.attrs == {"rows": 4, "more_paths": False}
    found = by_path(frame)
    n = found["$.properties.n"]
    assert set(n.types) == {"integer", "string", "number", "boolean"}
    assert (n.filled, n.fill, n.distinct, bool(n.exact)) == (4, 1.0, 4, True)
    assert set(n.samples) < {"1", '"1"', "2.5", "true"}
    job = found["$.properties.data.jobId"]
    assert (job.types, job.filled, job.distinct) == (["string", "null"], 1, 1)
    assert found["$.properties.s"].samples == ['"é"']
    assert found["$.properties.big"].samples == [str(2**70)]
    assert found["$.properties.list"].samples == ['[1,{"a":2}]']
    assert (found["$.properties.data"].types, found["$.properties.data"].filled) == (["object"], 3)
    assert pd.isna(found["$.properties.data"].distinct)
    assert found["$.messageId"].distinct == 4
    assert not found["$.properties['a.b']"].reachable


def test_the_frame_has_the_types_that_are_documented(workspace: Workspace) -> None:
    """Arrow types; lists as Python lists."""
    workspace.write([track("m1")])
    workspace.config()
    frame = etl.fields(workspace.load())
    kinds = {name: str(dtype) for name, dtype in frame.dtypes.items() if name not in ("types", "samples")}
    assert kinds == {
        "path": "string[pyarrow]",
        "reachable": "bool[pyarrow]",
        "filled": "int64[pyarrow]",
        "fill": "double[pyarrow]",
        "distinct": "int64[pyarrow]",
        "exact": "bool[pyarrow]",
    }
    assert all(type(cell) is list for name in ("types", "samples") for cell in frame[name])


def test_every_encoding_shows_the_same(tmp_path: Path) -> None:
    """Struct, map, JSON text and raw logs of the same events: paths, fill rates and distinct counts agree."""
    told = []
    for encoding in ("struct", "map", "json"):
        write_parquet(tmp_path / encoding, SAMPLE, encoding=encoding, strings=True)
        frame = etl.fields(config_for(tmp_path, type="parquet", path=encoding))
        inside = frame[frame["path"].str.match(r"\$\.(properties|context)\.")]
        told.append(inside[["path", "filled", "distinct"]].to_dict("records"))
    assert told[0] == told[1] == told[2]
    assert len(told[0]) > 8
    write_logs(tmp_path / "logs", SAMPLE)
    logs = by_path(etl.fields(config_for(tmp_path, type="logs", path="logs")))
    structs = write_parquet(tmp_path / "plain", SAMPLE)
    plain = by_path(etl.fields(config_for(tmp_path, type="parquet", path=str(structs[0]))))
    for path, field in plain.items():
        assert (logs[path].filled, logs[path].samples) == (field.filled, field.samples) or "At" in path
    assert plain["$.properties.cost"].types == ["decimal"]
    assert plain["$.timestamp"].types == ["time"]


def mapped(events: Any, path: str) -> list[Any]:
    """What ``@path`` finds in each event."""
    mapping = {
        "transaction_id": "t",
        "customer_id": "c",
        "timestamp": "2026-11-01T00:00:00Z",
        "event_type": "e",
        "properties": {"found": {"@path": path}},
    }
    frame = etl.map_events(events, etl.Subscription("s", 'type = "track" or type != "track"', mapping))
    return [json.loads(body)["properties"].get("found") for body in frame["body"]]


@pytest.mark.parametrize("shape", ["flat", "struct", "json"])
def test_a_reachable_path_is_one_that_a_mapping_finds(tmp_path: Path, shape: str) -> None:
    """As often as the fill rate says: what is shown can be pasted into a mapping."""
    if shape == "flat":
        (file,) = write_flat_parquet(tmp_path / "a.parquet", SAMPLE)
    else:
        (file,) = write_parquet(tmp_path / "a.parquet", encoded(SAMPLE.table(), shape))
    frame = etl.fields(config_for(tmp_path, type="parquet", path="a.parquet"))
    events = pq.read_table(file)
    for field in frame[frame["reachable"]].itertuples(index=False):
        values = mapped(events, field.path)
        assert sum(value is not None for value in values) == field.filled, field.path


def test_warehouse_columns_are_shown_under_the_path_that_finds_them(tmp_path: Path) -> None:
    """Envelope and context in Segment's spelling, properties in the column's; the slug has no path."""
    names = {
        "id": "m1",
        "event": "job_done",
        "event_text": "Job Done",
        "user_id": "u",
        "received_at": pd.Timestamp("2026-11-01", tz="UTC"),
        "context_group_id": "acme",
        "context_page_url": "https://x",
        "context_traits_plan_name": "pro",
        "context_user_agent": "y",
        "job_id": "j",
        "_timestamp": "z",
        "uuid_ts": pd.Timestamp("2026-11-01", tz="UTC"),
    }
    pq.write_table(pa.table({name: [value] for name, value in names.items()}), tmp_path / "a.parquet")
    frame = etl.fields(config_for(tmp_path, type="parquet", path="a.parquet"))
    assert set(frame[frame["reachable"]]["path"]) == {
        "$.messageId",
        "$.event",
        "$.userId",
        "$.receivedAt",
        "$.uuidTs",
        "$.context.groupId",
        "$.context.page.url",
        "$.context.traits.plan_name",
        "$.context.userAgent",
        "$.properties.job_id",
        "$.properties.timestamp",
    }
    assert list(frame[~frame["reachable"]]["path"]) == ["event"]


def test_files_that_differ_in_types_are_told_together(workspace: Workspace) -> None:
    """A column of integers here and of text there is one path of two types."""
    at = pa.array([pd.Timestamp("2026-11-01", tz="UTC")])
    for number, value in enumerate([pa.array([7]), pa.array(["7"])]):
        table = pa.table(
            {
                "messageId": [f"m{number}"],
                "receivedAt": at,
                "properties": pa.StructArray.from_arrays([value], ["n"]),
            }
        )
        pq.write_table(table, workspace.path / "tracks" / f"{number}.parquet")
    workspace.config()
    field = by_path(etl.fields(workspace.load()))["$.properties.n"]
    assert (sorted(field.types), field.distinct, field.samples) == (["integer", "string"], 2, ['"7"', "7"])


def test_a_trigger_a_window_and_a_limit_narrow_it(workspace: Workspace) -> None:
    """Each counts only the events it leaves."""
    workspace.write(
        [track(f"m{n}", event="call", receivedAt=f"2026-11-{n:02}T00:00:00Z") for n in range(1, 11)]
        + [track("other", event="job", receivedAt="2026-11-05T00:00:00Z", properties={"gpu": "x"})]
    )
    workspace.config()
    config = workspace.load()
    assert etl.fields(config).attrs["rows"] == 11
    assert etl.fields(config, limit=4).attrs["rows"] == 4
    jobs = etl.fields(config, trigger='event = "job"')
    assert jobs.attrs["rows"] == 1
    assert "$.properties.gpu" in set(jobs["path"])
    assert etl.fields(config, since="2026-11-05", until="2026-11-07").attrs["rows"] == 3
    assert etl.fields(config, since="2027-01-01").attrs["rows"] == 0
    with pytest.raises(etl.ConfigError, match="does not parse: Invalid subscription"):
        etl.fields(config, trigger='type = "tr')


def test_distinct_values_are_counted_in_bounded_memory() -> None:
    """Exactly up to a limit, whatever repeats; above it within a few per cent."""
    few = Distinct()
    for _ in range(3):
        few.add(pd.util.hash_array(pd.Series(range(EXACT)).astype(str).to_numpy(object)))
    assert (few.count, few.exact) == (EXACT, True)
    many = Distinct()
    for start in range(0, 200_000, 50_000):
        many.add(pd.util.hash_array(pd.Series(range(start, start + 60_000)).astype(str).to_numpy(object)))
    assert not many.exact
    assert 0.94 < many.count / 210_000 < 1.06


def test_objects_whose_keys_are_ids_do_not_fill_the_memory() -> None:
    """So many paths are kept, and it is said that there were more."""
    survey = Survey()
    keys = json.dumps({f"id_{n}": 1 for n in range(MOST_PATHS + 5)})
    survey.add(pa.table({"properties": [keys]}), "segment")
    assert len(survey.frame()) == MOST_PATHS
    assert survey.more


def test_an_empty_source_has_no_paths_and_no_crash(workspace: Workspace) -> None:
    """Columns without a value have a fill rate of 0."""
    workspace.write([])
    workspace.config()
    assert etl.fields(workspace.load()).attrs == {"rows": 0, "more_paths": False}


def test_the_command_needs_no_token_and_fits_80_columns(workspace: Workspace) -> None:
    """The table on stdout; what is to be said about it on stderr."""
    workspace.write([track(f"message-{n}", properties={"jobId": "x" * 200, "a.b": n}) for n in range(50)])
    workspace.config()
    workspace.env = {"METRONOME_BEARER_TOKEN": ""}
    done = workspace.cli("fields", "-c", "etl.yml")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["PATH", "TYPES", "FILL", "DISTINCT", "SAMPLES"]
    assert max(map(len, lines)) <= 80
    (job,) = [line for line in lines if "$.properties.jobId" in line]
    assert job.split()[1:4] == ["string", "100%", "1"]
    assert done.stderr.splitlines() == [
        "50 events",
        "* no path of Segment's leads there; $.properties as a whole includes it",
    ]


def test_no_samples_shows_no_values(workspace: Workspace) -> None:
    """Neither in the table nor in the JSON."""
    workspace.write([track("m1", properties={"secret": "s3cr3t"})])
    workspace.config()
    for more in ([], ["--json"]):
        done = workspace.cli("fields", "-c", "etl.yml", "--no-samples", *more)
        assert (done.returncode, "s3cr3t" in done.stdout, "$.properties.secret" in done.stdout) == (
            0,
            False,
            True,
        )
    assert "s3cr3t" in workspace.cli("fields", "-c", "etl.yml").stdout


def test_json_is_one_object(workspace: Workspace) -> None:
    """With the columns of ``etl.fields`` as keys."""
    workspace.write([track("m1", properties={"n": 1, "o": {}})])
    workspace.config()
    done = workspace.cli("fields", "-c", "etl.yml", "--json", "--limit", "5")
    told = json.loads(done.stdout)
    assert (told["rows"], told["more_paths"]) == (1, False)
    fields = {field["path"]: field for field in told["fields"]}
    assert fields["$.properties.n"] == {
        "path": "$.properties.n",
        "reachable": True,
        "types": ["integer"],
        "filled": 1,
        "fill": 1.0,
        "distinct": 1,
        "exact": True,
        "samples": ["1"],
    }
    assert fields["$.properties.o"]["distinct"] is None


def test_a_trigger_that_does_not_parse_is_a_usage_error(workspace: Workspace) -> None:
    """Exit 2, with the trigger and why."""
    workspace.write([track("m1")])
    workspace.config()
    done = workspace.cli("fields", "-c", "etl.yml", "--trigger", 'type = "tr')
    assert done.returncode == 2
    assert "the trigger 'type = \"tr' does not parse" in done.stderr


def test_a_column_that_only_the_whole_of_properties_includes_is_not_denied(tmp_path: Path) -> None:
    """``Weird Col`` is billed by ``$.properties`` although no path leads to it alone."""
    columns = {
        "id": ["m1"],
        "event_text": ["Job"],
        "received_at": [datetime(2026, 11, 5, tzinfo=UTC)],
        "Weird Col": [7],
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    frame = etl.fields(config_for(tmp_path, type="parquet", path="a.parquet"))
    (field,) = [one for one in frame.itertuples(index=False) if "weird" in one.path]
    assert (field.path, field.reachable, field.filled) == ("$.properties.weird col", False, 1)
    (whole,) = [json.loads(b)["properties"] for b in billed_whole(pa.table(columns))]
    assert whole == {"weird col": 7}


def billed_whole(events: pa.Table) -> list[str]:
    """Bodies with the whole of ``$.properties``."""
    mapping = {
        "transaction_id": {"@path": "$.messageId"},
        "customer_id": "c",
        "timestamp": {"@path": "$.receivedAt"},
        "event_type": "e",
        "properties": {"@path": "$.properties"},
    }
    trigger = 'type = "track" or type != "track"'
    return list(etl.map_events(events, etl.Subscription("s", trigger, mapping))["body"])
