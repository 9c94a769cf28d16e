"""What a config says, and what it means where it says nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from etl.config import load_config
from etl.core.errors import ConfigError
from etl.core.subscription import DEFAULT_MAPPING, DEFAULT_TRIGGER
from tests.config.support import SMALLEST, load

if TYPE_CHECKING:
    from pathlib import Path


def test_the_smallest_config_has_the_documented_defaults() -> None:
    """Everything that may be left out has a default."""
    config = load(SMALLEST)
    assert (config.source.overlap, config.source.start, config.source.cursor) == (
        timedelta(hours=72),
        None,
        None,
    )
    assert (config.source.layout, config.source.batch_rows) == ("auto", 20_000)
    assert config.destination.base_url == "https://api.metronome.com"
    assert (config.destination.events_per_second, config.destination.connections) == (5000, 16)
    assert (config.destination.max_age, config.destination.gzip) == (timedelta(days=33), False)
    assert (config.destination.retry_for, config.destination.timeout) == (
        timedelta(minutes=30),
        timedelta(minutes=1),
    )
    assert config.state_url() == "sqlite:////etc/etl/state/etl.db"
    assert (config.state.retention, config.state.keep_events) == (timedelta(days=100), True)
    assert (config.limits.property_value, config.limits.property_value_bytes) == ("warn", 256)
    breaker = config.breaker
    assert (breaker.enabled, breaker.rejected_ratio, breaker.rejected_pairs, breaker.refused_chunks) == (
        True,
        0.05,
        1000,
        10,
    )


def test_a_subscription_that_says_nothing_is_segments_default() -> None:
    """Trigger and mapping left out are Segment's presets."""
    (subscription,) = load(SMALLEST).subscriptions
    assert (subscription.trigger, subscription.mapping) == (DEFAULT_TRIGGER, DEFAULT_MAPPING)
    assert (subscription.since, subscription.until, subscription.numbers) == (None, None, "preserve")


def test_times_without_a_zone_are_utc_and_others_become_so() -> None:
    """A date, a local time and a time with a zone."""
    text = SMALLEST.replace(
        "name: Tracks", "{name: Tracks, from: 2026-11-01, until: '2026-12-01T02:00:00+02:00'}"
    )
    (subscription,) = load(text.replace("exports}", "exports, start: 2026-11-01 06:30}")).subscriptions
    assert subscription.since == datetime(2026, 11, 1, tzinfo=UTC)
    assert subscription.until == datetime(2026, 12, 1, tzinfo=UTC)
    assert subscription.until.tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("72h", 259_200), ("33d", 2_851_200), ("1.5h", 5400), ("10 m", 600)],
)
def test_durations(text: str, seconds: int) -> None:
    """A number and a unit."""
    source = SMALLEST.replace("exports}", f"exports, overlap: {text}}}")
    destination = SMALLEST.replace("sandbox}", f"sandbox, retry_for: {text}}}")
    assert (
        load(source).source.overlap == load(destination).destination.retry_for == timedelta(seconds=seconds)
    )


