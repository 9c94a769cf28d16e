"""Delta and Iceberg tables, written by the libraries that Spark-less users write them with, through the command."""

from __future__ import annotations

import json
import struct
import uuid
from datetime import datetime

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.types import StringType
from pyiceberg.utils.config import Config

from etl.core.errors import ConfigError, SourceError
from etl.sources.delta import DeltaSource
from etl.sources.iceberg import IcebergSource
from tests.sources.support import ALWAYS, DAY, at, ids
from tests.support.workspace import ago

MAPPING = {
    "transaction_id": {"@path": "$.messageId"},
    "customer_id": {"@path": "$.userId"},
    "timestamp": {"@path": "$.timestamp"},
    "event_type": {"@path": "$.event"},
    "properties": {"@path": "$.properties"},
}


def rows(names, hours=1.0, **columns):
    """Flat track events of now, received ``hours`` ago."""
    when = datetime.fromisoformat(ago(hours=hours))
    moment = pa.array([when] * len(names), pa.timestamp("us", "UTC"))
    return pa.table(
        {
            "id": pa.array(names, pa.string()),
            "event_text": pa.array(["API"] * len(names), pa.string()),
            "user_id": pa.array(["u"] * len(names), pa.string()),
            "received_at": moment,
            "timestamp": moment,
            **columns,
        }
    )


@pytest.fixture
def run(workspace, command):
    """A scheduled run over a source: its report, and the units of all that Metronome has got."""

    def call(source):
        workspace.config(
            [{"name": "s", "mapping": MAPPING}], source={"overlap": "72h", "start": ago(hours=60), **source}
        )
        said = command("run", "--json")
        assert said.code in (0, 1), said.err
        billed = {key: event["properties"] for key, event in workspace.standin.accepted().items()}
        return json.loads(said.out), billed

    return call


# ------------------------------------------------------------------------------------------------ Delta


def test_a_delta_table_is_read_at_its_newest_version_and_late_files_later(workspace, run):
    place = str(workspace.path / "table")
    write_deltalake(place, rows(["a", "b"], units=[1, 2], plan=["x y/%", "x y/%"]), partition_by=["plan"])
    DeltaTable(place).update({"units": "20"}, predicate="id = 'b'")
    source = {"type": "delta", "path": "table"}
    report, billed = run(source)
    assert (report["sent"], billed) == (
        2,
        {"a": {"units": 1, "plan": "x y/%"}, "b": {"units": 20, "plan": "x y/%"}},
    )
    write_deltalake(place, rows(["late"], 40, units=[3], plan=["p"]), mode="append")
    report, billed = run(source)
    assert (report["read"], report["sent"], set(billed)) == (1, 1, {"a", "b", "late"})
    DeltaTable(place).optimize.compact()
    report, billed = run(source)
    assert (report["sent"], report["drift"], len(billed)) == (0, 0, 3)


def test_rows_that_a_deletion_vector_deletes_are_not_read(tmp_path):
    """Written by hand into the log, as Databricks does: rows 1 and 3 of 4 are deleted."""
    place = tmp_path / "table"
    write_deltalake(str(place), rows(list("abcd")))
    log = place / "_delta_log" / "00000000000000000000.json"
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    bitmap = struct.pack("<IQI", 1681511377, 1, 0) + struct.pack("<IIHHI2H", 12346, 1, 0, 1, 16, 1, 3)
    vector = {"storageType": "i", "pathOrInlineDv": z85(bitmap), "sizeInBytes": len(bitmap), "cardinality": 2}
    for action in actions:
        if "add" in action:
            action["add"]["deletionVector"] = vector
        if "protocol" in action:
            features = ["deletionVectors"]
            action["protocol"] = {
                "minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features, "writerFeatures": features,
            }  # fmt: skip
    log.write_text("\n".join(map(json.dumps, actions)))
    (batch,) = DeltaSource(str(place)).batches(ALWAYS)
    assert (ids([batch]), batch.rows.to_pylist()) == (["a", "c"], [0, 2])


