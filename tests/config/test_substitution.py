"""``${VAR}``, ``${VAR:-default}`` and ``${file:…}`` in values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.config.support import SMALLEST, load, problems

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("${ACCOUNT}", "production"),
        ("eu-${ACCOUNT}-${NUMBER}", "eu-production-7"),
        ("${UNSET:-sandbox}", "sandbox"),
        ("${EMPTY:-sandbox}", "sandbox"),
        ("${ACCOUNT:-sandbox}", "production"),
        ("x${UNSET:-}", "x"),
        ("$${ACCOUNT}", "${ACCOUNT}"),
        ("${{ACCOUNT}}", "${{ACCOUNT}}"),
        ("$ACCOUNT", "$ACCOUNT"),
        ("${NESTED}", "${ACCOUNT}"),
        ("${UNSET:-a:-b}", "a:-b"),
    ],
)
def test_values_from_the_environment(written: str, meant: str) -> None:
    """Filled in once, wherever they stand in a value."""
    env = {"ACCOUNT": "production", "NUMBER": "7", "EMPTY": "", "NESTED": "${ACCOUNT}"}
    config = load(SMALLEST.replace("{account: sandbox}", f"{{account: '{written}'}}"), env)
    assert config.destination.account == meant


def test_numbers_booleans_and_durations_may_come_from_the_environment() -> None:
    """The text is read as the key asks."""
    keys = "events_per_second: '${RATE}', gzip: '${GZIP}', max_age: '${AGE}', connections: '${N:-4}'"
    env = {"RATE": "12.5", "GZIP": "true", "AGE": "30d"}
    destination = load(SMALLEST.replace("sandbox}", f"sandbox, {keys}}}"), env).destination
    assert (destination.events_per_second, destination.gzip, destination.connections) == (12.5, True, 4)
    assert destination.max_age.days == 30


def test_mappings_and_triggers_are_filled_in_as_well() -> None:
    """And templates of Segment's, even after a dollar sign, are left alone."""
    text = SMALLEST.replace(
        "- name: Tracks",
        "- name: Tracks\n    trigger: event = \"${EVENT}\"\n    mapping: {transaction_id: {'@template': '${{messageId}}'},"
        " customer_id: '${CUSTOMER:-c}', timestamp: t, event_type: e, properties: {}}",
    )
    (subscription,) = load(text, {"EVENT": "job"}).subscriptions
    assert subscription.trigger == 'event = "job"'
    assert subscription.mapping["transaction_id"] == {"@template": "${{messageId}}"}
    assert subscription.mapping["customer_id"] == "c"


def test_a_missing_variable_is_a_problem_wherever_it_is_needed() -> None:
    """Told once, and not again as a wrong value."""
    text = SMALLEST.replace("usage", "${P}").replace("exports", "'${DIR}/x'").replace("sandbox}", "'${A}'}")
    assert problems(text) == [
        "1: pipeline needs the environment variable P, which is not set",
        "2: source.path needs the environment variable DIR, which is not set",
        "5: destination.account needs the environment variable A, which is not set",
    ]


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    """It says so, and no more."""
    (tmp_path / "f").write_bytes(b"\xff\xff")
    text = SMALLEST.replace("sandbox", f"'${{file:{tmp_path}/f}}'")
    assert problems(text) == [
        f"5: destination.account needs the file {tmp_path}/f, which cannot be read: not UTF-8 text"
    ]


def test_keys_are_not_filled_in() -> None:
    """Only values are."""
    assert problems(SMALLEST + "'${A}': 1\n", {"A": "state"})[0].startswith("6: ${A} is not a known key")
