"""docs/scheduling.md, done as it says: cron lines, units and their environment file, run against the stand-in."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.workspace import Workspace, track

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "scheduling.md").read_text(encoding="utf-8")
SHOWN = {
    "/etc/cron.d/etl": "configs/cron/etl",
    "/etc/systemd/system/etl.service": "configs/systemd/etl.service",
    "/etc/systemd/system/etl.timer": "configs/systemd/etl.timer",
    "/etc/etl/environment": "configs/systemd/environment",
}
#: What cron gives a command, and nothing else.
CRON = {"HOME": "/tmp", "LOGNAME": "etl", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"}


@dataclass
class Machine:
    """The docs' places, under a folder of the test: the config, the environment file, the environment."""

    workspace: Workspace

    def __post_init__(self) -> None:
        (self.workspace.path / "environment").write_text(self.placed("/etc/etl/environment"))

    def placed(self, name: str) -> str:
        """What the docs show, with the places and the token of this machine."""
        text = (ROOT / SHOWN[name]).read_text()
        text = text.replace("/opt/etl/bin/", f"{Path(sys.executable).parent}/")
        return text.replace("/etc/etl/", f"{self.workspace.path}/").replace(
            "replace-me", self.workspace.standin.token
        )

    def cron(self, number: int) -> subprocess.CompletedProcess[str]:
        """Run a line of the crontab as cron would: minute, hour, day, month, weekday, user, command."""
        lines = [line for line in self.placed("/etc/cron.d/etl").splitlines() if re.match(r"[\d*]", line)]
        return _run(["/bin/sh", "-c", lines[number].split(maxsplit=6)[6]], CRON)

    def service(self) -> tuple[subprocess.CompletedProcess[str], set[int]]:
        """Run the unit's ExecStart with its EnvironmentFile; the codes that it counts as success."""
        unit = configparser.ConfigParser(strict=False, interpolation=None)
        unit.optionxform = str
        unit.read_string(self.placed("/etc/systemd/system/etl.service"))
        service = unit["Service"]
        lines = Path(service["EnvironmentFile"]).read_text().splitlines()
        environment = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
        ran = _run(service["ExecStart"].split(), {"PATH": "/usr/bin:/bin"} | environment)
        return ran, {0, *map(int, service["SuccessExitStatus"].split())}


def _run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env=environment, cwd="/", capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def machine(workspace: Workspace) -> Machine:
    """With two events to bill."""
    workspace.config()
    workspace.write([track("m1"), track("m2")])
    return Machine(workspace)


@pytest.mark.parametrize(("name", "path"), SHOWN.items())
def test_the_docs_show_the_files_that_are_shipped(name: str, path: str) -> None:
    """Whole, and under the name they get."""
    assert f"`{name}`" in TEXT
    assert f"\n{(ROOT / path).read_text()}```" in TEXT


def test_the_cron_line_bills_and_the_second_time_sends_nothing_and_no_mail_comes(machine: Machine) -> None:
    first, second = machine.cron(0), machine.cron(0)
    assert (first.returncode, first.stdout, first.stderr) == (0, "", "")
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert sorted(machine.workspace.standin.ids()) == ["m1", "m2"]
    assert machine.workspace.standin.stats()["requests"] == 1


def test_cron_mails_a_summary_when_there_is_something_to_look_at(machine: Machine) -> None:
    machine.workspace.write([track("m3", context={})], "b.parquet")
    ran = machine.cron(0)
    assert ran.returncode == 1
    assert "rejected           1  could not be made into a usage event" in ran.stderr
    assert "look at them with: etl dead-letters list" in ran.stderr


def test_cron_mails_the_reason_of_a_failure(machine: Machine) -> None:
    machine.workspace.config(source={"path": "nowhere/"})
    ran = machine.cron(0)
    assert ran.returncode == 3
    assert "NOT complete" in ran.stderr
    assert "matches no file" in ran.stderr
    machine.workspace.config(source={"colour": "red"})
    ran = machine.cron(0)
    assert ran.returncode == 2
    assert re.fullmatch(r"etl: .*etl\.yml:\d+: source\.colour .*\n", ran.stderr)


def test_the_alarms_line_mails_what_fires_and_nothing_else(machine: Machine) -> None:
    machine.workspace.config(alarms={"watermark_age": "6h"})
    before = machine.cron(1)
    assert (before.returncode, before.stderr) == (1, "")
    assert before.stdout.startswith("watermark_age: subscription 'Usage': no scheduled window is complete")
    machine.cron(0)
    after = machine.cron(1)
    assert (after.returncode, after.stdout, after.stderr) == (0, "", "")


def test_the_unit_bills_and_the_second_time_sends_nothing(machine: Machine) -> None:
    for _ in range(2):
        ran, success = machine.service()
        assert ran.returncode in success
    assert sorted(machine.workspace.standin.ids()) == ["m1", "m2"]
    assert machine.workspace.standin.stats()["requests"] == 1


def test_the_unit_succeeds_with_something_to_look_at_and_fails_on_a_wrong_config(machine: Machine) -> None:
    machine.workspace.write([track("m3", context={})], "b.parquet")
    ran, success = machine.service()
    assert ran.returncode == 1
    assert success == {0, 1, 75}
    machine.workspace.config(source={"colour": "red"})
    ran, success = machine.service()
    assert ran.returncode == 2


def test_the_units_are_valid(machine: Machine) -> None:
    """As systemd itself sees it, where there is one; every key is one of the words that systemd knows."""
    units = []
    for name in ("/etc/systemd/system/etl.service", "/etc/systemd/system/etl.timer"):
        path = machine.workspace.path / Path(name).name
        path.write_text(machine.placed(name))
        assert re.search(r"^\[Unit\]\nDescription=", path.read_text(), re.MULTILINE)
        units.append(str(path))
    if analyze := shutil.which("systemd-analyze"):
        checked = _run([analyze, "verify", "--man=no", *units], dict(os.environ))
        assert (checked.returncode, checked.stderr) == (0, "")
