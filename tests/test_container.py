"""configs/container: what holds of the Dockerfile and the CronJob without an engine, and the script they share."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from dockerfile_parse import DockerfileParser
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "configs" / "container"
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


@pytest.fixture
def steps() -> list[dict[str, Any]]:
    """Of the Dockerfile: ``instruction`` and ``value``."""
    return DockerfileParser(path=str(FOLDER / "Dockerfile")).structure


@pytest.fixture
def pod() -> dict[str, Any]:
    """Of the CronJob."""
    return cronjob()["jobTemplate"]["spec"]["template"]["spec"]


def cronjob() -> dict[str, Any]:
    return YAML(typ="safe").load(FOLDER / "cronjob.yaml")["spec"]


def values(steps: list[dict[str, Any]], instruction: str) -> list[str]:
    return [step["value"] for step in steps if step["instruction"] == instruction]


def test_both_stages_build_upon_one_pinned_base(steps: list[dict[str, Any]]) -> None:
    """A tag with Python's and Debian's version."""
    first, second = values(steps, "FROM")
    assert first == f"{second} AS build"
    assert second == "python:3.13-slim-bookworm"


def test_what_is_copied_is_in_the_checkout(steps: list[dict[str, Any]]) -> None:
    """And it is all that the wheel needs."""
    copied = [
        word
        for value in values(steps, "COPY")
        if not value.startswith("--from")
        for word in value.split()[:-1]
        if not word.startswith("--")
    ]
    assert all((ROOT / name).exists() for name in copied)
    assert {"pyproject.toml", "README.md", "etl", "sql", "configs"} <= set(copied)


def test_it_ends_as_an_ordinary_user(steps: list[dict[str, Any]]) -> None:
    """By number, so that Kubernetes can tell."""
    assert values(steps, "USER") == ["10001"]
    assert values(steps, "ENTRYPOINT") == ['["etl"]']
    assert values(steps, "CMD") == ['["run"]']


def test_the_cronjob_runs_the_image_of_this_version_and_forgives_no_config_error(pod: dict[str, Any]) -> None:
    """Exit code 2 fails the job at once; 3 is tried again; the others never reach Kubernetes."""
    (container,) = pod["containers"]
    assert container["image"].endswith(f"segment-metronome-etl:{VERSION}")
    assert (container["command"], container["args"]) == (["etl-job"], ["run"])
    assert pod["restartPolicy"] == "Never"
    job = cronjob()["jobTemplate"]["spec"]
    assert job["backoffLimit"] > 0
    (first, second) = job["podFailurePolicy"]["rules"]
    assert first["action"] == "FailJob"
    assert first["onExitCodes"] == {"containerName": container["name"], "operator": "In", "values": [2]}
    assert second["action"] == "Ignore"
    assert second["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]


def test_the_pod_may_do_nothing_but_the_job(pod: dict[str, Any]) -> None:
    """And has the time to finish what is in flight."""
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["terminationGracePeriodSeconds"] >= 30
    volumes = {volume["name"] for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes


def etl_job(folder: Path, body: str) -> dict[str, Any]:
    """How ``etl-job`` is started where ``etl`` is this script."""
    (folder / "etl").write_text(f"#!/bin/sh\n{body}\n")
    (folder / "etl").chmod(0o755)
    return {
        "args": [str(FOLDER / "etl-job"), "run", "-c", "a b"],
        "env": os.environ | {"PATH": f"{folder}:/usr/bin:/bin"},
        "cwd": folder,
    }


@pytest.mark.parametrize(("code", "becomes"), [(0, 0), (1, 0), (2, 2), (3, 3), (75, 0), (130, 130)])
def test_what_is_no_failure_becomes_0(tmp_path: Path, code: int, becomes: int) -> None:
    """Arguments are handed on as they are."""
    ran = subprocess.run(
        **etl_job(tmp_path, f'printf "%s|" "$@"; exit {code}'),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (becomes, "run|-c|a b|")


def test_a_signal_reaches_the_job_which_ends_in_its_own_time(tmp_path: Path) -> None:
    """Its exit code counts, not the signal."""
    waits = "trap 'echo asked > asked; sleep 0.3; exit 3' TERM; echo up > up; while :; do sleep 0.05; done"
    with subprocess.Popen(**etl_job(tmp_path, waits)) as job:
        end = time.monotonic() + 20
        while not (tmp_path / "up").exists():
            assert time.monotonic() < end
            time.sleep(0.01)
        job.send_signal(signal.SIGTERM)
        assert job.wait(20) == 3
    assert (tmp_path / "asked").exists()
