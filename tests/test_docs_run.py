"""Every command, every Python block, every config and every query that README and docs show is run or checked.

Shell lines run in bash, page by page and in their order, in a folder with an export made by the sample generator and a
config that bills the local stand-in; ``etl`` is the real command. What needs another machine or a network is named in
``ELSEWHERE``, with the test that runs it. A program that is in neither list fails: add it to one of them.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from etl.config.loading import draft_text
from etl.operations.metrics import FIGURES
from etl.standin import Standin
from tests.support.command import Command
from tests.support.pages import PAGES, ROOT, Block, blocks, lines, programs
from tests.support.place import DOCS_TODAY, Place, moved

#: Programs that run here; builtins and what every system has.
HERE = {"cp", "etl", "export", "head", "rm", "sqlite3"}

#: Program → where it is run as the docs show it.
ELSEWHERE = {
    "make": ".ci/run",
    "pip": "tests/test_wheel.py",
    "systemctl": "tests/torture/test_systemd.py",
    "journalctl": "tests/torture/test_systemd.py",
    "airflow": "tests/torture/test_airflow_scheduler.py",
    "opentelemetry-instrument": "tests/operations/test_tracing.py",
    "docker": "tests/torture/test_container.py",  # by podman, which takes the same
    "kubectl": "tests/test_container.py",  # what it is given; no cluster here
}

#: Page → what is run there on a machine that may be changed, and the test that has one.
ON_A_MACHINE = {
    "docs/scheduling.md": (
        {"useradd", "install", "python3", "sed", "echo", "setpriv", "cp"},
        "tests/torture/test_systemd.py",
    )
}

#: Language of a block → where it is held, if not here.
LANGUAGES = {
    "": "a drawing or an output; never a command",
    "cron": "tests/test_scheduling_docs.py",
    "ini": "tests/test_scheduling_docs.py",
    "fql": "tests/authoring/lints/test_docs.py",
    "json": "tests/authoring/lints/test_docs.py",
    "ndjson": "tests/authoring/lints/test_docs.py",
}
RUN_HERE = {"sh", "python", "yaml", "sql"}

#: Pages whose SQL no test can run: there is no such warehouse here, and the pages say so.
NO_SUCH_WAREHOUSE = {
    f"docs/sources/{name}.md" for name in ("redshift", "snowflake", "bigquery", "databricks")
}


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for the PATH with ``etl``, and with a ``sqlite3`` where the system has none."""
    folder = tmp_path_factory.mktemp("bin")
    with Command(folder):
        shim = folder / "sqlite3"
        shim.write_text(
            f"#!{sys.executable}\nimport sqlite3, sys\nsqlite3.connect(sys.argv[1]).execute(sys.argv[2])\n"
        )
        shim.chmod(0o755)
        yield folder


@pytest.fixture
def place(tmp_path: Path, standin: Standin, command: Path, request: pytest.FixtureRequest) -> Place:
    place = Place(tmp_path / "place", standin, command)
    if "docs/operating.md" in request.node.name:
        place.env["STATE_URL"] = request.getfixturevalue("postgres")
    return place


# --------------------------------------------------------------------------------------------- shell


def _rejected(place: Place, name: str) -> None:
    """An event without a group has come, and was met by a run."""
    place.receive(messageId=name)
    assert place.run("etl run -c etl.yml --quiet").returncode == 1


def _alarms(place: Place) -> None:
    (shown,) = [block for block in blocks("yaml") if "unbillable_in: 7d      # a week" in block.text]
    place.edit(alarms=YAML().load(shown.text)["alarms"])


def _repair(place: Place) -> None:
    """The versions of the page, cut where the last run ended."""
    _rejected(place, "to-repair")
    (shown,) = [block for block in blocks("yaml") if "# corrected" in block.text]
    until = json.loads(place.run("etl status -c etl.yml --json").stdout)["watermark"]
    place.edit(subscriptions=YAML().load(shown.text.replace("2026-11-20", until))["subscriptions"])


def _broken(place: Place) -> None:
    """Half a file has come."""
    (place.path / "exports" / "tracks" / "half.parquet").write_bytes(b"PAR1")
    assert place.run("etl run -c etl.yml --quiet").returncode == 3


def _let_go(place: Place) -> None:
    """What was discarded before this line holds back no run."""
    assert place.run("etl run -c etl.yml --quiet").returncode == 1
    (place.path / "exports" / "tracks" / "half.parquet").unlink()
    place.run("etl run -c etl.yml --quiet")  # says that it has vanished
    assert place.run("etl run -c etl.yml --quiet").returncode == 0
    place.forget("to-")


