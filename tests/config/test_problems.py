"""Everything wrong with a config is told at once, each with its line, its key and what to write instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.core.errors import ConfigError
from tests.config.support import SMALLEST, load, problems

if TYPE_CHECKING:
    from pathlib import Path

WAREHOUSE = SMALLEST.replace("{type: parquet, path: exports}", "{type: warehouse, url: 'sqlite://', }")


def source(keys: str) -> str:
    return SMALLEST.replace("exports}", f"exports, {keys}}}")


def warehouse(keys: str) -> str:
    return WAREHOUSE.replace(", }", f", {keys}}}")


def subscription(keys: str) -> str:
    return SMALLEST.replace("- name: Tracks", f"- {{{keys}}}")


def destination(keys: str) -> str:
    return SMALLEST.replace("sandbox}", f"sandbox, {keys}}}")


FIELDS = "transaction_id: a, customer_id: b, timestamp: c, event_type: d, properties: {}"

CASES = {
    # The file as a whole.
    "": ["1: the config is empty: see configs/parquet.yml for a start"],
    "# nothing\n": ["1: the config is empty: see configs/parquet.yml for a start"],
    "hello": ["1: the config should hold keys: pipeline, source, subscriptions, destination, state"],
    "- a": ["1: the config should hold keys: pipeline, source, subscriptions, destination, state"],
    "a: [1": [
        "1: the config is not valid YAML: while parsing a flow sequence, expected ',' or ']', but got '<stream end>'"
    ],
    "a: 1\nb: c: d": ["2: the config is not valid YAML: mapping values are not allowed here"],
    "a: *x": ["1: the config is not valid YAML: found undefined alias 'x'"],
    "a: \x07": ["1: the config is not valid YAML: it holds a character YAML does not allow"],
    "{}": [
        "1: source is missing",
        "1: subscriptions is missing",
        "1: destination is missing",
        "1: pipeline is missing",
    ],
    "a: " + "[" * 2000: ["1: the config is nested too deeply to be read"],
    # Keys.
    SMALLEST + "pipeline: b\n": ["6: pipeline is given twice (first on line 1)"],
    SMALLEST.replace("pipeline", "pipelin"): [
        '1: pipelin is not a known key; did you mean "pipeline"?',
        "1: pipeline is missing",
    ],
    SMALLEST + "zebra: 1\n": [
        "6: zebra is not a known key; known here: pipeline, was, retired, source, subscriptions, destination, state, limits, breaker, alarms, metrics, notify, report"
    ],
    destination("acount: x"): ['5: destination.acount is not a known key; did you mean "account"?'],
    subscription("name: A, form: 2026-01-01"): [
        '4: subscriptions[0].form is not a known key; did you mean "from"?'
    ],
    SMALLEST + "? [a, b]\n: c\n": ["6: the config has a key that is not text"],
    SMALLEST + "limits: !!binary aGk=\n": [
        "6: limits has the YAML tag tag:yaml.org,2002:binary, which configs do not use",
        "6: limits should be a section with keys of its own, but is aGk=",
    ],
    SMALLEST + "limits:\n": ["6: limits should be a section with keys of its own, but is empty"],
    SMALLEST + "limits: 5\n": ["6: limits should be a section with keys of its own, but is 5"],
    SMALLEST + "breaker: &b {rejected_pairs: 1, <<: 5}\n": [
        "6: breaker.<< should be an object or a list of objects"
    ],
    SMALLEST + r'limits: "\ud800"': [
        "6: limits holds half of a surrogate pair, which is no character",
        r"6: limits should be a section with keys of its own, but is \ud800",
    ],
    SMALLEST + r'"\ud800": 1': ["6: the config has a key that is not text"],
    # The root.
    SMALLEST.replace("usage", "''"): ['1: pipeline should not be empty, but is ""'],
    SMALLEST.replace("usage", "5"): ["1: pipeline should be text, but is 5"],
    SMALLEST.replace("usage", "' a'"): [
        '1: pipeline should be one line that does not begin or end with a blank, but is " a"'
    ],
    SMALLEST.replace("usage", "a" * 129): [
        f'1: pipeline should have at most 128 characters, but is "{"a" * 129}"'
    ],
    # Sources.
    SMALLEST.replace("{type: parquet, path: exports}", "exports"): [
        "2: source.type should be parquet, warehouse or logs"
    ],
    SMALLEST.replace("parquet", "parket"): ["2: source.type should be parquet, warehouse or logs"],
    SMALLEST.replace(", path: exports", ""): ["2: source.path is missing"],
    SMALLEST.replace("exports", "''"): ["2: source.path should not be empty"],
    source("layout: flat"): ['2: source.layout should be "auto", "segment" or "warehouse", but is "flat"'],
    source("overlap: 35d"): ['2: source.overlap should be at most 34d, but is "35d"'],
    source("overlap: 3"): ["2: source.overlap should be a duration such as 90s, 30m, 72h or 33d, but is 3"],
    source("overlap: -3h"): [
        '2: source.overlap should be a duration such as 90s, 30m, 72h or 33d, but is "-3h"'
    ],
    source("start: yesterday"): [
        '2: source.start should be a time such as 2026-11-01 or 2026-11-01T06:30:00Z, but is "yesterday"'
    ],
    source("start: 2026-02-30"): [
        '2: source.start should be a time such as 2026-11-01 or 2026-11-01T06:30:00Z, but is "2026-02-30"'
    ],
    source("batch_rows: 0"): ["2: source.batch_rows should be at least 1, but is 0"],
    source("batch_rows: 9999999"): ["2: source.batch_rows should be at most 1000000, but is 9999999"],
    source("batch_rows: 1.5"): ["2: source.batch_rows should be a whole number, but is 1.5"],
    source("batch_rows: true"): ["2: source.batch_rows should be a number, but is true"],
    source("batch_rows: .inf"): [
        "2: source.batch_rows is not a number JSON can hold: .inf",
        "2: source.batch_rows should be a whole number, but is .inf",
    ],
    source("url: x"): [
        "2: source.url is not a known key; known here: cursor, start, overlap, late, batch_rows, type, exclude, path, layout, partitions"
    ],
    warehouse(""): ["2: source should have schema and tables, or a query"],
    warehouse("schema: a"): ["2: source should have schema and tables, or a query"],
    warehouse("schema: a, tables: []"): ['2: source.tables should be "*" or a list of table names'],
    warehouse("schema: [], tables: '*'"): ["2: source.schema should have at least one entry"],
    warehouse("query: missing.sql"): [
        '2: source.query should be the path of a SQL file, which cannot be read, but is "missing.sql"'
    ],
    SMALLEST.replace("{type: parquet, path: exports}", "{type: warehouse, schema: a, tables: b}"): [
        "2: source.url is missing"
    ],
    WAREHOUSE.replace("'sqlite://'", "nonsense").replace(", }", ", schema: a, tables: b}"): [
        "2: source.url should be a SQLAlchemy URL such as snowflake://… or postgresql+psycopg://…"
    ],
    # Subscriptions.
    SMALLEST.replace("\n  - name: Tracks", " []"): [
        "3: subscriptions should be a list with at least one subscription"
    ],
    SMALLEST.replace("  - name: Tracks", "  name: Tracks"): [
        "3: subscriptions should be a list with at least one subscription"
    ],
    SMALLEST.replace("- name: Tracks", "- Tracks"): [
        '4: subscriptions[0] should be a section with keys of its own, but is "Tracks"'
    ],
    subscription("trigger: 5"): [
        "4: subscriptions[0].name is missing",
        "4: subscriptions[0].trigger should be text, but is 5",
    ],
    subscription("name: A, trigger: "): ["4: subscriptions[0].trigger should be text, but is empty"],
    subscription("name: A, from: 2026-11-02, until: 2026-11-02"): [
        '4: subscriptions[0].until should be after from, but is "2026-11-02"'
    ],
    subscription("name: A, numbers: text"): [
        '4: subscriptions[0].numbers should be "preserve" or "string", but is "text"'
    ],
    subscription("name: A, mapping: {transaction_id: a, custmer_id: b, event_type: c, properties: {}}"): [
        (
            "4: subscriptions[0].mapping should name all five fields, but has no "
            'customer_id (is "custmer_id" meant?), timestamp'
        )
    ],
    subscription("name: A, mapping: "): [
        (
            "4: subscriptions[0].mapping should be an object with the five fields; "
            "leave it out for Segment's defaults, but is empty"
        )
    ],
    SMALLEST.replace("Tracks", "Tracks\n  - name: Tracks"): [
        (
            '5: subscriptions[1].name is "Tracks", as is subscriptions[0].name: give each a name of its own, or, for '
            "versions of one subscription, a from and until that do not overlap"
        )
    ],
    SMALLEST.replace("- name: Tracks", "- {name: T, until: 2026-11-05}\n  - {name: T, from: 2026-11-04}"): [
        (
            '5: subscriptions[1].name is "T", as is subscriptions[0].name: give each a name of its own, or, for '
            "versions of one subscription, a from and until that do not overlap"
        )
    ],
    SMALLEST.replace("- name: Tracks", "\n".join(f"- name: T{n}" for n in range(51)).replace("\n", "\n  ")): [
        "3: subscriptions should be at most 50, but are 51"
    ],
    # Destination.
    SMALLEST.replace("account: sandbox", ""): ["5: destination.account is missing"],
    destination("base_url: http://api.metronome.com"): [
        (
            "5: destination.base_url should start with https:// (http:// is for loopback only), "
            'but is "http://api.metronome.com"'
        )
    ],
    destination("base_url: api.metronome.com"): [
        (
            "5: destination.base_url should start with https:// (http:// is for loopback only), "
            'but is "api.metronome.com"'
        )
    ],
    destination("base_url: http://127.0.0.1.example.com"): [
        (
            "5: destination.base_url should start with https:// (http:// is for loopback only), "
            'but is "http://127.0.0.1.example.com"'
        )
    ],
    destination("base_url: https://a/v1/"): [
        '5: destination.base_url should leave out /v1: it is added, but is "https://a/v1/"'
    ],
    destination("max_age: 34d"): ['5: destination.max_age should be at most 33d, but is "34d"'],
    destination("max_age: 0d"): ['5: destination.max_age should be longer than nothing, but is "0d"'],
    destination("events_per_second: 0"): [
        "5: destination.events_per_second should be greater than 0, but is 0"
    ],
    destination("events_per_second: fast"): [
        '5: destination.events_per_second should be a number, but is "fast"'
    ],
    destination("gzip: perhaps"): ['5: destination.gzip should be true or false, but is "perhaps"'],
    destination("connections: 0"): ["5: destination.connections should be at least 1, but is 0"],
    # State, limits, breaker.
    SMALLEST + "state: {url: 'mysql://h/d'}": [
        "6: state.url should start with sqlite:/// or postgresql+psycopg://"
    ],
    SMALLEST + "state: {url: 'sqlite://'}": [
        "6: state.url should name a file: a database in memory forgets what was sent"
    ],
    SMALLEST + "state: {url: etl.db}": [
        "6: state.url should be a URL: sqlite:///state/etl.db or postgresql+psycopg://…"
    ],
    SMALLEST + "state: {url: }": ["6: state.url is empty"],
    SMALLEST + "state: {retention: 69d}": ['6: state.retention should be at least 70d, but is "69d"'],
    SMALLEST + "limits: {property_value: drop}": [
        '6: limits.property_value should be "warn" or "reject", but is "drop"'
    ],
    SMALLEST + "breaker: {rejected_ratio: 5}": ["6: breaker.rejected_ratio should be at most 1, but is 5"],
}


@pytest.mark.parametrize(("text", "expected"), CASES.items(), ids=range(len(CASES)))
def test_problem(text: str, expected: list[str]) -> None:
    """Each kind of problem, in these words."""
    assert problems(text) == expected


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    """One problem does not hide another, wherever each is."""
    text = """\
