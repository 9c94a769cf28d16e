"""The table of answers as a pure function, and how little of a server's message is kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from etl.metronome.answers import Answer, clean, describe, doubt, excerpt, judge, property_values, retry_after

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)


def message(status: int, text: str) -> Answer:
    return Answer(status, "application/json", None, json.dumps({"message": text}).encode())


@pytest.mark.parametrize("status", [400, 413])
def test_400_and_413_are_halved(status):
    assert judge(Answer(status), 1) == "halve"


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 520, 529, 599])
def test_overload_and_server_errors_are_retried(status):
    assert judge(Answer(status), 1) == "retry"


@pytest.mark.parametrize(
    "status",
    [201, 202, 204, 206, 301, 302, 303, 307, 308, 401, 402, 403, 404, 405, 409, 410, 415, 418, 422, 451],
)
def test_every_other_status_stops(status):
    assert judge(Answer(status), 1) == "stop"


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200),
        Answer(200, "application/json", None, b"{}"),
        Answer(200, "application/json; charset=utf-8", None, b' {"ok": true}\n'),
        Answer(200, "text/plain", None, b"OK"),
        Answer(200, "text/html", None, b""),
        Answer(200, "application/json", None, b"  "),
    ],
)
def test_200_is_accepted(answer):
    """Metronome's reference has no body for it; which ones confirm is the table in docs/delivery.md."""
    assert judge(answer, 1) == "sent"
    assert judge(answer, 1, confirm="status") == "sent"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(200, "text/html", None, b"hello"), "with a web page in it"),
        (Answer(200, "application/xhtml+xml", None, b"hello"), "with a web page in it"),
        (Answer(200, "application/json", None, b"\n <!DOCTYPE html>"), "with a web page in it"),
        (Answer(200, "", None, b"\xef\xbb\xbf<html>"), "with a web page in it"),
        (Answer(200, "application/json", None, b'{"a":'), "with broken JSON in it"),
        (Answer(200, "", None, b'{"a":'), "with broken JSON in it"),
        (Answer(200, "", None, b"\x1f\x8b\xff"), "with a text in it that confirms nothing"),
        (Answer(200, "", None, b"OK, but not all"), "with a text in it that confirms nothing"),
        (Answer(200, "", None, b"503"), "with a value in it that confirms nothing"),
        (Answer(200, "", None, b'{"error": {"code": 1}}'), "with error in it"),
        (Answer(200, "", None, b'{"errors": "some"}'), "with errors in it"),
        (Answer(200, "", None, b'{"status": "503"}'), "with the status of a failure in it"),
        (Answer(200, "", None, b'{"accepted": 6}'), "with fewer accepted events in it than were sent"),
        (Answer(200, "", None, b'{"accepted": false}'), "with fewer accepted events in it than were sent"),
    ],
)
def test_200_in_doubt_stops(answer, why):
    assert doubt(answer, 7) == why
    assert judge(answer, 7) == "stop"
    assert judge(answer, 7, confirm="status") == "sent"


@pytest.mark.parametrize(
    "body", [b'{"accepted": true}', b'{"accepted": 7.0, "error": ""}', b'{"status": "ok"}', b"true"]
)
def test_200_that_says_nothing_against_it_is_accepted(body):
    assert judge(Answer(200, "", None, body), 7) == "sent"


def test_an_excerpt_has_no_properties_however_they_are_written():
    """As JSON, as a web page, cut off; and it is bounded."""
    values = {"Zoë <Doe>", 'a "b"', "12.50"}
    echo = json.dumps({"errors": [{"properties": {"name": "x y"}, "seen": 'Zoë <Doe> a "b" 12.50'}]})
    assert excerpt(Answer(200, "", None, echo.encode()), values) == (
        '{"errors": [{"properties": "…", "seen": "… … …"}]}'
    )
    page = b"<p>Zo\xc3\xab &lt;Doe&gt; is a &quot;b&quot;</p>\n" * 20
    assert excerpt(Answer(200, "", None, page), values) == ("<p>… is …</p> " * 20)[:199] + "…"
    cut = b'{"errors": "a \\"b\\" Zo\\u00eb <Doe>'
    assert excerpt(Answer(200, "", None, cut), values) == '{"errors": "… …'


def test_a_reason_is_status_and_message():
    assert describe(message(400, "customer_id must not be empty")) == "400: customer_id must not be empty"


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'"x"', b'{"message": 7}', b'{"message": ""}', b"\xff"]
)
def test_without_a_message_the_status_tells(body):
    assert describe(Answer(400, "", None, body)) == "400 Bad Request"
    assert describe(Answer(599, "", None, body)) == "599"


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ('bad value "hunter2" in "timestamp"', 'bad value … in "timestamp"'),
        ("bad value 'hunter2' here", "bad value … here"),
        ("bad value `hunter2`", "bad value …"),
        ("we can't and won't take 'it'", "we can't and won't take …"),
        ('an escaped "a \\" hunter2" quote', "an escaped … quote"),
        ('never closed "hunter2', "never closed …"),
        ('event {"a": {"b": "hunter2"}} refused', "event … refused"),
        ('event {"a": hunter2', "event …"),
        ("two\r\nlines\x1b[31m\tand\x00more", "two lines [31m and more"),
    ],
)
def test_quoted_and_echoed_text_is_blacked_out(text, cleaned):
    assert clean(text) == cleaned


def test_a_message_is_bounded():
    assert len(clean("word " * 500)) == 200


def test_property_values_are_blacked_out_wherever_they_stand():
    """Even unquoted; numbers digit for digit; but not inside other words, and not the names of fields."""
    body = json.dumps(
        {"properties": {"name": "Zoë Doe", "deep": [{"n": 12}], "b": True, "z": None, "e": " "}}
    )
    body = body.replace("12", "12.50")
    values = property_values([body, '{"properties": null}', "{}"])
    assert values == {"Zoë Doe", "12.50"}
    assert clean("Zoë Doe has 12.50, not 112.50 True", values) == "… has …, not 112.50 True"


def test_a_long_echo_leaves_nothing_behind():
    """The message is shortened after it was cleaned: half a value is a value too."""
    value = "secret " * 1000
    assert clean(f"bad {value.strip()} end", {value.strip()}) == "bad … end"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("7", 7),
        (" 1.5 ", 1.5),
        ("-3", 0),
        ("86400", 300),
        ("inf", 300),
        ("nan", 0),
        ("soon", 0),
        ("", 0),
        ("Fri, 20 Nov 2026 12:00:30 GMT", 30),
        ("Fri, 20 Nov 2026 12:00:30 -0000", 30),
        ("Fri, 20 Nov 2026 11:00:00 GMT", 0),
        ("Sat, 21 Nov 2026 12:00:00 GMT", 300),
    ],
)
def test_retry_after_in_seconds_or_as_a_date(header, seconds):
    assert retry_after(header, NOW) == seconds
