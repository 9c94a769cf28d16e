"""The life of one pipeline: exports arrive, runs are made and killed, and the books are held against the record."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from etl.standin import Standin
from tests.support.workspace import Workspace, ago
from tests.torture.runs import Ended, Mill, Run
from tests.torture.watch import Watch, watch

POISON = "poison-"


def write_export(
    folder: Path,
    name: str,
    ids: Sequence[str],
    *,
    no_customer: Sequence[bool] = (),
    received: str | None = None,
) -> None:
    """Track events of two hours ago, one for each id; those with ``no_customer`` cannot be mapped."""
    size = len(ids)
    groups = ['{"groupId":"acme"}' if not bad else "{}" for bad in no_customer or [False] * size]
    table = pa.table(
        {
            "messageId": pa.array(ids),
            "type": pa.array(["track"] * size),
            "event": pa.array(["api_call"] * size),
            "timestamp": pa.array([ago(hours=2)] * size),
            "receivedAt": pa.array([received or ago(hours=2)] * size),
            "context": pa.array(groups),
            "properties": pa.array([f'{{"n":{number}}}' for number in range(size)]),
        }
    )
    # Elsewhere first: a run that lists the folder must not meet half a file.
    pq.write_table(table, folder / f".{name}")
    (folder / f".{name}").rename(folder / "tracks" / name)


@dataclass
class Life:
    """A pipeline in ``folder`` that bills ``standin``, whose record is ``record``, with its state at ``state``."""

    folder: Path
    standin: Standin
    record: Path
    mill: Mill
    state: str
    good: set[str] = field(default_factory=set)
    bad: set[str] = field(default_factory=set)
    accepted: set[str] = field(default_factory=set)
    _read_upto: int = 0
    _files: int = 0

    def __post_init__(self) -> None:
        self.workspace = Workspace(self.folder, self.standin, self.state)
        self.standin.configure(poison_prefix=POISON)
        self.configure()

    def configure(self, **sections: Any) -> None:
        """Write the config; without a breaker, because much is rejected here on purpose."""
        defaults = {
            "source": {"batch_rows": 1000},
            "breaker": {"enabled": False},
            "destination": {"retry_for": "60s"},
        }
        for section, values in defaults.items():
            sections[section] = values | sections.get(section, {})
        self.workspace.config(**sections)

    def arrive(self, good: int, bad: int = 0, poisoned: int = 0, received: str | None = None) -> None:
        """One more export, of so many events, evenly mixed."""
        self._files += 1
        kinds = ["g"] * good + ["b"] * bad + ["p"] * poisoned
        step = next(n for n in range(len(kinds) // 3 | 1, 2 * len(kinds) + 3) if _coprime(n, len(kinds)))
        mixed = [kinds[number * step % len(kinds)] for number in range(len(kinds))]
        name = {"g": "m", "b": "b", "p": POISON}
        ids = [f"{name[kind]}{self._files}-{number}" for number, kind in enumerate(mixed)]
        self.good.update(i for i, kind in zip(ids, mixed, strict=True) if kind == "g")
        self.bad.update(i for i, kind in zip(ids, mixed, strict=True) if kind != "g")
        no_customer = [kind == "b" for kind in mixed]
        write_export(self.folder, f"{self._files}.parquet", ids, no_customer=no_customer, received=received)

    def start(self, *arguments: str, **options: object) -> Run:
        """Start ``etl run --json``."""
        command = ("run", "-c", "etl.yml", "--json", "--quiet", *arguments)
        return self.mill.start(*command, folder=self.folder, env=self.workspace.env, **options)

    def run(self, *arguments: str, seconds: float = 120) -> Ended:
        """The same, and wait for its end."""
        return self.start(*arguments).wait(seconds)

    def url(self) -> str:
        """The state's URL, with the file's whole path."""
        return self.state.replace("sqlite:///", f"sqlite:///{self.folder}/")

    def watch(self) -> Watch:
        """Look at the state from outside."""
        return watch(self.url())

    def newly_accepted(self) -> set[str]:
        """Ids that the record has now and had not at the last look; each is there once."""
        with self.record.open("rb") as record:
            record.seek(self._read_upto)
            text = record.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._read_upto += len(whole)
        new: list[str] = []
        for line in whole.splitlines():
            entry = orjson.loads(line)
            ids = [event["transaction_id"] for event in entry["events"]]
            new += ids if entry["new"] is None else [ids[position] for position in entry["new"]]
        assert len(new) == len(set(new))
        assert not self.accepted.intersection(new)
        self.accepted.update(new)
        return set(new)

    def check(self) -> None:
        """Everything that arrived was accepted once and is accounted for."""
        self.newly_accepted()
        assert self.accepted == self.good
        assert self.standin.stats()["accepted"] == len(self.good)
        self.check_books()

    def check_books(self) -> None:
        """Accepted = rows of the sent log = what the runs counted as sent; the bad ones are dead letters, once."""
        with self.watch() as seen:
            assert seen.look().status == "complete"
            assert seen.value("SELECT count(*) FROM sent_log") == len(self.good)
            assert seen.value("SELECT count(*) FROM dead_letters") == len(self.bad)
            assert self.sum_of_sent(seen) == len(self.good)
            # The run that ended last noticed all that had died.
            assert seen.value("SELECT count(*) FROM runs WHERE status = 'running'") == 0

    def check_every_row(self) -> None:
        """The sent log holds the good ids, the dead letters the bad ones; each once."""
        with self.watch() as seen:
            sent = seen.column("SELECT transaction_id FROM sent_log")
            dead = seen.column("SELECT message_id FROM dead_letters")
        assert len(sent) == len(self.good)
        assert set(sent) == self.good
        assert len(dead) == len(self.bad)
        assert set(dead) == self.bad

    @staticmethod
    def sum_of_sent(seen: Watch) -> int:
        """Over all runs, from the counts that each committed with what it recorded."""
        counts = [json.loads(text) for text in seen.column("SELECT counts FROM runs") if text]
        return sum(one["sent"] + one["released"] for one in counts)


def _coprime(a: int, b: int) -> bool:
    while b:
        a, b = b, a % b
    return a == 1
