"""What holds for every directive of the table: arguments of any kind are compiled, checked and linted."""

from __future__ import annotations

from typing import Any

import pytest

from etl.authoring.lints import CODES
from etl.transform import columns
from etl.transform.columns.tracks import Values
from etl.transform.mapping.compiler import compile_mapping, problems
from etl.transform.mapping.directives import DIRECTIVES

PATH = {"@path": "$.properties.a"}
ARGUMENTS: list[Any] = [
    None, True, 5, "", "a.b", "{{a}}", [], [PATH, {"b": PATH}], {}, PATH, {"value": PATH, "a": {"b": None}}, {"@no": 1},
]  # fmt: skip
EVENTS = Values([{}, {"properties": {"a": "x"}}, {"properties": {"a": [1, None]}}])


@pytest.mark.parametrize("name", DIRECTIVES)
@pytest.mark.parametrize("argument", ARGUMENTS, ids=repr)
def test_any_argument_is_answered(name: str, argument: Any) -> None:
    """A column as long as the events, or problems; inside a list, where nothing is checked, always a column."""
    mapping = compile_mapping({"f": {name: argument}, "list": [{name: argument}]})
    assert list(mapping.problems) == problems({"f": {name: argument}})
    unchecked = compile_mapping({"list": [{name: argument}]}).resolve(EVENTS)
    assert len(columns.cells(unchecked.columns["list"])) == len(EVENTS)


@pytest.mark.parametrize("name", DIRECTIVES)
@pytest.mark.parametrize("argument", ARGUMENTS, ids=repr)
def test_any_argument_is_linted(name: str, argument: Any) -> None:
    """With codes that the directive declares, and paths as text."""
    directive = DIRECTIVES[name]
    assert {code for code, _, _ in directive.lint(argument)} <= set(directive.codes) <= set(CODES)
    assert all(isinstance(path, str) for path in directive.reads(argument))


def test_each_has_a_name_and_a_line_of_documentation() -> None:
    """No two share a lint code."""
    codes = [code for directive in DIRECTIVES.values() for code in directive.codes]
    assert len(codes) == len(set(codes))
    assert all(
        name.startswith("@") and directive.meaning.endswith(".") for name, directive in DIRECTIVES.items()
    )
