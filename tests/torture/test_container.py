"""The image of configs/container, built and run by a real engine on a throw-away machine.

The base image is a stand-in, since no test downloads an image. It is Debian's own packages with this interpreter, under
the name that the Dockerfile asks for.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.machine import Machine
from tests.support.packages import ROOT
from tests.support.workspace import Workspace, track

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from etl.standin import Standin
    from tests.torture.conftest import Figures

pytestmark = pytest.mark.slow

IMAGE = "segment-metronome-etl:0.1.0"
_PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
_PREPARE = f"""
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends podman buildah debootstrap crun > /dev/null
rm -rf /var/lib/containers
mkdir /var/lib/containers
mount -t tmpfs tmpfs /var/lib/containers  # an overlay cannot lie on the machine's own
libraries=libssl3,libsqlite3-0,libffi8,libreadline8,libbz2-1.0,liblzma5,ca-certificates
debootstrap --variant=minbase --include=$libraries bookworm /srv/base > /dev/null
cp -a /etc/ssl/certs/. /srv/base/etc/ssl/certs/
tar -C {sys.base_prefix} --exclude test --exclude site-packages --exclude '*.a' -cf - . \\
  | tar --no-same-owner -C /srv/base/usr/local -xf -
chroot /srv/base /sbin/ldconfig
mkdir -p /srv/base/usr/local/lib/{_PYTHON}/site-packages
chroot /srv/base /usr/local/bin/{_PYTHON} -m ensurepip --default-pip > /dev/null
ln -sf {_PYTHON} /srv/base/usr/local/bin/python
printf '[global]\\ncert = /etc/ssl/certs/ca-certificates.crt\\n' > /srv/base/etc/pip.conf
tar -C /srv/base -cf /srv/base.tar .
podman import --quiet --change ENV=PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin /srv/base.tar BASE
"""


def base() -> str:
    """What the Dockerfile builds upon."""
    lines = (ROOT / "configs" / "container" / "Dockerfile").read_text().splitlines()
    (name,) = {line.split()[1] for line in lines if line.startswith("FROM ")}
    return name


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, Path]]:
    """With podman, the base and the built image; and a folder that is ``/srv/job`` there."""
    work = tmp_path_factory.mktemp("work")
    work.chmod(0o755)
    prepare = _PREPARE.replace("BASE", base())
    with Machine(prepare, ["sleep", "1200"], {work: "/srv/job"}, seconds=900) as machine:
        build = "podman build --isolation chroot --network host --pull=never --format docker"
        machine.shell(
            f"cd {ROOT} && {build} --file configs/container/Dockerfile --tag {IMAGE} . 2>&1", timeout=500
        )
        yield machine, work


def run(
    machine: Machine, *arguments: str, options: str = "", timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """The image, as the CronJob runs it: no other user, nothing writable but two folders."""
    safe = "--read-only --cap-drop=all --security-opt=no-new-privileges --tmpfs /tmp --tmpfs /var/lib/etl:mode=1777"
    mounts = "--volume /srv/job:/etc/etl:ro --env-file /srv/job/environment"
    command = f"podman run --rm --network host --cgroups disabled {safe} {mounts} {options} {IMAGE}"
    return machine.run(*command.split(), *arguments, timeout=timeout)


@pytest.fixture
def workspace(machine: tuple[Machine, Path], standin: Standin) -> Workspace:
    """Two events to bill."""
    workspace = Workspace(machine[1], standin)
    workspace.config(state={"url": "sqlite:////tmp/etl.db"})
    (workspace.path / "environment").write_text(f"METRONOME_BEARER_TOKEN={standin.token}\n")
    workspace.write([track("m1"), track("m2")])
    return workspace


def test_the_image_bills_as_an_ordinary_user(
    machine: tuple[Machine, Path], workspace: Workspace, figures: Figures
) -> None:
    """With the config at its place it needs no argument; its log is JSON."""
    machine, _ = machine
    ran = run(machine)
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stderr
    assert '"event":"report"' in ran.stderr
    assert sorted(workspace.standin.ids()) == ["m1", "m2"]
    assert run(machine, "--version").stdout == "etl, version 0.1.0\n"
    assert run(machine, "-u", options="--entrypoint id").stdout == "10001\n"
    size = machine.shell(f"podman image inspect --format '{{{{.Size}}}}' {IMAGE}")
    under = machine.shell(f"podman image inspect --format '{{{{.Size}}}}' {base()}")
    figures(megabytes_over_the_base=(int(size) - int(under)) // 1_000_000)


def test_the_image_tells_what_it_did_by_its_exit_code(
    machine: tuple[Machine, Path], workspace: Workspace
) -> None:
    """1 and 2 as everywhere; through ``etl-job``, what is no failure is 0."""
    machine, _ = machine
    workspace.write([track("m1"), track("m2", context={})])
    assert run(machine).returncode == 1
    assert run(machine, "run", options="--entrypoint etl-job").returncode == 0
    workspace.config(source={"colour": "red"})
    assert run(machine).returncode == 2
    assert run(machine, "run", options="--entrypoint etl-job").returncode == 2
