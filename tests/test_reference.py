"""The reference in docs/ says what the code says: made from it, or held against it row by row."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from etl.core.errors import EXIT_CODES
from etl.core.logs import EVENTS
from etl.core.report import FIELDS, Report
from etl.metronome.answers import Answer, judge
from etl.operations.alarms import ALARMS
from tests.support.reference import BLOCKS, pages, placed

ROOT = Path(__file__).parents[1]
DELIVERY = (ROOT / "docs" / "delivery.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_what_is_made_from_the_code_is_current(page: Path) -> None:
    """``python -m tests.support.reference`` writes it anew."""
    assert page.read_text(encoding="utf-8") == pages()[page]


def test_every_table_has_its_place_and_only_one() -> None:
    assert sorted(placed()) == sorted(BLOCKS)


def test_the_fields_that_are_told_are_those_of_a_report() -> None:
    assert list(FIELDS) == list(Report().as_dict())


def calls(*names: str) -> set[str]:
    """The first argument of calls of these names in the package, where it is a text."""
    found = set()
    for path in (ROOT / "etl").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = getattr(node.func, "attr", None) or getattr(node.func, "id", None)
                if name in names and isinstance(node.args[0].value, str):
                    found.add(node.args[0].value)
    return found


def test_the_log_events_that_are_told_are_those_that_are_logged() -> None:
    """Each by its name; its level is that of ``EVENTS``."""
    assert calls("tell") == set(EVENTS)


def test_the_alarms_that_are_told_are_those_that_fire() -> None:
    assert calls("Alarm") == set(ALARMS)


@pytest.mark.parametrize("page", ["README.md", "docs/scheduling.md"])
def test_exit_codes_mean_the_same_everywhere(page: str) -> None:
    """Pages with more columns than what they mean."""
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \|", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert {int(code): meaning for code, meaning in rows} == EXIT_CODES


#: What a row of the table says → what the code does.
ACTIONS = {"accepted": "sent", "halved": "halve", "the same ids again": "retry", "the delivery stops": "stop"}


def answers() -> list[tuple[str, str]]:
    """Statuses as the table tells them, and the action of their row; time-outs and bodies are left out."""
    (rows,) = re.findall(r"\| answer \|.*\n\|[-|]+\n((?:\|.*\n)+)", DELIVERY)
    cells = [[cell.strip() for cell in row.split("|")[1:3]] for row in rows.splitlines()]
    plain = [(told, what) for told, what in cells if re.match(r"\d|any other", told) and "page" not in told]
    return [(told, next(a for words, a in ACTIONS.items() if words in what)) for told, what in plain]


def test_the_table_of_answers_is_what_the_code_does() -> None:
    """Each status from 200 to 599 is dealt with as its row says, and one that is not named as the last row says."""
    named: dict[int, str] = {}
    *rows, (other, rest) = answers()
    assert other.startswith("any other")
    for told, action in rows:
        codes = [int(code) for code in re.findall(r"\b\d{3}\b", told)]
        codes += [code for code in range(500, 600) if "every 5xx" in told]
        named |= dict.fromkeys(codes, action)
    assert {code: judge(Answer(code), 1) for code in range(200, 600)} == {
        code: named.get(code, rest) for code in range(200, 600)
    }
