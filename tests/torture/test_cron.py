"""A real cron daemon runs the crontab of the docs, on a machine of its own, and mails what they say."""

from __future__ import annotations

import time
from email import message_from_string
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.installed import CONFIGS, Installed, shown
from tests.support.packages import build_wheel
from tests.support.workspace import track

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message

    from etl.standin import Standin
    from tests.torture.conftest import Figures

pytestmark = pytest.mark.slow

#: What cron hands its mail to, on a machine without mail: one file each.
_SENDMAIL = """
install -d -m 1777 /srv/mail
printf '%s\\n' '#!/bin/sh' 'exec cat > "/srv/mail/$(date +%s%N)"' > /usr/sbin/sendmail
chmod +x /usr/sbin/sendmail
"""
_MINUTE = 60.0


@pytest.fixture
def host(tmp_path, standin: Standin) -> Iterator[Installed]:
    """Cron runs; there are two events to bill."""
    exports = tmp_path / "exports"
    exports.mkdir()
    host = Installed(exports, build_wheel(tmp_path / "wheel"), standin, ["cron", "-f"], {"cron": "cron"})
    with host.machine:
        host.anew()
        host.workspace.write([track("m1"), track("m2")])
        yield host


def mails(host: Installed) -> list[Message]:
    """What cron has mailed."""
    files = host.shell("ls /srv/mail").split()
    return [message_from_string(host.shell(f"cat /srv/mail/{file}")) for file in files]


def complete(host: Installed) -> list[dict[str, Any]]:
    """The runs that were completed, the oldest first."""
    return [run for run in reversed(host.runs()) if run["status"] == "complete"]


def test_cron_bills_sends_nothing_again_and_mails_what_there_is_to_look_at(
    host: Installed, figures: Figures
) -> None:
    """Every minute instead of every hour: bills, then sends nothing, both without a mail, then one with counts."""
    host.shell(_SENDMAIL)
    ((copy,),) = shown("cron")
    host.shell(
        f"{CONFIGS}\n{copy}\nsed -i 's/^7 [*]/* */' /etc/cron.d/etl; grep -q '^[*] [*] [*]' /etc/cron.d/etl"
    )
    began = time.monotonic()
    host.wait(lambda: len(complete(host)) >= 2, 4 * _MINUTE)
    assert [run["counts"]["sent"] for run in complete(host)[:2]] == [2, 0]
    assert mails(host) == []
    host.workspace.write([track("m3", context={})], "b.parquet")
    (mail,) = host.wait(lambda: mails(host), 3 * _MINUTE)
    figures(seconds_for_three_firings=time.monotonic() - began)
    assert mail["To"] == "billing-alerts@example.com"
    assert "rejected           1  could not be made into a usage event" in mail.get_payload()
    assert "look at them with: etl dead-letters list" in mail.get_payload()
    assert sorted(host.standin.ids()) == ["m1", "m2"]
    assert host.standin.stats()["requests"] == 1