def test_relative_paths_start_at_the_config_file(tmp_path: Path) -> None:
    """Wherever the process was started."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "job.sql").write_text("select * from t where at >= :since and at < :until")
    path = str(tmp_path / "conf" / "prod.yml")
    config = load(SMALLEST.replace("path: exports", "path: ../exports/day=*/"), path=path)
    assert config.source.path == str(tmp_path / "exports" / "day=*") + "/"
    config = load(SMALLEST.replace("sandbox}", "sandbox}\nstate: {url: sqlite:///../s/etl.db}"), path=path)
    assert config.state_url() == f"sqlite:///{tmp_path}/s/etl.db"
    for url in ("sqlite:///../w.db", "duckdb:///../w.db"):
        source = f"source: {{type: warehouse, url: '{url}', schema: main, tables: t}}"
        config = load(SMALLEST.replace("source: {type: parquet, path: exports}", source), path=path)
        assert config.source_url() == f"{url.partition(':')[0]}:///{tmp_path}/w.db"
    source = "source: {type: warehouse, url: 'sqlite://', query: job.sql}"
    config = load(SMALLEST.replace("source: {type: parquet, path: exports}", source), path=path)
    assert config.source.query == str(tmp_path / "conf" / "job.sql")


def test_urls_and_absolute_paths_stay_as_they_are() -> None:
    """Only relative paths are moved."""
    assert load(SMALLEST.replace("exports", "s3://bucket/tracks/")).source.path == "s3://bucket/tracks/"
    assert load(SMALLEST.replace("exports", "/data/tracks")).source.path == "/data/tracks"
    url = "postgresql+psycopg://etl@db/etl"
    assert load(SMALLEST + f"state: {{url: '{url}'}}\n").state_url() == url


@pytest.mark.parametrize(
    ("written", "schemas", "tables"),
    [
        ("schema: prod, tables: '*'", ("prod",), "*"),
        ("schema: [a, b], tables: [x, y]", ("a", "b"), ("x", "y")),
        ("schema: prod, tables: orders", ("prod",), ("orders",)),
    ],
)
def test_warehouse_tables(written: str, schemas: tuple[str, ...], tables: object) -> None:
    """One or several schemas; some tables or all that tracks names."""
    source = f"source: {{type: warehouse, url: 'sqlite://', {written}}}"
    config = load(SMALLEST.replace("source: {type: parquet, path: exports}", source))
    assert (config.source.schemas, config.source.tables) == (schemas, tables)


def test_a_mapping_is_segments_json_as_it_stands() -> None:
    """Dates and words that YAML might read as something else stay text; numbers and booleans are JSON's."""
    text = SMALLEST.replace(
        "- name: Tracks",
        "- name: Tracks\n    mapping: {transaction_id: {'@path': '$.messageId'}, customer_id: 2026-11-01,"
        " timestamp: yes, event_type: 1: 2, properties: {n: 12345678901234567, f: 1.5, b: true, x: null, 1: a}}",
    ).replace("event_type: 1: 2", "event_type: '1: 2'")
    (subscription,) = load(text).subscriptions
    assert subscription.mapping == {
        "transaction_id": {"@path": "$.messageId"},
        "customer_id": "2026-11-01",
        "timestamp": "yes",
        "event_type": "1: 2",
        "properties": {"n": 12345678901234567, "f": 1.5, "b": True, "x": None, "1": "a"},
    }


def test_a_mapping_may_be_escaped_as_json_is() -> None:
    """An emoji is written as two halves there, which are one character."""
    text = SMALLEST.replace(
        "- name: Tracks",
        r"""- {"name": "\u00e9\ud83d\ude00", "mapping": {"transaction_id": "\"\/\\\n", "customer_id": "b",
      "timestamp": "c", "event_type": "d", "properties": {"\ud83d\ude00": 1}}}""",
    )
    (subscription,) = load(text).subscriptions
    assert subscription.name == "é😀"
    assert subscription.mapping["transaction_id"] == '"/\\\n'
    assert subscription.mapping["properties"] == {"😀": 1}
    assert len(subscription.version) == 32


def test_anchors_and_merge_keys_share_a_mapping() -> None:
    """YAML's own way of writing a mapping once."""
    text = SMALLEST.replace(
        "  - name: Tracks",
        "  - name: Tracks\n    mapping: &m {transaction_id: a, customer_id: b, timestamp: c, event_type: d,"
        " properties: {}}\n  - name: More\n    mapping: {<<: *m, event_type: e}",
    )
    one, two = load(text).subscriptions
    assert two.mapping == {**one.mapping, "event_type": "e"}


def test_versions_of_a_subscription_share_a_name_one_after_the_other() -> None:
    """The old version keeps its ``until``, the new one has it as its ``from``."""
    text = SMALLEST.replace(
        "- name: Tracks", "- {name: Tracks, until: 2026-11-05}\n  - {name: Tracks, from: 2026-11-05}"
    )
    assert [s.name for s in load(text).subscriptions] == ["Tracks", "Tracks"]


def test_a_config_tells_where_its_keys_are() -> None:
    """For messages about what is in it; a key that is left out is where its section is."""
    config = load(SMALLEST)
    assert config.where("subscriptions", 0, "name") == "/etc/etl/prod.yml:4: subscriptions[0].name"
    assert config.where("subscriptions", 0, "trigger") == "/etc/etl/prod.yml:4: subscriptions[0].trigger"
    assert str(config.path) == "/etc/etl/prod.yml"


def test_a_config_is_frozen() -> None:
    """Nothing changes it after it was checked."""
    config = load(SMALLEST)
    with pytest.raises(ValidationError, match="frozen"):
        config.pipeline = "other"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """Missing, a folder, or no text."""
    (tmp_path / "binary.yml").write_bytes(b"\xff\xfe\x00")
    for name, reason in (
        ("missing.yml", "No such file or directory"),
        ("", "Is a directory"),
        ("binary.yml", "it is not UTF-8 text"),
    ):
        path = tmp_path / name
        with pytest.raises(ConfigError) as caught:
            load_config(path, {})
        assert str(caught.value) == f"{path}: the config cannot be read: {reason}"
