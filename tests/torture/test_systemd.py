"""A real systemd fires the timer of the docs, on a machine of its own, and makes of each exit code what they say."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.installed import CONFIGS, Installed, shown
from tests.support.packages import build_wheel
from tests.support.workspace import track

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.standin import Standin
    from tests.torture.conftest import Figures

pytestmark = pytest.mark.slow

SYSTEMD = ["/lib/systemd/systemd", "--system", "--unit=basic.target", "--log-target=console"]
COPY, RELOAD, ENABLE, START, JOURNAL = shown("systemd")[0]
#: The docs' unit asks again after five minutes; nobody has five minutes here.
SOON = "[Service]\nRestartSec=500ms\n"
#: Every answer of Metronome takes its time, so that there is a run to stop, kill or meet.
SLOW = [{"kind": "delay", "seconds": 30}]


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory, running_standin: Standin) -> Iterator[Installed]:
    """A machine that has booted, with the job installed."""
    wheel = build_wheel(tmp_path_factory.mktemp("wheel"))
    exports = tmp_path_factory.mktemp("exports")
    installed = Installed(exports, wheel, running_standin, SYSTEMD, {"systemctl": "systemd"})
    with installed.machine as machine:
        machine.wait(lambda: machine.run("systemctl", "is-system-running").stdout == "running\n")
        yield installed


@pytest.fixture
def host(booted: Installed) -> Iterator[Installed]:
    """With the docs' units, the timer at rest until next year, two events to bill and an empty journal."""
    booted.anew()
    booted.shell(f"{CONFIGS}\n{COPY}\n{RELOAD}")
    drop_in(booted, "etl.timer", "[Timer]\nOnCalendar=\nOnCalendar=yearly")
    booted.shell(ENABLE)
    booted.shell("journalctl --quiet --rotate; journalctl --quiet --vacuum-time=1us")
    booted.workspace.write([track("m1"), track("m2")])
    yield booted
    booted.shell(
        "systemctl disable --quiet --now etl.timer; systemctl stop etl.service; rm -rf /etc/systemd/system/etl.*; "
        "systemctl daemon-reload; systemctl reset-failed"
    )


def drop_in(host: Installed, unit: str, text: str) -> None:
    """What ``systemctl edit`` writes."""
    folder = f"/etc/systemd/system/{unit}.d"
    host.shell(
        f"mkdir -p {folder}; cat > {folder}/override.conf <<'END'\n{text}\nEND\nsystemctl daemon-reload"
    )


def shows(host: Installed, unit: str = "etl.service") -> dict[str, str]:
    """What systemd says of the unit."""
    return dict(
        line.split("=", 1) for line in host.shell(f"systemctl show {unit}").splitlines() if "=" in line
    )


def ended(host: Installed) -> tuple[str, str, str]:
    """State of the unit, its result, the exit code of its last run."""
    now = shows(host)
    return now["ActiveState"], now["Result"], now["ExecMainStatus"]


def logged(host: Installed, event: str) -> list[dict[str, Any]]:
    """The job's log in the journal, as the docs read it; every line is an object."""
    return [line for line in map(json.loads, host.shell(JOURNAL).splitlines()) if line["event"] == event]


def test_the_timer_bills_and_when_it_fires_again_nothing_is_sent(host: Installed, figures: Figures) -> None:
    """Every five seconds instead of every hour, by a drop-in as the docs show it."""
    verify = "systemd-analyze verify --man=no /etc/systemd/system/etl.service /etc/systemd/system/etl.timer"
    assert host.shell(f"{verify} 2>&1") == ""
    ((_, *lines),) = shown("systemd", "ini")[2:]
    often = "\n".join(["[Timer]", *lines]).replace("*:00/15:00", "*:*:0/5")
    assert "0/5" in often
    drop_in(host, "etl.timer", f"{often}\nAccuracySec=100ms")
    began = time.monotonic()
    host.shell("systemctl restart etl.timer")
    host.wait(lambda: len(logged(host, "report")) >= 2)
    figures(seconds_for_two_firings=time.monotonic() - began)
    assert shows(host, "etl.timer")["LastTriggerUSec"]
    assert shows(host)["TriggeredBy"] == "etl.timer"
    first, second = logged(host, "report")[:2]
    assert (first["sent"], first["exit_code"], second["sent"], second["exit_code"]) == (2, 0, 0, 0)
    assert sorted(host.standin.ids()) == ["m1", "m2"]
    assert host.standin.stats()["requests"] == 1
    assert host.runs()[-1]["kind"] == "scheduled"


def test_the_installation_of_the_docs_passes_its_check(host: Installed) -> None:
    """As the job's user, with the token of the environment file, against the stand-in."""
    host.shell("\n".join(shown("Where things lie")[1]))


