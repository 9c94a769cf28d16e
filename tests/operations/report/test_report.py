"""The figures and words of a report, for states that real runs made, on SQLite and PostgreSQL."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

import etl
from etl.core.outcomes import ENDS, OUTCOMES
from etl.operations.report import collect, period, single_run
from etl.operations.report.verdict import verdict
from etl.pipeline.wiring import state_of
from tests.operations.report.support import (
    DAY,
    HOSTILE,
    SECRET,
    Interrupted,
    every_outcome,
    month,
    page,
    run_page,
)
from tests.support.workspace import Said, Workspace, ago, track

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
SINCE, UNTIL = TODAY - timedelta(days=2), TODAY + timedelta(days=2)


class Text(HTMLParser):
    """What a reader sees: no markup, scripts or styles."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.skipped = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.skipped = tag if tag in ("script", "style") else ""

    def handle_endtag(self, tag: str) -> None:
        self.skipped = ""

    def handle_data(self, data: str) -> None:
        if not self.skipped:
            self.parts.append(data)


def text(html: str) -> str:
    reader = Text()
    reader.feed(html)
    return " ".join(" ".join(reader.parts).split())


def data_of(config: etl.Config, since: datetime = SINCE, until: datetime = UNTIL):
    scope = period(config, since, until, datetime.now(UTC))
    return collect(config, state_of(config), scope)


def run_ids(config: etl.Config) -> list[str]:
    return list(state_of(config).runs(config.pipeline)["run_id"])


def test_every_outcome_is_there_and_adds_up(eventful: etl.Config) -> None:
    """The identity of the runs, and the sent log holding what they counted."""
    data = data_of(eventful)
    assert all(data.books.totals[outcome] for outcome in OUTCOMES)
    assert data.books.totals["unreadable"] == 2
    assert data.books.adds_up
    assert data.unlisted == 0
    assert sum(data.volumes.hours.values()) == data.volumes.events == data.books.billed
    for ranked in (data.volumes.event_types, data.volumes.customers):
        assert sum(n for _, n in ranked.top) + ranked.rest == data.volumes.events
    stages = {reason.stage for reason in data.letters.reasons}
    assert stages >= {"mapping", "schema", "limits", "metronome"}


def test_the_figures_are_on_the_page(eventful: etl.Config) -> None:
    """Each outcome with its number, the answer, and how to repair."""
    data, shown = data_of(eventful), text(page(eventful, SINCE, UNTIL))
    for outcome in ENDS:
        assert re.search(rf"{outcome} [A-Z][^0-9]*(?:24 hours[^0-9]*)?{data.ends[outcome]:,} ", shown), (
            outcome
        )
    assert "Not everything is billed yet" in shown
    assert f"{data.books.billed:,} events billed, {data.letters.to_look_at} to look at" in shown
    assert "The newest run stopped before its window was complete: InterruptedRunError" in shown
    assert "--outcome rejected --stage schema" in shown
    assert "exactly what they counted as billed" in shown


@pytest.mark.parametrize("with_events", [False, True])
def test_hostile_names_are_text(eventful: etl.Config, with_events: bool) -> None:
    """A customer_id cannot leave its cell, whatever it holds; what cannot be printed is spelt out."""
    html = page(eventful, SINCE, UNTIL, with_events=with_events)
    assert html.count("<script>") == html.count("</script>") == 1
    assert "<img" not in html
    assert "<b>&#34;&amp;" not in html
    assert HOSTILE[:40] in text(html)
    assert r"line\nbreak\u202e\x00end" in html
    assert "\u202e" not in html
    assert "\0" not in html


def test_no_event_content_unless_asked(eventful: etl.Config) -> None:
    """Properties show with ``--with-events`` only."""
    assert SECRET not in page(eventful, SINCE, UNTIL)
    assert SECRET in page(eventful, SINCE, UNTIL, with_events=True)
    assert "holds no event content" in text(page(eventful, SINCE, UNTIL))


def test_nothing_can_be_loaded(eventful: etl.Config) -> None:
    """No address of anything else, and a policy that forbids it."""
    html = page(eventful, SINCE, UNTIL)
    assert not re.search(r"""(?:src|href)=["'](?!#|data:,)""", html)
    assert not re.search(r"@import|url\(|\sstyle=|\son\w+=\"", html.replace(HOSTILE, ""))
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    assert policy
    assert policy[1].startswith("default-src &#39;none&#39;; style-src &#39;sha256-")


def test_the_same_state_gives_the_same_page(eventful: etl.Config) -> None:
    """To the byte: of a period that is over, and of a run, at any time."""
    until = datetime.now(UTC) + timedelta(minutes=2)
    pages = {page(eventful, SINCE, until, now=until + timedelta(days=n)) for n in (1, 50)}
    assert len(pages) == 1
    run_id = run_ids(eventful)[0]
    assert run_page(eventful, run_id) == run_page(eventful, run_id)