def z85(data):
    digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
    words = struct.unpack(f">{len(data) // 4}I", data)
    return "".join(digits[word // 85**power % 85] for word in words for power in (4, 3, 2, 1, 0))


def test_what_is_no_delta_table_or_cannot_be_read_as_one_is_said(tmp_path):
    with pytest.raises(SourceError, match="cannot read the Delta table nothing"):
        list(DeltaSource("nothing", base=tmp_path).batches(ALWAYS))
    place = str(tmp_path / "mapped")
    DeltaTable.create(
        place,
        rows(["a"]).schema,
        configuration={"delta.columnMapping.mode": "name", "delta.minReaderVersion": "2"},
    )
    with pytest.raises(SourceError, match=r"cannot read the Delta table|column mapping"):
        list(DeltaSource(place).batches(ALWAYS))


# ---------------------------------------------------------------------------------------------- Iceberg


@pytest.fixture
def catalog(workspace, monkeypatch):
    """A catalog that pyiceberg's own environment variables name ``lake``."""
    uri, warehouse = f"sqlite:///{workspace.path}/catalog.db", f"file://{workspace.path}/warehouse"
    (workspace.path / "warehouse").mkdir()
    monkeypatch.setenv("PYICEBERG_CATALOG__LAKE__TYPE", "sql")
    monkeypatch.setenv("PYICEBERG_CATALOG__LAKE__URI", uri)
    monkeypatch.setenv("PYICEBERG_CATALOG__LAKE__WAREHOUSE", warehouse)
    monkeypatch.setattr("pyiceberg.catalog._ENV_CONFIG", Config())  # it reads them when it is imported
    catalog = SqlCatalog("lake", uri=uri, warehouse=warehouse)
    catalog.create_namespace("segment")
    yield catalog
    catalog.engine.dispose()


@pytest.mark.parametrize(
    "source", [{"path": "warehouse/segment/api"}, {"path": None, "catalog": "lake", "table": "segment.api"}]
)
def test_an_iceberg_table_is_read_at_its_current_snapshot_and_late_files_later(catalog, run, source):
    first = rows(["a", "b", "gone"], units=[1, 2, 9], u=pa.array([uuid.UUID(int=7).bytes] * 3, pa.uuid()))
    table = catalog.create_table("segment.api", first.schema)
    table.append(first)
    table.delete("id = 'gone'")
    with table.update_schema() as change:
        change.rename_column("units", "amount")
        change.add_column("plan", StringType())
    source = {"type": "iceberg", **source}
    report, billed = run(source)
    u = str(uuid.UUID(int=7))
    assert (report["sent"], billed) == (2, {"a": {"amount": 1, "u": u}, "b": {"amount": 2, "u": u}})
    late = rows(["late"], 40, amount=[3], plan=["p"], u=pa.array([None], pa.uuid()))
    catalog.load_table("segment.api").append(late)
    report, billed = run(source)
    assert (report["read"], report["sent"], billed["late"]) == (1, 1, {"amount": 3, "plan": "p"})


def test_files_of_an_iceberg_table_outside_a_window_are_not_read_and_rows_without_a_cursor_reported(catalog):
    table = catalog.create_table("segment.api", rows([]).schema)
    for hours in (-30, 5, 30):
        moment = pa.array([at(hours)], pa.timestamp("us", "UTC"))
        table.append(rows([str(hours)]).set_column(3, "received_at", moment))
    table.append(rows(["null"]).set_column(3, "received_at", pa.array([None], pa.timestamp("us", "UTC"))))
    source = IcebergSource(table.metadata_location)
    batches = list(source.batches(DAY))
    assert ids(batches) == ["5"]
    assert [bad.reason for batch in batches for bad in batch.unreadable] == ["the cursor received_at is null"]
    done = {batch.mark for batch in batches}
    assert list(source.batches(DAY, done=done)) == []


def test_an_iceberg_table_that_is_not_there_is_said(tmp_path, catalog):
    with pytest.raises(SourceError, match="the Iceberg table nothing has no metadata"):
        IcebergSource("nothing", base=tmp_path).check()
    with pytest.raises(SourceError, match=r"cannot read the Iceberg table segment\.nothing"):
        IcebergSource(None, catalog="lake", table="segment.nothing").check()
    table = catalog.create_table("segment.api", rows(["a"]).schema)
    with pytest.raises(ConfigError, match="no column 'loaded_at'"):
        IcebergSource(table.metadata_location, cursor="loaded_at").check()


@pytest.mark.parametrize("kind", ["delta", "iceberg"])
def test_check_says_which_snapshot_it_sees(workspace, catalog, command, kind):
    if kind == "delta":
        write_deltalake(str(workspace.path / "table"), rows(["a"]))
        source = {"type": "delta", "path": "table"}
    else:
        catalog.create_table("segment.api", rows(["a"]).schema).append(rows(["a"]))
        source = {"type": "iceberg", "path": "warehouse/segment/api"}
    workspace.config([{"name": "s", "mapping": MAPPING}], source=source)
    assert "1 file to read" in command("check").err


def test_a_folder_of_an_iceberg_table_is_no_folder_of_parquet(workspace, catalog, command):
    catalog.create_table("segment.api", rows(["a"]).schema).append(rows(["a"]))
    for path in ("warehouse", "warehouse/segment/api", "warehouse/segment/api/data"):
        workspace.config([{"name": "s", "mapping": MAPPING}], source={"type": "parquet", "path": path})
        said = command("check")
        assert (said.code, "use source.type: iceberg" in said.err) == (2, True)