def test_something_to_look_at_is_a_success(host: Installed) -> None:
    """Exit code 1."""
    host.workspace.write([track("m3", context={})], "b.parquet")
    host.shell(START)
    assert ended(host) == ("inactive", "success", "1")
    assert logged(host, "report")[0]["rejected"] == 1


def test_a_window_that_is_being_run_is_a_success(host: Installed) -> None:
    """Exit code 75. The other run is stopped by SIGTERM; the unit then bills what is left."""
    host.standin.set_faults(SLOW)
    other = "--property=EnvironmentFile=/etc/etl/environment --uid=etl --unit=other --quiet --collect"
    host.shell(f"systemd-run {other} /opt/etl/bin/etl run -c /etc/etl/etl.yml")
    host.wait(lambda: host.standin.stats()["requests"])
    host.shell(START)
    assert ended(host) == ("inactive", "success", "75")
    host.standin.set_faults()
    host.shell(f"systemctl stop other.service\n{START}")
    assert ended(host) == ("inactive", "success", "0")
    assert sorted(host.standin.ids()) == ["m1", "m2"]


def test_a_wrong_config_fails_and_is_not_tried_again(host: Installed) -> None:
    """Exit code 2: a person is needed first."""
    drop_in(host, "etl.service", SOON)
    host.edit("^source:", r"source:\n  colour: red")
    assert host.machine.run("bash", "-c", START).returncode == 1
    assert ended(host) == ("failed", "exit-code", "2")
    assert shows(host)["NRestarts"] == "0"
    (error,) = logged(host, "error")
    assert "source.colour" in error["message"]
    assert error["exit_code"] == 2


def test_a_stopped_run_is_tried_again_until_it_is_complete(host: Installed) -> None:
    """Exit code 3: here until the files are where the config says."""
    drop_in(host, "etl.service", "[Unit]\nStartLimitBurst=1000\n" + SOON)
    host.edit("path: /srv/exports/tracks/", "path: /srv/exports/late/")
    host.shell(START.replace("start", "start --no-block", 1))
    host.wait(lambda: int(shows(host)["NRestarts"]) >= 1)
    late = host.workspace.path / "late"
    late.mkdir()
    try:
        (host.workspace.path / "tracks" / "a.parquet").rename(late / "a.parquet")
        host.wait(lambda: ended(host) == ("inactive", "success", "0"))
    finally:
        for file in late.iterdir():
            file.unlink()
        late.rmdir()
    assert {error["exit_code"] for error in logged(host, "error")} == {3}
    assert sorted(host.standin.ids()) == ["m1", "m2"]


def test_after_four_starts_it_has_failed(host: Installed) -> None:
    """So that an ``OnFailure=`` is told; three of them were tried again."""
    drop_in(host, "etl.service", SOON)
    host.edit("path: /srv/exports/tracks/", "path: /srv/exports/nowhere/")
    host.shell(START.replace("start", "start --no-block", 1))
    host.wait(lambda: ended(host)[0] == "failed")
    assert len(logged(host, "error")) == 4


def test_a_killed_run_is_tried_again_and_everything_is_billed_once(host: Installed) -> None:
    """``kill -9``, as the kernel does when memory is short."""
    drop_in(host, "etl.service", SOON)
    host.standin.set_faults(SLOW)
    host.shell(START.replace("start", "start --no-block", 1))
    host.wait(lambda: host.standin.stats()["requests"])
    host.standin.set_faults()
    host.shell("systemctl kill --signal=KILL etl.service")
    host.wait(lambda: shows(host)["NRestarts"] == "1" and ended(host) == ("inactive", "success", "0"))
    assert sorted(host.standin.ids()) == ["m1", "m2"]


def test_stopping_the_unit_ends_the_run_in_time(host: Installed) -> None:
    """SIGTERM: it exits 3 by itself, long before systemd would kill it, and is not started again."""
    host.standin.set_faults(SLOW)
    host.shell(START.replace("start", "start --no-block", 1))
    host.wait(lambda: host.standin.stats()["requests"])
    host.shell("systemctl stop etl.service")
    assert ended(host) == ("failed", "exit-code", "3")
    host.standin.set_faults()
    host.shell(START)
    assert sorted(host.standin.ids()) == ["m1", "m2"]


def test_the_unit_may_write_to_its_own_folder_only(host: Installed) -> None:
    """As the docs say: a state elsewhere is refused with the reason, and nothing is sent."""
    host.shell("install -d -o etl /srv/elsewhere")
    host.edit("sqlite:.*", "sqlite:////srv/elsewhere/etl.db")
    host.machine.run("bash", "-c", START)
    assert ended(host)[2] in {"2", "3"}
    assert re.search("read-only|unable to open|cannot", logged(host, "error")[0]["message"], re.IGNORECASE)
    assert host.standin.ids() == []
    assert host.shell("ls -A /srv/elsewhere") == ""
    assert host.shell("stat -c %U /var/lib/etl") == "etl\n"
    assert Path("/srv/elsewhere").exists() is False
