"""Problems, ids that subscriptions share, samples, and checking a whole file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.authoring.lints import check_config, lints, problems
from etl.core.errors import ConfigError
from etl.transform.columns.tracks import Events
from tests.authoring.lints.support import HEAD, config, linted, subscription

if TYPE_CHECKING:
    from pathlib import Path

SHARED = (
    'is the same as that of subscriptions[0] ("A"), and one event can match both triggers: Metronome would keep only '
    'the first of the two. Give each its own ids, as in {"@template": "{{messageId}}-2"}, or triggers that exclude '
    "each other"
)
SUFFIXED = {"transaction_id": {"@template": "{{messageId}}-b"}}


@pytest.mark.parametrize(
    ("trigger", "problem"),
    [
        ("", "it is empty"),
        ('type = "x" & 1', "at character 12: the character '&' has no place outside a string"),
        ('((type = "x"))', "at character 2: parentheses cannot be nested"),
        (
            'messageId = "x"',
            "at character 1: it holds no condition on type, event, name, userId, properties, traits or context",
        ),
    ],
)
def test_a_trigger_that_does_not_parse(trigger: str, problem: str) -> None:
    """Segment would send nothing with it."""
    (found,) = problems(config(subscription(trigger)))
    sign = "" if problem.startswith("at") else ":"
    assert str(found) == f"c.yml:5: subscriptions[0].trigger is invalid{sign} {problem}"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        (
            {"customer_id": {"@pth": "$.userId"}},
            'customer_id has an invalid directive: @pth; did you mean "@path"?',
        ),
        (
            {"customer_id": {"@path": 5}},
            "customer_id.@path should be a string or a mapping directive but it is a number",
        ),
        (
            {"properties": {"a": {"@if": "x"}}},
            "properties.a.@if should be an object but it is a string",
        ),
        (
            {"properties": {"a": {"@path": "$.a", "b": 1}}},
            "properties.a should only have one @-prefixed key but it has 2 keys",
        ),
        (
            {"unused": {"@case": {"operator": 1}}},
            "unused.@case.operator should be a string but it is a number",
        ),
    ],
)
def test_a_mapping_segment_would_refuse(fields: dict[str, Any], problem: str) -> None:
    """One bad field, even one that is not used, rejects every event."""
    (found,) = problems(config(subscription(fields=fields)))
    assert str(found) == f"c.yml:5: subscriptions[0].mapping.{problem}"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (subscription(), subscription(name="B")),
        (subscription(), subscription('event = "a"', name="B")),
        (
            subscription(fields={"transaction_id": "x"}),
            subscription(fields={"transaction_id": "x"}, name="B"),
        ),
        (
            subscription(),
            subscription(fields={"transaction_id": {"@path": "$.messageId", "_metadata": {}}}, name="B"),
        ),
        (subscription(until="2026-11-05"), subscription(name="B", **{"from": "2026-11-04"})),
    ],
)
def test_one_expression_for_events_both_can_match_is_a_problem(one: Any, other: Any) -> None:
    """Metronome would keep only the first of the two usage events."""
    (found,) = problems(config(one, other))
    assert str(found) == f"c.yml:6: subscriptions[1].mapping.transaction_id {SHARED}"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (subscription('event = "a"'), subscription('event = "b"', name="B")),
        (subscription('userId != null and !contains(userId, "@x")'), subscription("userId = null", name="B")),
        (subscription(until="2026-11-05"), subscription(**{"from": "2026-11-05"})),
        (subscription(), subscription(fields=SUFFIXED, name="B")),
    ],
)
def test_no_event_gives_one_id_twice(one: Any, other: Any) -> None:
    """Triggers or times that exclude each other, or ids of their own."""
    assert linted(one, other) == []


@pytest.mark.parametrize(
    ("expression", "shape"),
    [
        ({"@path": "messageId"}, "{messageId}"),
        ({"@template": "{{{ messageId }}}"}, "{messageId}"),
        ({"@literal": {"@path": "$.messageId"}}, "{messageId}"),
        (
            {
                "@if": {
                    "exists": {"@path": "$.userId"},
                    "then": {"@path": "$.userId"},
                    "else": {"@path": "$.messageId"},
                }
            },
            "{messageId}",
        ),
    ],
)
def test_expressions_that_can_yield_one_id_are_a_lint(expression: Any, shape: str) -> None:
    """They differ as written only, or in some cases only."""
    (found,) = linted(subscription(), subscription(fields={"transaction_id": expression}, name="B"))
    assert str(found) == (
        "c.yml:6: subscriptions[1].mapping.transaction_id: transaction_id can be the same as that of "
        f'subscriptions[0] ("A"), both being made as {shape}, and one event can match both triggers: Metronome would '
        'keep only the first. Give each its own ids, as in {"@template": "{{messageId}}-2"}, or triggers that exclude '
        "each other. [transaction-id-shared]"
    )


def sampled(fields: dict[str, Any], *properties: Any) -> list[str]:
    events = [
        {
            "type": "track",
            "messageId": "m",
            "timestamp": "2026-11-01",
            "context": {"groupId": "g"},
            "properties": p,
        }
        for p in properties
    ]
    found = linted(subscription(fields=fields), sample=[*events, {"type": "page", "properties": {"x": 1}}])
    return [str(lint).removeprefix("c.yml:5: subscriptions[0].mapping.") for lint in found]


EMPTY = (
    "customer_id: customer_id is empty in {} of {} sampled events that match: they would be rejected. Fall back on "
    'another field with {{"@if": {{"exists": …, "then": …, "else": …}}}}, or narrow the trigger. [customer-id-empty]'
)


def test_a_customer_id_that_is_often_empty() -> None:
    """Missing, null or empty in one of twenty or more; events of other types do not count."""
    fields = {"customer_id": {"@path": "$.properties.x"}}
    assert sampled(fields, {}, {"x": "a"}) == [EMPTY.format(1, 2)]
    assert sampled(fields, {"x": None}, {"x": ""}) == [EMPTY.format(2, 2)]
    assert sampled(fields, *[{"x": "a"}] * 19, {}) == [EMPTY.format(1, 20)]
    assert sampled(fields, *[{"x": "a"}] * 20, {}) == []


def test_a_fallback_fills_an_empty_customer_id() -> None:
    """Empty is only what is empty at every path."""
    both = {
        "exists": {"@path": "$.properties.x"},
        "then": {"@path": "$.properties.x"},
        "else": {"@path": "$.messageId"},
    }
    assert sampled({"customer_id": {"@if": both}}, {}) == []
    assert sampled({"customer_id": "all"}, {}) == []


def test_ids_from_numbers_beyond_what_javascript_holds() -> None:
    """2^53 itself is held exactly."""
    fields = {"transaction_id": {"@template": "{{properties.n}}-x"}}
    assert sampled(fields, {"n": 2**53}, {"n": "99999999999999999999"}) == []
    assert sampled(fields, {"n": 2**53 + 1}) == [
        (
            "transaction_id: transaction_id is made from numbers beyond 2^53 (properties.n): as in Segment their last "
            "digits are rounded, so different events can get one id and only the first of them is billed. Use an id that "
            "is text, such as messageId. [transaction-id-number]"
        )
    ]


def test_epoch_timestamps() -> None:
    """Seconds as a number, or any epoch as text; milliseconds as a number are what Segment takes."""
    fields = {"timestamp": {"@path": "$.properties.at"}}
    fix = "Send ISO 8601 times, or epoch milliseconds as a number. [timestamp-epoch]"
    assert sampled(fields, {"at": 1709618828123}, {"at": "2024-03-05"}, {"at": None}) == []
    for seconds in (1709618828, 1709618828.5):
        assert sampled(fields, {"at": seconds}) == [
            "timestamp: properties.at holds epoch seconds, and Segment takes a number for milliseconds: January 1970. "
            + fix
        ]
    for text in ("1709618828", "1709618828123"):
        assert sampled(fields, {"at": text}) == [
            (
                "timestamp: properties.at holds digits as text, which Segment reads as a year, month and day, not as an "
                f"epoch. {fix}"
            )
        ]


def test_a_sample_may_be_a_table_of_either_layout() -> None:
    """As the sources yield it."""
    checked = config(
        subscription('event = "job"', fields={"customer_id": {"@path": "$.properties.customerId"}})
    )
    flat = pa.table({"event_text": ["job", "job"], "customer_id": ["c", None]})
    nested = pa.table({"event": ["job", "job"], "properties": [{"customerId": "c"}, {"customerId": None}]})
    for table, layout in ((flat, "warehouse"), (nested, "segment")):
        found = lints(checked, [Events(table, layout)])  # type: ignore[arg-type]
        assert [lint.code for lint in found] == ["customer-id-empty"]


def test_a_sample_without_matching_events_says_nothing() -> None:
    """Nor does an empty one."""
    assert linted(subscription(), sample=[{"type": "page"}]) == []
    assert linted(subscription(), sample=[]) == []


def test_a_file_is_checked_in_one_go(tmp_path: Path) -> None:
    """What the config, its triggers and its mappings have wrong, together and in the order of the file."""
    path = tmp_path / "c.yml"
    path.write_text(
        HEAD.replace("account: a", "acount: a")
        + "  - {name: A, trigger: 'type = &', mapping: {transaction_id: a}}\n"
        + "  - {name: B, trigger: 'type &'}\n"
    )
    found = check_config(path, {})
    assert found.config is None
    assert found.lints == ()
    assert found.problems == (
        f"{path}:3: destination.account is missing",
        f'{path}:3: destination.acount is not a known key; did you mean "account"?',
        (
            f"{path}:5: subscriptions[0].mapping should name all five fields, but has no customer_id, timestamp, "
            "event_type, properties"
        ),
        (
            f"{path}:6: subscriptions[1].trigger is invalid at character 6: the character '&' has no place outside a "
            "string"
        ),
    )


def test_a_file_with_surprises_only(tmp_path: Path) -> None:
    """Its config is there to be used."""
    path = tmp_path / "c.yml"
    path.write_text(HEAD + "  - {name: A, trigger: event = null}\n")
    found = check_config(path, {})
    assert (found.problems, [lint.code for lint in found.lints]) == ((), ["fql-null-text"])
    assert found.config is not None


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """The only thing that is raised."""
    with pytest.raises(ConfigError, match="the config cannot be read: No such file or directory"):
        check_config(tmp_path / "c.yml", {})


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["$.userId", "$.", "{{x}}", "{{ $.a }}", "", "left"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["exists", "blank", "then", "else", "value", "mode", "objects", "x"]), inner
        )
        | st.builds(
            lambda name, argument: {name: argument},
            st.sampled_from(
                [
                    *(
                        "@path",
                        "@template",
                        "@if",
                        "@case",
                        "@json",
                        "@merge",
                        "@replace",
                        "@flatten",
                        "@liquid",
                    ),
                    *("@literal", "@arrayPath", "@transform", "@excludeWhenNull", "@nope"),
                ]
            ),
            inner,
        )
    ),
    max_leaves=12,
)


@given(JSON, JSON)
def test_any_mapping_can_be_checked(one: Any, other: Any) -> None:
    """Nothing is raised, whatever JSON its fields are."""
    first = subscription(fields={"transaction_id": one, "properties": other})
    second = subscription(fields={"transaction_id": other, "timestamp": one}, name="B")
    checked = config(first, second)
    assert all(str(found) for found in (*problems(checked), *lints(checked)))
