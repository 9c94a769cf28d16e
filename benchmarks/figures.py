"""Figures of repeated runs, as a table for people and as JSON for the next release to be held against."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

RESULTS = Path(__file__).parent / "results"


@dataclass
class Case:
    """What a case did in each of its runs. ``rates``: events a second."""

    name: str
    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)

    def add(self, rate: float, cpu: float = 0.0, peak: float = 0.0) -> None:
        """One more run; CPU microseconds an event, MB."""
        self.rates.append(rate)
        self.cpu.append(cpu)
        self.peaks.append(peak)

    @property
    def rate(self) -> float:
        """The median."""
        return median(self.rates)

    def line(self) -> str:
        """Medians and spread."""
        spread = f"{min(self.rates):>9,.0f} to {max(self.rates):>9,.0f}"
        cost = f"{median(self.cpu):>7.2f}" if any(self.cpu) else " " * 7
        peak = f"{max(self.peaks):>6.0f}" if any(self.peaks) else " " * 6
        return f"{self.name:<44}{self.rate:>9,.0f}  {spread}  {cost}  {peak}"


HEADER = f"{'':<44}{'events/s':>9}  {'lowest to highest':>22}  {'CPU µs':>7}  {'MB':>6}"


@dataclass(frozen=True)
class Goal:
    """A ratio of medians (or a figure) and what it should be: at least, or with ``most`` at most."""

    name: str
    value: float
    wanted: float
    most: bool = False

    @property
    def met(self) -> bool:
        """Whether it is."""
        return self.value <= self.wanted if self.most else self.value >= self.wanted

    def line(self) -> str:
        """Like ``0.71  at least 0.60  met``."""
        sign = "at most" if self.most else "at least"
        return f"{self.name:<60}{self.value:>10,.2f}  {sign} {self.wanted:>9,.2f}  {'met' if self.met else 'MISSED'}"


def show(title: str, lines: list[str]) -> None:
    """A part of the report."""
    print(f"\n{title}", *lines, sep="\n", flush=True)


def record(kind: str, cases: list[Case], goals: list[Goal], **more: Any) -> Path:
    """Write this release's figures to ``benchmarks/results``; a slow-down shows as a change in review."""
    path = RESULTS / f"{version('segment-metronome-etl')}-{kind}.json"
    RESULTS.mkdir(exist_ok=True)
    content = {
        "machine": {"cpus": os.cpu_count(), "python": platform.python_version()},
        "libraries": {name: version(name) for name in ("pandas", "pyarrow", "sqlalchemy", "aiohttp")},
        "goals": {goal.name: {**asdict(goal), "value": round(goal.value, 3)} for goal in goals},
        "cases": {
            case.name: {
                "events_per_second": [round(rate) for rate in case.rates],
                "cpu_microseconds_per_event": [round(cost, 2) for cost in case.cpu],
                "peak_mb": round(max(case.peaks)),
            }
            for case in cases
        },
        **more,
    }
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return path


def compared(kind: str, goals: list[Goal]) -> list[str]:
    """What changed by more than a fifth since the release before this one, where that was recorded."""
    earlier = sorted(RESULTS.glob(f"*-{kind}.json"))
    known = json.loads(earlier[-1].read_text())["goals"] if earlier else {}
    return [
        f"{goal.name}: {known[goal.name]['value']:,.2f} in {earlier[-1].name}, {goal.value:,.2f} now"
        for goal in goals
        if goal.name in known and abs(goal.value / (known[goal.name]["value"] or 1) - 1) > 0.2
    ]