def _move(place: Place) -> None:
    place.edit(state={"url": "${STATE_URL}"}, source={"start": moved("2026-11-18")})


#: A line of the operating guide, or the beginning of a block → what has happened in the world before it.
STORY: dict[str, Callable[[Place], None]] = {
    "etl status -c etl.yml --alarms": _alarms,
    "etl dead-letters show NUMBER": lambda place: _rejected(place, "to-retry"),
    "etl dead-letters retry NUMBER": lambda place: place.receive(
        messageId="to-retry", context='{"groupId": "acme"}'
    ),
    "etl dead-letters discard --outcome rejected -c": lambda place: _rejected(place, "to-discard"),
    "etl check -c etl.yml --online\netl dead-letters retry": _repair,
    "etl dead-letters list --outcome broken": _broken,
    "etl amend -c etl.yml --dry-run\netl map": _let_go,
    "etl run -c etl.yml\netl status -c etl.yml": _move,
}


def _before(place: Place, text: str) -> None:
    """Lines are looked up as lines, blocks as blocks of several."""
    for beginning, happen in STORY.items():
        if text.startswith(beginning) and ("\n" in beginning) == ("\n" in text):
            happen(place)


SHELL: dict[str, list[Block]] = {}
for _block in blocks("sh"):
    SHELL.setdefault(_block.page, []).append(_block)
SHELL_LINES = [(block.page, line) for page in SHELL.values() for block in page for line in lines(block.text)]


def called(line: str) -> set[str]:
    return {Path(name).name for name in programs(line)}


def on_a_machine(page: str) -> set[str]:
    return ON_A_MACHINE.get(page, (set(), ""))[0]


@pytest.mark.parametrize(("page", "line"), SHELL_LINES, ids=[f"{page}: {line}" for page, line in SHELL_LINES])
def test_every_program_is_run_somewhere(page: str, line: str) -> None:
    unknown = [name for name in called(line) if name not in HERE | ELSEWHERE.keys() | on_a_machine(page)]
    assert unknown == [], f"{page}: run it here, or name in ELSEWHERE the test that does"


@pytest.mark.parametrize(
    "where",
    sorted(
        {*ELSEWHERE.values(), *(test for _, test in ON_A_MACHINE.values()), *list(LANGUAGES.values())[1:]}
    ),
)
def test_what_is_run_elsewhere_has_its_test(where: str) -> None:
    assert (ROOT / where).is_file()


def test_nothing_is_named_that_no_page_shows() -> None:
    shown = set().union(*(called(line) for _, line in SHELL_LINES))
    assert sorted({*HERE, *ELSEWHERE} - shown) == []


@pytest.mark.parametrize("page", SHELL)
def test_the_commands_of_a_page_do_what_it_says(page: str, place: Place) -> None:
    """Each exits 0, or as its comment says (``# exits 1: …``); in a place where the job has run, unless it begins here."""
    here = [
        block
        for block in SHELL[page]
        if not any(called(line) & on_a_machine(page) for line in lines(block.text))
    ]
    shown = [line for block in here for line in lines(block.text) if called(line) <= HERE]
    if any("--out etl.yml" in line for line in shown):
        (place.path / "etl.yml").unlink()
    else:
        assert place.run("etl run -c etl.yml --quiet").returncode == 0
    for block in here:
        _before(place, block.text.strip())
        for line in lines(block.text):
            if called(line) <= HERE:
                _before(place, line)
                _run(place, page, line)
    accepted = place.standin.ids()
    assert len(accepted) == len(set(accepted))
    if page == "docs/operating.md":  # what its story ends with
        assert {"to-retry", "to-repair"} <= set(accepted)


def _run(place: Place, page: str, line: str) -> None:
    if exported := re.match(r"\s*export (\w+)=(.*)", line):
        place.env.setdefault(exported[1], exported[2].partition("#")[0].strip(" '\""))
        return
    ran = place.run(line)
    expected = re.search(r"#.*\bexits (\d+):", line)
    code = int(expected[1]) if expected else 0
    assert ran.returncode == code, (
        f"{page}: {line}\nexit {ran.returncode}\n{ran.stdout[-2000:]}\n{ran.stderr[-3000:]}"
    )
    assert "unexpected" not in ran.stderr


#: Spans that name an option, and are no whole command.
PARTS = {
    "etl backfill --json",
    "etl dead-letters discard",
    "etl dead-letters show",
    "etl parity --expected",
    "etl state erase",
    "etl state export",
}