def test_a_complete_run_and_a_stopped_one(eventful: etl.Config) -> None:
    """Each is told by itself."""
    stopped, complete = run_ids(eventful)
    assert "This run did not complete its window" in text(run_page(eventful, stopped))
    shown = text(run_page(eventful, complete))
    assert "This run completed its window, but some events need a look" in shown
    scope = single_run(eventful, state_of(eventful), complete)
    data = collect(eventful, state_of(eventful), scope)
    assert data.books.number == 1
    assert data.volumes.events == data.books.billed == data.books.totals["sent"]


def test_both_databases_tell_the_same(workspace: Workspace, postgres: str) -> None:
    """A PostgreSQL state after the same runs: the same figures as on SQLite."""
    told = []
    for state in ("sqlite:///state.db", postgres):
        workspace.standin.reset()
        workspace.state = state
        data = data_of(every_outcome(workspace))
        totals = {
            name: data.books.totals[name] for name in ("read", "filtered", "unreadable", "matched", *OUTCOMES)
        }
        ranked = (data.volumes.event_types, data.volumes.customers, data.volumes.subscriptions)
        told.append((totals, ranked, data.unlisted, data.letters.reasons, data.letters.open, data.missing))
        (workspace.path / "tracks" / "b.parquet").unlink()
    assert told[0] == told[1]


def test_nothing_was_run(workspace: Workspace) -> None:
    """Without a state there is a page that says so, and no state is made."""
    workspace.config()
    shown = text(page(workspace.load(), SINCE, UNTIL))
    assert "Nothing was run in this period" in shown
    assert "0 events billed, nothing to look at" in shown
    assert not (workspace.path / "state.db").exists()


def test_a_run_of_nothing_wrong(workspace: Workspace) -> None:
    """The good answer, and that it is complete."""
    workspace.config(source={"start": ago(days=1)})
    workspace.write([track(f"m{i}") for i in range(10)])
    report = workspace.run()
    shown = text(page(workspace.load(), SINCE, UNTIL))
    assert "It ran, and everything was billed" in shown
    assert "10 events billed, nothing to look at" in shown
    assert "No gaps." in shown
    assert report.run_id
    assert "This run completed its window, and everything in it was billed" in text(
        run_page(workspace.load(), report.run_id)
    )


def test_a_gap_is_named_with_the_command_that_fills_it(workspace: Workspace) -> None:
    """Two ad-hoc windows with a day between them; filling it by that command makes the report good."""
    workspace.config()
    workspace.write([track("m1")])
    for first, last in ((5, 4), (3, 2)):
        workspace.run(since=TODAY - timedelta(days=first), until=TODAY - timedelta(days=last))
    html = page(workspace.load(), TODAY - timedelta(days=6), TODAY + timedelta(days=1))
    since, until = (f"{TODAY - timedelta(days=n):%Y-%m-%dT%H:%M:%SZ}" for n in (4, 3))
    command = f"--subscription Usage --since {since} --until {until}"
    assert command in text(html)
    assert "1 stretch of time was never completed" in text(html)
    done = workspace.cli("backfill", "-c", "etl.yml", *command.split(), "--quiet")
    assert done.returncode == 0, done.stderr
    assert "No gaps." in text(page(workspace.load(), TODAY - timedelta(days=6), TODAY + timedelta(days=1)))


@pytest.fixture
def busy(workspace: Workspace) -> tuple[etl.Config, datetime]:
    """A month of hourly runs, and its end."""
    workspace.config([{"name": "API usage"}])
    config = workspace.load()
    return config, month(config.state_url(), config)


def test_a_month_of_hourly_runs(busy: tuple[etl.Config, datetime]) -> None:
    """Under 1 MB; every run counted though not every one is listed; the night it stood still shows as lag."""
    config, end = busy
    html = page(config, DAY, DAY + timedelta(days=30), now=end)
    assert len(html.encode()) < 1_000_000
    shown = text(html)
    assert "Each pair that 711 runs met is counted once" in shown
    assert "The newest 500" in shown
    assert "10 h" in shown
    assert "7 earlier runs did not complete" in shown
    data = collect(config, state_of(config), period(config, DAY, DAY + timedelta(days=30), end))
    assert data.volumes.customers.kinds == 400
    assert data.volumes.events == data.books.billed
    assert len(data.volumes.customers.top) == 20
    assert data.books.usual == timedelta(hours=1)


