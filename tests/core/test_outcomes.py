"""The table of outcomes is the only place that lists them: a new row shows everywhere without another line."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import etl
from etl.core import outcomes

PACKAGE = Path(etl.__file__).parent
ROOT = PACKAGE.parent
#: The code that decides which of them applies.
DECIDES = {"pipeline/precedence.py", "state/dead_letters.py"}


def lists(path: Path) -> list[int]:
    """Lines with a tuple, list, set or dict that spells out three outcomes or more."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Tuple(elts=some) | ast.List(elts=some) | ast.Set(elts=some) | ast.Dict(keys=some):
                texts = {one.value for one in some if isinstance(one, ast.Constant)}
                if len(texts & outcomes.BY_NAME.keys()) > 2:
                    found.append(node.lineno)
    return found


def test_no_other_module_lists_outcomes() -> None:
    modules = {str(path.relative_to(PACKAGE)): path for path in PACKAGE.rglob("*.py")}
    assert {name: lines for name, path in modules.items() if (lines := lists(path))}.keys() <= DECIDES


def test_no_statement_or_style_names_one() -> None:
    places = [*ROOT.joinpath("sql").rglob("*.sql"), *PACKAGE.rglob("*.css"), *PACKAGE.rglob("*.html")]
    names = re.compile(r"\b(already_sent|too_old|in_future)\b")
    assert [path for path in places if names.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("page", ["README.md", "docs/report.md", "docs/operating.md"])
def test_the_sum_is_told_with_every_outcome_in_the_order_of_the_table(page: str) -> None:
    text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
    assert f"matched = {' + '.join(outcomes.OUTCOMES)}" in text


@pytest.mark.parametrize("outcome", outcomes.TABLE, ids=lambda outcome: outcome.name)
def test_a_row_says_what_it_means_in_a_line_and_what_to_do(outcome: outcomes.Outcome) -> None:
    assert len(outcome.meaning) <= 56
    assert outcome.advice or not outcome.to_look_at or outcome.name == "rejected"
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in outcome.colours)


#: In a process of its own, the table with one row more, before anything is made from it.
ERRAND = """
import re, sys, types
from pathlib import Path
import etl.core

path = Path(etl.core.__file__).with_name("outcomes.py")
row = 'Outcome("misfit", "fits nowhere", TO_LOOK_AT, ("#010203", "#040506"), "Make it fit.")'
text = re.sub(r'    Outcome\\(\\s*"unsent"', lambda unsent: f'    {row},\\n{unsent[0]}', path.read_text())
table = types.ModuleType("etl.core.outcomes")
sys.modules["etl.core.outcomes"] = etl.core.outcomes = table
exec(compile(text, str(path), "exec"), vars(table))

import json
from click.testing import CliRunner
from etl import airflow
from etl.cli.dead_letters import command
from etl.cli.output import summary
from etl.core.report import FIELDS, Counts, Report
from etl.core.windows import ALL_TIME
from etl.operations.report import plots
from etl.operations.report.advice import advice
from etl.operations.report.books import RunLine
from etl.operations.report.dead_letters import Reason
from tests.support.reference import BLOCKS

counts = Counts()
counts.add("matched", {"a": 3})
counts.add("misfit", {"a": 2})
report = Report(counts=counts, window=ALL_TIME, complete=True)
print(json.dumps({
    "fields": "misfit" in FIELDS,
    "json": report.as_dict()["misfit"],
    "unsent": report.unsent,
    "to look at": report.to_look_at,
    "summary": any(line.split()[:2] == ["misfit", "2"] for line in summary(report)),
    "run": RunLine("", "", "", "", *[None] * 4, None, counts.as_dict(), None).to_look_at,
    "style": ".o-misfit" in plots.colours() and "#040506" in plots.colours(),
    "advice": advice(Reason("misfit", "", "", 1, 0, 1, 1), "c.yml").text,
    "option": "misfit" in CliRunner().invoke(command, ["list", "--help"]).output,
    "airflow": "2 misfit" in airflow._to_look_at(report.as_dict()),
    "docs": [name for name, make in BLOCKS.items() if "misfit" in make()],
}))
"""


def test_a_new_outcome_is_one_row() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", ERRAND], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {
        "fields": True,
        "json": 2,
        "unsent": 1,
        "to look at": 2,
        "summary": True,
        "run": 2,
        "style": True,
        "advice": "Make it fit.",
        "option": True,
        "airflow": True,
        "docs": ["report-fields", "outcomes", "letters"],
    }
