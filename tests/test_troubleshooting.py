"""docs/troubleshooting.md has every message that people can be shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.messages import first_sentence, messages

TEXT = " ".join(
    (Path(__file__).parents[1] / "docs" / "troubleshooting.md").read_text(encoding="utf-8").split()
)

#: Never a message of its own: the reason inside one that is told, or why one event was rejected.
INSIDE = {
    "failed inside this program": "the reason of a request that got no answer",
    "Cannot read properties of null (reading 'personas')": "Segment's own words, the reason of a dead letter",
    "Cannot read properties of null (reading 'computation_class')": "the same",
}


@pytest.mark.parametrize("message", messages(), ids=lambda message: message.text)
def test_every_message_is_there(message) -> None:
    """Its first sentence, with … for what differs from case to case."""
    assert message.text in INSIDE or message.text in TEXT, f"{message.where}: {message.text}"


def test_what_is_inside_others_is_still_raised() -> None:
    assert INSIDE.keys() <= {message.text for message in messages()}


def test_messages_are_found() -> None:
    """Those that are raised as they stand, made by a function, or put together from pieces."""
    found = {message.text for message in messages()}
    assert found >= {
        "source.path … matches no file",
        "pipeline …: the window … is being run by another process",
        "the trigger or mapping of subscription … has changed since it was last run",
        "should name all five fields, but has no",
        "interrupted: what was in flight was finished and recorded, the window is not complete",
    }
    assert len(found) > 120


def test_the_first_sentence_of_a_message_ends_where_advice_begins() -> None:
    assert first_sentence("state.url: cannot lock …: …. The file system must.") == "state.url: cannot lock"
    assert first_sentence("… holds …, which no demo made; name another") == "holds …, which no demo made"


def test_every_heading_and_row_is_a_message_of_the_code() -> None:
    """What the page quotes was not reworded since: the longest run of fixed words is in the package's source."""
    package = Path(__file__).parents[1] / "etl"
    code = " ".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
    code = _unquoted(re.sub(r'"\s+f?"', "", " ".join(code.split())))
    page = (package.parent / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    page = re.sub(r"^## Exit 1:.*?(?=^## )", "", page, flags=re.DOTALL | re.MULTILINE)  # examples of reasons
    cells = re.findall(r"^### (`.+)$|^\| (`.+?) \| ", page, re.MULTILINE)
    quoted = re.findall(r"`([^`]+)`", " ".join(heading or cell for heading, cell in cells))
    fixed = {
        text: max(re.split(r"\s*…[\s,.:;]*", _unquoted(text).removeprefix("state.url: ")), key=len).strip(
            " .()"
        )
        for text in quoted
    }
    assert [text for text in quoted if fixed[text] not in code] == []


def _unquoted(text: str) -> str:
    text = re.sub(r"\{\w+!?[^{}]*\}", "…", text)
    return re.sub(r"[\\\"']", "", text)