def spans() -> list[str]:
    """Commands with arguments amid sentences and in tables."""
    prose = [
        re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        for page in PAGES
    ]
    found = [span for text in prose for span in re.findall(r"`(etl [a-z-]+ [^`\n…]+)`", text)]
    return [span for span in dict.fromkeys(found) if span not in PARTS and "COMMAND" not in span]


def test_commands_in_sentences_run(place: Place) -> None:
    """With T, FILE and the config filled in; what they are shown for may be something to look at."""
    day = DOCS_TODAY  # which a place takes for today
    assert place.run("etl run -c etl.yml --quiet").returncode == 0
    for span in spans():
        line = span.replace("-c FILE", "-c etl.yml").replace("FILE", "figures.prom")
        line = line.replace("T", f"{day - timedelta(days=2)}", 1).replace("T", f"{day}", 1)
        line += "" if "-c etl.yml" in line or "etl init" in line else " -c etl.yml"
        ran = place.run(line.replace("etl init", "etl init --out own.yml"))
        assert ran.returncode in (0, 1), f"{line}\n{ran.stderr}"


# -------------------------------------------------------------------------------------------- Python


PYTHON = [block for block in blocks("python") if "airflow.sdk" not in block.text]


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python_runs(block: Block, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``events`` at hand; DAGs run in tests/test_airflow.py."""
    monkeypatch.chdir(place.path)
    for name, value in place.env.items():
        monkeypatch.setenv(name, value)
    events = [json.loads(line) for line in (place.path / "sample.ndjson").read_text().splitlines()]
    exec(compile(block.text, block.page, "exec"), {"events": events})


# ---------------------------------------------------------------------------------------------- YAML


SMALLEST = {
    "pipeline": "p",
    "source": {"type": "parquet", "path": "exports/"},
    "subscriptions": [{"name": "Usage"}],
    "destination": {"account": "production"},
}
ENVIRONMENT = {
    "METRONOME_BEARER_TOKEN": "token",
    "METRONOME_SANDBOX_TOKEN": "token",
    "WAREHOUSE_URL": "postgresql+psycopg://etl:password@db.example.com/segment",
    "STATE_URL": "postgresql+psycopg://etl:password@db.example.com/etl",
    "ALERT_WEBHOOK": "https://hooks.example.com/x",
}
YAMLS = [block for block in blocks("yaml") if block.page != "docs/lints.md"]


@pytest.mark.parametrize("block", YAMLS, ids=str)
def test_yaml_is_a_config_or_a_part_of_one(block: Block, tmp_path: Path) -> None:
    """A part takes the place of that of a smallest config; rules for Prometheus name figures that there are."""
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "my_extract.sql").write_text("SELECT 1 WHERE :since < :until")
    found = YAML(typ="safe", pure=True).load(block.text)
    if "groups" in found:
        assert set(re.findall(r"\betl_\w+", block.text)) <= FIGURES.keys()
        return
    rest = {key: value for key, value in SMALLEST.items() if key not in found}
    text = block.text + "".join(f"\n{key}: {json.dumps(value)}" for key, value in rest.items())
    assert draft_text(text, str(tmp_path / "etl.yml"), ENVIRONMENT).document.messages() == ()


# ----------------------------------------------------------------------------------------------- SQL


QUERIES = [block for block in blocks("sql") if block.page == "docs/state.md"]


@pytest.mark.parametrize("block", QUERIES, ids=str)
def test_sql_runs_on_a_state(block: Block, place: Place) -> None:
    import sqlite3

    assert place.run("etl run -c etl.yml -q").returncode == 0
    with closing(sqlite3.connect(place.path / "state" / "etl.db")) as database:
        database.execute(block.text)


def test_every_query_of_the_docs_is_run_or_named() -> None:
    elsewhere = {"docs/sources/postgresql.md", "docs/sources/warehouse.md", *NO_SUCH_WAREHOUSE}
    assert {block.page for block in blocks("sql")} - elsewhere == {"docs/state.md"}
    for page in NO_SUCH_WAREHOUSE:
        assert "Never run against a live" in (ROOT / page).read_text(encoding="utf-8")


def test_every_language_is_dealt_with() -> None:
    assert {block.language for block in blocks()} <= LANGUAGES.keys() | RUN_HERE
    drawn = [line for block in blocks("") if block.page != "docs/cli.md" for line in block.text.splitlines()]
    assert [line for line in drawn if re.match(r"\$? ?etl ", line)] == []
