"""What README and docs show exists: commands, options, links, configs, Python."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import etl
from etl.authoring.check import check
from etl.cli import COMMANDS, SUMMARIES
from tests.support.cli_reference import PATH, commands
from tests.support.pages import PAGES, ROOT, Block, blocks, name_of

KNOWN = dict(commands())
#: Languages of code blocks whose lines are commands.
SHELLS = ("", "sh", "cron", "ini")


def code(page: Path) -> Iterator[str]:
    """Each line of shell blocks, each code span."""
    for block in blocks(*SHELLS):
        if block.page == name_of(page):
            yield from block.text.replace("\\\n", " ").splitlines()
    prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    yield from re.findall(r"`([^`\n]+)`", prose)


def called(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Each call of ``etl`` on a page: the line, and the words after ``etl``. A user may be called so, too."""
    for line in code(page):
        for words in re.findall(r"(?:^|bin/|(?<=[\s(]))etl((?: +[^\s|;&#)]+)+)", line):
            if re.match(r" ([a-z][a-z-]*|-h|--help|--version)( |$)", words):
                yield line, words.split()


CALLS = [(name_of(page), line, words) for page in PAGES for line, words in called(page) if page != PATH]


@pytest.mark.parametrize(("page", "line", "words"), CALLS, ids=[f"{page}: {line}" for page, line, _ in CALLS])
def test_commands_and_options_that_are_shown_exist(page: str, line: str, words: list[str]) -> None:
    """Each ``etl X --option`` in README and docs."""
    name, words = "etl", list(words)
    while words and f"{name} {words[0]}" in KNOWN:
        name = f"{name} {words.pop(0)}"
    options = [word.split("=")[0].rstrip(".,:)'\"") for word in words if word.startswith("-") and word != "-"]
    if name == "etl":
        assert set(options) <= {"--help", "-h", "--version"}, f"{page}: {line}"
        assert words[0].startswith("-"), f"{page}: there is no etl {words[0]}"
        return
    context = KNOWN[name]
    known = {"--help", "-h"} | {flag for param in context.command.params for flag in param.opts}
    assert set(options) <= known, f"{page}: {line}"
    if isinstance(context.command, click.Group) and words and not words[0].startswith(("-", "/")):
        pytest.fail(f"{page}: there is no {name} {words[0]}")


def test_the_docs_show_commands() -> None:
    """The search above finds what there is to find."""
    assert len(CALLS) > 20
    assert {words[0] for _, _, words in CALLS if words} >= {"run", "check", "backfill", "init", "fields"}


def test_every_command_has_a_summary_that_its_help_bears_out() -> None:
    """``etl --help`` must not import the commands to know what they do."""
    assert list(SUMMARIES) == list(COMMANDS)
    for name, summary in SUMMARIES.items():
        said = set(re.findall(r"\w+", summary.lower()))
        told = set(re.findall(r"\w+", (KNOWN[f"etl {name}"].command.help or "").lower()))
        assert len(said & told) >= len(said) / 2, f"{name}: {summary}"


def test_every_command_is_documented() -> None:
    """In README or in the reference."""
    text = (ROOT / "README.md").read_text(encoding="utf-8") + PATH.read_text(encoding="utf-8")
    assert [name for name in KNOWN if f"`{name}" not in text] == []


def test_help_fits_80_columns() -> None:
    """On any terminal."""
    for name, context in KNOWN.items():
        assert max(map(len, context.get_help().splitlines())) <= 80, name


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_python_that_is_shown_calls_what_is_public(block: Block) -> None:
    for name in re.findall(r"\betl\.(\w+)\(", block.text):
        assert name in etl.__all__, f"{block.page}: etl.{name}"


LINKS = [
    (page, target)
    for page in PAGES
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    if "://" not in target
]


@pytest.mark.parametrize(("page", "target"), LINKS, ids=[f"{name_of(page)}: {t}" for page, t in LINKS])
def test_links_lead_somewhere(page: Path, target: str) -> None:
    """Relative ones; of a place on a page, to one of its headings."""
    file, _, place = target.partition("#")
    to = page.parent / file if file else page
    assert to.exists(), f"{name_of(page)}: {target}"
    assert not place or place in anchors(to), f"{name_of(page)}: {target}"


def anchors(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yml")), ids=lambda path: path.name)
def test_every_config_that_is_shown_passes_check(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a token, a warehouse or the files it names."""
    for name in ("METRONOME_BEARER_TOKEN", "WAREHOUSE_URL", "STATE_URL"):
        monkeypatch.delenv(name, raising=False)
    result = check(str(path))
    assert (result.problems, result.lints) == ((), ())
