"""kill -9 at any moment, then a normal run: everything is accepted once, and the books say so."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from etl.pipeline.recorder import MAX_UNRECORDED
from etl.standin import Standin
from tests.torture.conftest import Figures
from tests.torture.life import Life
from tests.torture.runs import Mill, Run
from tests.torture.watch import Seen, Watch

#: The steps of docs/delivery-protocol.md at which a kill can find a run.
STEPS = (
    "before the run's row",
    "before the first request",
    "in flight",
    "confirmed, not recorded",
    "during a commit",
    "between commits",
    "before complete",
    "after complete",
)
#: An export. Every thousand dead letters make a commit, so a run has three, the last one included.
_GOOD, _BAD, _POISONED = 3_500, 2_100, 3
_SECONDS = 30.0


@dataclass
class Moment:
    """What can be seen of a run from outside, as its killer waits for the moment."""

    life: Life
    run: Run
    watch: Watch
    before: Seen
    size: int
    answered_before: int

    @property
    def taken(self) -> bool:
        """Whether the stand-in's record has grown: it took events of this run."""
        return self.life.record.stat().st_size > self.size

    @property
    def answered(self) -> int:
        """How many requests of this run the stand-in has answered."""
        return answered(self.life) - self.answered_before

    @property
    def seen(self) -> Seen:
        """The run's row, once there is one."""
        seen = self.watch.look()
        return seen if seen.epoch > self.before.epoch else Seen()


def answered(life: Life) -> int:
    """How many requests the stand-in has answered with 200."""
    return life.standin.stats()["statuses"].get("200", 0)


#: For each step: whether the moment has come. "In flight" is helped by answers that come late.
AIMS: dict[str, Callable[[Moment], bool]] = {
    "before the run's row": lambda _: True,
    "before the first request": lambda m: m.seen.status == "running",
    "in flight": lambda m: m.taken,
    "confirmed, not recorded": lambda m: m.taken and m.answered > 0,
    "during a commit": lambda m: m.taken and m.watch.committing(),
    "between commits": lambda m: m.seen.sent > 0,
    "before complete": lambda m: m.seen.sent == _GOOD,
    "after complete": lambda m: m.seen.status == "complete",
}
#: The longest further wait, in seconds, drawn evenly from 0.
SLACK = {
    "before the run's row": 0.3,
    "before the first request": 0.05,
    "in flight": 0.02,
    "confirmed, not recorded": 0.05,
    "during a commit": 0.004,
    "between commits": 0.3,
    "before complete": 0.001,
    "after complete": 0.001,
}


class Reaper:
    """Kills runs of a life, and tells what each kill hit."""

    def __init__(self, life: Life, seed: int) -> None:
        self.life = life
        self.chance = random.Random(seed)
        self.hits: Counter[str] = Counter()
        self.after_accepted = 0
        self.resent: list[int] = []
        self.unrecorded: list[int] = []

    def kill_one(self, aim: str) -> bool:
        """One export arrives; its run is killed, then repeated. Whether it was killed before its end."""
        life = self.life
        life.arrive(_GOOD, _BAD, _POISONED)
        life.standin.set_faults(
            [{"kind": "delay", "when": "after_taking", "seconds": 0.05, "rate": self._late(aim)}]
        )
        before, size, replies = self._before(), life.record.stat().st_size, answered(life)
        with life.watch() as watch:
            run = life.start()
            moment = Moment(life, run, watch, before, size, replies)
            self._wait(moment, aim)
            committing = watch.committing()
            confirmed = committing or moment.answered > 0
            run.kill()
        killed = run.wait().killed
        if killed:
            self._tell(before, confirmed, committing)
        self._repeat(before)
        return killed

    def _late(self, aim: str) -> float:
        return 1.0 if aim == "in flight" else self.chance.choice([0.0, 0.05])

    def _before(self) -> Seen:
        with self.life.watch() as watch:
            return watch.look()

    def _wait(self, moment: Moment, aim: str) -> None:
        """Until the moment, and then a little."""
        end = time.monotonic() + _SECONDS
        come = AIMS[aim]
        while not come(moment) and time.monotonic() < end:
            time.sleep(0.0005)
            if not self.chance.randrange(64) and not moment.run.running:
                break
        time.sleep(self.chance.uniform(0, SLACK[aim]))

    def _tell(self, before: Seen, confirmed: bool, committing: bool) -> None:
        """Which step was hit, by what the record and the state hold now, and what was seen just before the kill."""
        life = self.life
        accepted = len(life.newly_accepted())
        after = self._before()
        mine = after if after.epoch > before.epoch else Seen()
        self.hits[_step(mine, accepted, confirmed, committing)] += 1
        self.after_accepted += accepted > 0
        self.unrecorded.append(max(accepted - mine.sent, 0))

    def _repeat(self, before: Seen) -> None:
        life = self.life
        life.standin.set_faults()
        duplicates = life.standin.stats()["duplicates"]
        ended = life.run()
        assert ended.code in (0, 1), ended.stderr
        report = ended.report
        assert report["complete"]
        assert report["unsent"] == 0
        self.resent.append(life.standin.stats()["duplicates"] - duplicates)
        assert self.resent[-1] <= MAX_UNRECORDED
        life.check()


