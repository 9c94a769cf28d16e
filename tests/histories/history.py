"""One random history of a pipeline, and the plain model that knows every event of it."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import etl
from etl.core.windows import rfc3339
from etl.pipeline import wiring
from etl.pipeline.run import run
from tests.histories.metronome import Metronome

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
OVERLAP, MAX_AGE = timedelta(hours=24), timedelta(days=33)


@dataclass(frozen=True)
class Event:
    """One row of an export; ``content`` is what drift would change."""

    message_id: str
    received: datetime
    content: int


@dataclass
class History:
    """A folder of exports, a config that is edited, a clock that goes on, and runs of every kind.

    ``steps`` is what was done, to be read when something was lost. ``versions``: from when on each ``v`` is billed.
    """

    folder: Path
    chance: random.Random
    metronome: Metronome = field(default_factory=Metronome)
    now: datetime = BEGIN + timedelta(days=5)
    files: dict[str, list[Event]] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    versions: list[tuple[datetime | None, int]] = field(default_factory=lambda: [(None, 1)])
    name: str = "Usage"
    was: str | None = None
    steps: list[str] = field(default_factory=list)
    ids: int = 0
    ran: bool = False

    def __post_init__(self) -> None:
        (self.folder / "tracks").mkdir(parents=True)
        self.write()

    # -------------------------------------------------------------------------------- what people do

    def step(self) -> None:
        """Something happens."""
        weights: dict[Callable[[], None], int] = {
            self.write: 5,
            self.append: 2,
            self.copy_in_place: 1,
            self.rename: 1,
            self.repeat_rows: 1,
            self.change_content: 1,
            self.break_file: 1,
            self.mend: 2,
            self.edit: 1,
            self.rename_subscription: 1,
            self.scheduled: 6,
            self.killed: 2,
            self.ad_hoc: 1,
            self.dry: 1,
        }
        action = self.chance.choices(list(weights), list(weights.values()))[0]
        self.steps.append(f"{rfc3339(self.now)} {action.__name__}")
        action()
        self.now += timedelta(minutes=self.chance.choice([1, 30, 300, 1500]))

    def write(self) -> None:
        """A new file, with rows of the last hour, and now and then a late one of the last weeks."""
        self._put(f"f{len(self.files)}.parquet", self._new())

    def append(self) -> None:
        if name := self._some_file():
            self._put(name, [*self.files[name], *self._new()])

    def copy_in_place(self) -> None:
        """The same rows, another file: ``cp`` over it."""
        if name := self._some_file():
            self._put(name, self.files[name])

    def rename(self) -> None:
        if name := self._some_file():
            other = f"moved-{len(self.steps)}.parquet"
            self._path(name).rename(self._path(other))
            self.files[other] = self.files.pop(name)

    def repeat_rows(self) -> None:
        """Redelivered: rows of one file in another, too."""
        if name := self._some_file():
            self._put(f"again-{len(self.steps)}.parquet", self.files[name])

    def change_content(self) -> None:
        """An id that is used twice."""
        if name := self._some_file():
            row = self.chance.choice(self.files[name])
            other = replace(row, content=row.content + 1000, received=self._recent())
            self._put(f"other-{len(self.steps)}.parquet", [other])

    def break_file(self) -> None:
        """Half of it: an upload that is still going on."""
        if name := self._some_file():
            whole = self._path(name).read_bytes()
            self._path(name).write_bytes(whole[: len(whole) // 2])
            self.broken.add(name)

    def mend(self) -> None:
        for name in sorted(self.broken):
            self._put(name, self.files[name])

    def edit(self) -> None:
        """Another mapping, from now on."""
        if self.ran:
            self.versions.append((self.now, self.versions[-1][1] + 1))

    def rename_subscription(self) -> None:
        if self.ran:
            self.name, self.was = f"Usage {len(self.steps)}", self.name

    # ------------------------------------------------------------------------------------------ runs

    def scheduled(self) -> None:
        report = self._run()
        if report is not None and report.complete:
            self._nothing_is_missed(report)

    def killed(self) -> None:
        """Metronome takes some chunks, and the answer to the last is lost."""
        self.metronome.dies_after = self.chance.randrange(3)
        self._run()
        self.metronome.dies_after = None

    def ad_hoc(self) -> None:
        since = self.now - timedelta(hours=self.chance.randrange(1, 100))
        self._run(window=(since, since + timedelta(hours=self.chance.randrange(1, 50))), kind="ad-hoc")

    def dry(self) -> None:
        before = dict(self.metronome.accepted)
        self._run(dry_run=True)
        assert self.metronome.accepted == before

    def _run(self, **options: Any) -> etl.Report | None:
        self._configure()
        config = etl.load_config(self.folder / "etl.yml", {"TOKEN": "token"})
        try:
            job = wiring.job_of(config, clock=lambda: self.now, **options)
            report = run(replace(job, destination=self.metronome))
        except etl.EtlError as error:
            self.steps.append(f"  {type(error).__name__}: {error}")
            assert error.exit_code == 3, "\n".join(self.steps)
            assert self.broken or self.metronome.dies_after is not None, "\n".join(self.steps)
            self.ran = True
            return error.report
        self.steps.append(f"  exit {report.exit_code}, sent {report.sent}, look {report.to_look_at}")
        self.ran = self.ran or not report.dry_run
        return report

    # ----------------------------------------------------------------------------------------- model

    def end(self) -> None:
        """Everything is mended; two more scheduled runs: nothing is left, and nothing is sent again."""
        self.mend()
        self.now += timedelta(hours=1)
        self.scheduled()
        self.now += timedelta(hours=1)
        before = len(self.metronome.accepted)
        self.scheduled()
        assert len(self.metronome.accepted) == before, self._said("the last run sent something")

    def _nothing_is_missed(self, report: etl.Report) -> None:
        letters = self._letters()
        for name, rows in self.files.items():
            for row in rows:
                if name not in self.broken and row.received < self.now:
                    self._accounted_for(row, letters, report)

    def _accounted_for(self, row: Event, letters: set[str], report: etl.Report) -> None:
        body = self.metronome.accepted.get(row.message_id)
        if body is None:
            assert row.message_id in letters, self._said(f"{row} is lost, and exit {report.exit_code}")
            return
        if body["properties"]["n"] != row.content:
            assert row.message_id in letters, self._said(
                f"{row} has other content than was billed: no letter"
            )
            return
        assert body["properties"]["v"] in self._versions_of(row.message_id), self._said(
            f"{row} was billed by another version than that of its time"
        )

    def _versions_of(self, message_id: str) -> set[int]:
        """The versions whose time it was when a row of this id was received."""
        times = {row.received for rows in self.files.values() for row in rows if row.message_id == message_id}
        return {
            next(v for begin, v in reversed(self.versions) if begin is None or begin <= time)
            for time in times
        }

    def _letters(self) -> set[str]:
        config = etl.load_config(self.folder / "etl.yml", {"TOKEN": "token"})
        found = wiring.state_of(config).dead_letters(config.pipeline, status=None)
        return set(found["transaction_id"].dropna())

    def _said(self, what: str) -> str:
        return "\n".join([what, *self.steps])

    # ----------------------------------------------------------------------------------------- files

    def _path(self, name: str) -> Path:
        return self.folder / "tracks" / name

    def _some_file(self) -> str | None:
        whole = sorted(set(self.files) - self.broken)
        return self.chance.choice(whole) if whole else None

    def _recent(self) -> datetime:
        return self.now - timedelta(seconds=self.chance.randrange(1, 3600))

    def _new(self) -> list[Event]:
        rows = []
        for _ in range(self.chance.randrange(1, 5)):
            self.ids += 1
            late = timedelta(hours=self.chance.choice([0, 0, 0, 20, 60, 200]))
            received = max(self._recent() - late, BEGIN + timedelta(hours=1))
            rows.append(Event(f"m{self.ids}", received, self.chance.randrange(10)))
        return rows

    def _put(self, name: str, rows: list[Event]) -> None:
        stamps = [rfc3339(row.received) for row in rows]
        columns = {
            "messageId": [row.message_id for row in rows],
            "type": ["track"] * len(rows),
            "event": ["call"] * len(rows),
            "timestamp": stamps,
            "receivedAt": stamps,
            "context": ['{"groupId": "acme"}'] * len(rows),
            "properties": [json.dumps({"n": row.content}) for row in rows],
        }
        written = self.folder / "being-written"
        pq.write_table(pa.table(columns), written)
        shutil.move(written, self._path(name))
        self.files[name] = rows
        self.broken.discard(name)

    def _configure(self) -> None:
        begin, v = self.versions[-1]
        mapping = {
            "transaction_id": {"@path": "$.messageId"},
            "customer_id": {"@path": "$.context.groupId"},
            "timestamp": {"@path": "$.timestamp"},
            "event_type": {"@path": "$.event"},
            "properties": {"n": {"@path": "$.properties.n"}, "v": v},
        }
        subscription = {"name": self.name, "mapping": mapping}
        if begin is not None:
            subscription["from"] = rfc3339(begin)
        if self.was is not None:
            subscription["was"] = self.was
        content = {
            "pipeline": "history",
            "source": {"type": "parquet", "path": "tracks/", "start": rfc3339(BEGIN), "overlap": "24h"},
            "subscriptions": [subscription],
            "destination": {"account": "a", "base_url": "http://127.0.0.1:9", "api_token": "${TOKEN}"},
            "state": {"url": "sqlite:///state.db"},
            "breaker": {"enabled": False},
        }
        (self.folder / "etl.yml").write_text(json.dumps(content))