def test_a_schedule_that_stands_still_is_no_good_news(busy: tuple[etl.Config, datetime]) -> None:
    """Two hours after an hourly run all is well, five hours after it is not; once the period is over, it is a gap."""
    config, end = busy
    until = end + timedelta(days=2)
    for hours, level in ((2, "look"), (5, "bad")):
        data = collect(config, state_of(config), period(config, DAY, until, end + timedelta(hours=hours)))
        assert verdict(data).level == level
    assert "Nothing has been completed for 5 h" in text(
        page(config, DAY, until, now=end + timedelta(hours=5))
    )
    assert "1 stretch of time was never completed" in text(page(config, DAY, until, now=until))


def test_the_command_writes_a_file(folder, eventful: etl.Config, running_standin) -> None:
    """Whole, beside nothing else, its size on stderr; or on stdout."""
    workspace = Workspace(folder, running_standin)
    done = workspace.cli("report", "-c", "etl.yml", "--days", "2", "--out", "report.html")
    assert (done.returncode, done.stdout) == (0, "")
    assert re.fullmatch(r"report.html: \d+ kB\n", done.stderr)
    written = (folder / "report.html").read_text(encoding="utf-8")
    assert written.startswith("<!doctype html>")
    assert not list(folder.glob("*.part")) + list(folder.glob(".*.part"))
    done = workspace.cli("report", "-c", "etl.yml", "--run", run_ids(eventful)[1])
    assert "This run completed its window" in done.stdout


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            ["--run", "nobody"],
            "pipeline 'test' has no run 'nobody' for account 'sandbox'; `etl status --runs 50` lists the newest",
        ),
        (["--run", "x", "--days", "3"], "one of them"),
        (["--until", "2026-11-01"], "--until needs --since"),
        (["--since", "2026-11-02", "--until", "2026-11-01"], "is not before --until 2026-11-01T00:00:00Z"),
        (["--since", "soon"], "'soon' is not a time"),
        (["--days", "0"], "--days"),
        (
            ["--out", "nowhere/report.html"],
            "--out: cannot write nowhere/report.html: No such file or directory",
        ),
    ],
)
def test_what_makes_no_report(
    folder, eventful: etl.Config, running_standin, options: list[str], told: str
) -> None:
    """Exit code 2, a message that says why, nothing written."""
    done = Workspace(folder, running_standin).cli("report", "-c", "etl.yml", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr


def test_quiet_says_nothing_where_all_went_well(workspace: Workspace, command: Callable[..., Said]) -> None:
    """As ``etl run -q``: cron mails whatever is printed."""
    workspace.config()
    assert command("report", "--out", "r.html", "-q") == Said(0, "", "")
    assert (workspace.path / "r.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_pair_is_told_once_however_many_runs_met_it(workspace: Workspace) -> None:
    """A stopped run, a whole one, and one that reads the overlap again: 350 events are 350 pairs."""
    workspace.config(source={"batch_rows": 50, "start": ago(days=3)})
    good = [track(f"m{n}") for n in range(345)]
    workspace.write([*good, *(track(f"b{n}", context={}) for n in range(5))])
    interrupt = Interrupted(4)
    with pytest.raises(etl.InterruptedRunError):
        workspace.run(progress=interrupt, interrupted=interrupt.event)
    halfway = data_of(workspace.load())
    assert halfway.ends["unsent"] == halfway.books.totals["unsent"] > 0
    assert workspace.run().exit_code == 1
    workspace.write([track("more")], "more.parquet")
    workspace.write(good[:1], "again.parquet")
    workspace.run()
    data = data_of(workspace.load())
    assert data.ends == {"sent": 346, "rejected": 5}
    assert data.subscriptions == {"Usage": {"sent": 346, "rejected": 5}}
    shown = text(page(workspace.load(), SINCE, UNTIL))
    assert "pairs, each once 351 events billed 346" in shown
    assert re.search(r"unsent [^0-9]* 0 0 %", shown)
    assert "5 dead letters to look at" in shown
    status = json.loads(workspace.cli("status", "-c", "etl.yml", "--json").stdout)
    assert (status["state"]["sent_log"], status["dead_letters"]) == (346, {"rejected": 5})


def test_what_nobody_has_taken_up_is_unsent_once(workspace: Workspace) -> None:
    """Two runs of the same window that were stopped left the same pairs."""
    workspace.config(source={"batch_rows": 50, "start": ago(days=3)})
    workspace.write([track(f"m{n}") for n in range(10)])
    workspace.env["METRONOME_BEARER_TOKEN"] = "wrong"
    for _ in range(2):
        with pytest.raises(etl.MetronomeError):
            workspace.run()
    data = data_of(workspace.load())
    assert (data.books.totals["unsent"], data.ends) == (20, {"unsent": 10})