def _step(run: Seen, accepted: int, confirmed: bool, committing: bool) -> str:
    if not run.epoch:
        return "before the run's row"
    if run.status == "complete":
        return "after complete"
    if not accepted:
        return "before the first request"
    if committing:
        return "during a commit"
    if run.sent == _GOOD:
        return "before complete"
    if run.sent:
        return "between commits"
    return "confirmed, not recorded" if confirmed else "in flight"


def kill(reaper: Reaper, kills: int, aims: list[str]) -> None:
    """Kill so many runs, aiming at each step in turn; a run that ended before its kill does not count."""
    done = attempts = 0
    while done < kills:
        assert attempts < 3 * kills + 10
        done += reaper.kill_one(aims[attempts % len(aims)])
        attempts += 1
    reaper.life.check_every_row()


def show(figures: Figures, reaper: Reaper) -> None:
    """The figures of the issue."""
    figures(
        kills=sum(reaper.hits.values()),
        kills_after_the_first_accepted_request=reaper.after_accepted,
        **{f"killed {step}": reaper.hits[step] for step in STEPS},
        most_accepted_and_not_recorded=max(reaper.unrecorded, default=0),
        most_ids_sent_again=max(reaper.resent),
        bound_on_ids_sent_again=MAX_UNRECORDED,
        events_accepted_once=len(reaper.life.good),
    )


@pytest.fixture(params=["sqlite", "postgresql"])
def life(request: pytest.FixtureRequest, tmp_path: Path, recording: tuple[Standin, Path], mill: Mill) -> Life:
    """A pipeline on each of the two databases."""
    state = "sqlite:///state.db" if request.param == "sqlite" else request.getfixturevalue("postgres")
    return Life(tmp_path, *recording, mill, state)


@pytest.mark.parametrize("life", ["sqlite"], indirect=True)
def test_a_few_killed_runs_lose_and_double_nothing(life: Life, figures: Figures) -> None:
    """The long form below, for `make test`."""
    reaper = Reaper(life, seed=1)
    kill(
        reaper,
        6,
        ["in flight", "during a commit", "between commits", "before complete", "after complete", STEPS[0]],
    )
    show(figures, reaper)


@pytest.mark.slow
def test_two_hundred_killed_runs_lose_and_double_nothing(life: Life, figures: Figures) -> None:
    """On each database: every step was hit, at least 150 times after the run's first accepted request."""
    reaper = Reaper(life, seed=2)
    often = ["in flight", "confirmed, not recorded", "during a commit", "between commits", "before complete"]
    kill(reaper, 200, [*often, *often, *STEPS])
    show(figures, reaper)
    assert reaper.after_accepted >= 150
    assert all(reaper.hits[step] for step in STEPS)