source: {type: parquet, pth: a, overlap: 40d}
subscriptions:
  - {name: A, numbers: no, mapping: []}
  - {name: B, trigger: 5}
  - {name: B}
destination: {acount: p, gzip: 5, token: "${NOT_SET}"}
state: {retention: 1d}
"""
    lines = [int(problem.split(":")[0]) for problem in problems(text)]
    assert lines == [1, 1, 1, 1, 3, 3, 4, 6, 6, 6, 6, 6, 7]


def test_the_path_is_named_as_it_was_given() -> None:
    """So that a click on the message leads there."""
    with pytest.raises(ConfigError, match=r"^configs/prod\.yml:2: pipeline is missing$") as caught:
        load(SMALLEST.replace("pipeline: usage", ""), path="configs/prod.yml")
    assert caught.value.exit_code == 2


def test_a_query_that_does_not_bind_the_window(tmp_path: Path) -> None:
    """Without both it would read the whole table, run after run."""
    path = f"{tmp_path}/prod.yml"
    (tmp_path / "q.sql").write_text("select * from t where at >= :since")
    assert problems(warehouse("query: q.sql"), path=path) == [
        '2: source.query should bind :since and :until, but :until is not in the file, but is "q.sql"'
    ]
    assert problems(warehouse("query: q.sql, tables: '*'").replace("q.sql", "ok.sql"), path=path) == [
        '2: source.query should be the path of a SQL file, which cannot be read, but is "ok.sql"'
    ]
    (tmp_path / "ok.sql").write_text("select * from t where at >= :since and at < :until")
    assert problems(warehouse("query: ok.sql, tables: '*'"), path=path) == [
        "2: source should have either query, or schema and tables, but has both"
    ]


def test_aliases_cannot_blow_a_config_up() -> None:
    """Nine anchors, each ten times the one before, stand for a billion values."""
    text = "a0: &a0 [x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
    )
    found = problems(text)
    assert any(
        "is nested too deeply, or repeats itself through aliases too often" in problem for problem in found
    )
    assert len(found) < 100


def test_an_alias_inside_itself_is_refused() -> None:
    """It would never end."""
    found = problems(SMALLEST.replace("- name: Tracks", "- {name: Tracks, mapping: &m {transaction_id: *m}}"))
    assert any("nested too deeply" in problem for problem in found)


@given(st.text(alphabet=st.sampled_from(list("abc:-{}[]&*!|>'\"%@#?,\n \t${}0.~")), max_size=60))
def test_any_text_is_loaded_or_refused(text: str) -> None:
    """Nothing but ConfigError comes out, and each problem has a line."""
    assert all(problem[:1].isdigit() for problem in problems(text))
