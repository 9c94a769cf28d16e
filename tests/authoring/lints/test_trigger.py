"""What is said of surprising triggers, in these words; and that Segment's matching really is like that."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.authoring.lints.trigger import trigger_findings
from etl.transform.columns.tracks import Events
from etl.transform.fql import FqlError, compile_trigger
from tests.authoring.lints.support import linted, subscription

PASSED_OVER = (
    "as though it were not there: only type, event, name, userId, properties.*, traits.* and context.* can be "
    "compared (and type not by functions). Test a field that can be compared, or take the condition out. "
    "[fql-ignored-condition]"
)
MIXED = (
    '"and" and "or" are mixed in one group: Segment takes the last one, "{0}", for all of it. Put the conditions that '
    "belong together in parentheses of their own. [fql-mixed-and-or]"
)

MESSAGES = {
    'type = "a" and event = "b" or event = "c"': [MIXED.format("or")],
    'type = "a" or event = "b" and event = "b"': [MIXED.format("and")],
    'type="track" and (contains(event,"z") or properties.n=6)': [
        MIXED.format("or"),
        (
            'the contains() at character 19 is inside parentheses, and Segment ends the group at its ")": what follows, '
            'and the "and"/"or" before it, belong to the outer group. Keep contains() outside of parentheses, or split '
            "the trigger into two subscriptions. [fql-function-in-parentheses]"
        ),
    ],
    '!(type="track")': [
        (
            'the "!" at character 1 has no effect: Segment negates functions only, not parentheses. Negate each condition '
            "inside instead. [fql-negated-parentheses]"
        )
    ],
    'type = "track" and ()': [
        (
            "the parentheses at character 20 hold no condition: Segment fails on every event that gets there. Take them "
            "out, or put a condition inside. [fql-empty-parentheses]"
        )
    ],
    "event = 'x'": [
        (
            "Segment strips double quotes only: 'x' is compared with its quotes included. Write \"x\". "
            "[fql-single-quotes]"
        )
    ],
    "contains(event, 'x')": [
        (
            "Segment strips double quotes only: 'x' is compared with its quotes included. Write \"x\". "
            "[fql-single-quotes]"
        )
    ],
    'messageId = "x" and type="track"': [f'Segment passes over `messageId = "x"`, {PASSED_OVER}'],
    'contains(type,"x") or type="a"': [f'Segment passes over `contains(type,"x")`, {PASSED_OVER}'],
    'type="track" AND event="x"': [
        (
            '"AND" is no operator in FQL and is passed over. Use lower-case "and"/"or" between conditions, "!=" or '
            '"!contains(…)" to negate. [fql-ignored-word]'
        )
    ],
    'not type="track"': [
        (
            '"not" is no operator in FQL and is passed over. Use lower-case "and"/"or" between conditions, "!=" or '
            '"!contains(…)" to negate. [fql-ignored-word]'
        )
    ],
    'event = "a" )': [
        "Segment passes over `)` at character 13. Take it out, or write what was meant. [fql-ignored-text]"
    ],
    "properties.n >=5": [
        (
            'Segment reads `properties.n >=` as the operator ">" and the value "=", so the condition never matches what '
            "stands after it. Write `properties.n >= value`, with a space before the value. [fql-operator-spacing]"
        )
    ],
    'type == "track"': [
        (
            'Segment reads `type ==` as the operator "=" and the value "=", so the condition never matches what stands '
            "after it. Write `type = value`, with a space before the value. [fql-operator-spacing]"
        )
    ],
    'type "a"': [
        (
            'no operator follows type in `type "a"`, so the condition never matches. Use =, !=, <, <=, > or >=, with a '
            "space after it. [fql-unknown-operator]"
        )
    ],
    "(type =)": [
        (
            'there is no value after `type =`: Segment compares with the word "eos". Write the value, in double quotes if '
            "it is text. [fql-missing-value]"
        )
    ],
    "properties.items.0 = 1": [
        (
            "the path that begins with `properties.items.` goes on with a number, a string or a reserved word: Segment "
            "does not join it, and the condition never matches. Escape the first character of that part, as in "
            r"properties.\0. [fql-path-segment]"
        )
    ],
    "properties != null": [
        "`properties` alone looks at properties.properties. Name the key, as in properties.key. [fql-bare-object]"
    ],
    "event > 5": [
        (
            "event is text and `>` compares numbers only, so the condition never matches. Compare a number, or use = or "
            "contains(). [fql-never-matches]"
        )
    ],
    'properties.n <= "x"': [
        (
            "`properties.n <=` is compared with something that is no number, so it never matches. Compare with a number, "
            "without quotes. [fql-never-matches]"
        )
    ],
    "type = true": [
        (
            '`type = true` compares with the word "true". Compare with the text that was meant, in double quotes. '
            "[fql-never-matches]"
        )
    ],
    'type="track" and type="page"': [
        'type cannot equal two values at once, so no event matches. Join alternatives with "or". [fql-never-matches]'
    ],
    "properties.b != true": [
        (
            '`!= true` compares with the word "true", so it is true for every boolean. Write `= false`. '
            "[fql-always-matches]"
        )
    ],
    'properties.n = "5"': [
        (
            '`properties.n = "5"` compares text: for a number it is always false. Write 5 without quotes if properties.n '
            "is a number. [fql-number-quoted]"
        )
    ],
    'properties.n != "5"': [
        (
            '`properties.n != "5"` compares text: for a number it is always true. Write 5 without quotes if properties.n '
            "is a number. [fql-number-quoted]"
        )
    ],
    "event = null": [
        (
            '`event = null` compares with the word "null", so it is never true. Take it out: whether event is there '
            "cannot be tested. [fql-null-text]"
        )
    ],
    '!contains(userId, "@x")': [
        (
            "the negated condition on userId is false for an event that has no userId, so that event is not billed. If "
            "such events count, give them a subscription of their own with `userId = null`. [fql-negation-missing]"
        )
    ],
    "properties.n != 5": [
        (
            "the negated condition on properties.n is false for an event that has no properties.n, so that event is not "
            "billed. If such events count, give them a subscription of their own with `properties.n = null`. "
            "[fql-negation-missing]"
        )
    ],
    'match(event, "abc")': [
        (
            'match() knows one * at the end or the beginning: "abc" asks for texts that end with "bc". Write "text*" or '
            '"*text", or use contains(). [fql-match-pattern]'
        )
    ],
    'match(event, "*x*")': [
        (
            'match() knows one * at the end or the beginning: "*x*" asks for texts that begin with "*x". Write "text*" or '
            '"*text", or use contains(). [fql-match-pattern]'
        )
    ],
    "properties.n=an": [
        'Segment reads the last word, "an", as "a". Put the value in double quotes. [fql-cut-at-end]'
    ],
}


@pytest.mark.parametrize(("trigger", "messages"), MESSAGES.items(), ids=MESSAGES)
def test_surprise(trigger: str, messages: list[str]) -> None:
    """Where, what happens, what to write instead, and the code."""
    where = "c.yml:5: subscriptions[0].trigger: "
    assert [str(lint) for lint in linted(subscription(trigger))] == [where + message for message in messages]


@pytest.mark.parametrize(
    "trigger",
    [
        'type = "track"',
        'type = "track" and event = "job" and properties.units > 5',
        'type = "track" and (event = "a" or event = "b") and !contains(event, "test")',
        'type = "track" and (event = "a" or properties.plan != "free")',
        'event = "a" or event = "b" or match(event, "c*") or match(event, "*c")',
        'userId = null or userId != "x"',
        "properties.on = true and properties.off = false and traits.n >= 5 and context.n != null",
        'type = "track" and (userId != null) and !contains(userId, "@x")',
        'properties.n > "4"',
        r"properties.items.\0 = 1",
    ],
)
def test_no_surprise(trigger: str) -> None:
    """What means what it says is left alone."""
    assert linted(subscription(trigger)) == []


def test_a_missing_field_that_another_trigger_asks_about_was_thought_of() -> None:
    """As in configs/seed-example.yml: one subscription for events with a user, one for those without."""
    with_user = subscription('!contains(userId, "@x")')
    without = subscription("userId = null", name="B")
    assert [lint.code for lint in linted(with_user)] == ["fql-negation-missing"]
    assert linted(with_user, without) == []


@pytest.mark.parametrize(
    ("trigger", "event", "matches"),
    [
        ('type = "track" and event = "b" or event = "c"', {"type": "track"}, True),
        ('type="track" and (contains(event,"z") or properties.n=6)', {"type": "track"}, True),
        ('!(type = "track")', {"type": "track"}, True),
        ("event = 'x'", {"event": "x"}, False),
        ("event = 'x'", {"event": "'x'"}, True),
        ('anonymousId = "x" and type = "track"', {"type": "track"}, True),
        ('type = "page" OR type = "track"', {"type": "track"}, False),
        ("properties.n >=5", {"properties": {"n": 9}}, False),
        ('type == "track"', {"type": "track"}, False),
        ('event "a"', {"event": "a"}, False),
        ("event =", {"event": "eos"}, True),
        ("properties.items.0 = 1", {"properties": {"items": [1]}}, False),
        (r"properties.items.\0 = 1", {"properties": {"items": [1]}}, True),
        ("properties != null", {"properties": {"a": 1}}, False),
        ("event > 5", {"event": "9"}, False),
        ("properties.b != true", {"properties": {"b": True}}, True),
        ('properties.n = "5"', {"properties": {"n": 5}}, False),
        ('properties.n != "5"', {"properties": {"n": 5}}, True),
        ("event != null", {}, True),
        ('!contains(userId, "@x")', {}, False),
        ("properties.n != 5", {}, False),
        ('match(event, "abc")', {"event": "xbc"}, True),
        ("properties.n=an", {"properties": {"n": "a"}}, True),
    ],
)
def test_segment_does_what_the_lints_say(trigger: str, event: dict[str, Any], matches: bool) -> None:
    """The claims of the messages, against the matcher that the conformance cases hold to Segment's."""
    mask, errors = compile_trigger(trigger).matches(Events.of([event]))
    assert (mask.tolist(), errors) == ([matches], {})


WORDS = st.sampled_from(
    [
        *(
            "type",
            "event",
            "userId",
            "properties.n",
            "traits",
            "contains(",
            "match(",
            "messageId",
            "(",
            ")",
            "!",
            "!=",
        ),
        *(
            "=",
            ">",
            ">=",
            "<",
            "and",
            "or",
            "AND",
            '"a"',
            "'b'",
            "5",
            "null",
            "true",
            ",",
            "an",
            ".",
            "event,",
        ),
    ]
)


@given(st.lists(WORDS, max_size=25).map(" ".join))
def test_any_trigger_that_parses_can_be_linted(text: str) -> None:
    """Nothing is raised, whatever its words."""
    try:
        trigger = compile_trigger(text)
    except FqlError:
        return
    assert all(finding.message and finding.fix for finding in trigger_findings(trigger))


def test_a_trigger_of_100_kb_is_linted() -> None:
    """The work grows with the length of the trigger, not with its square: that would be minutes."""
    trigger = compile_trigger(" or ".join(f"properties.key{n} = {n}" for n in range(3500)))
    assert list(trigger_findings(trigger)) == []
