"""The wheel alone, in an empty environment outside the checkout: what README shows works there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.packages import ROOT, build_wheel, run_uv

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of this checkout."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


class Installation:
    """The wheel and what it depends on; ``home``: an empty folder, and the working directory."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.home = folder / "home"
        self.home.mkdir()
        self.bin = folder / "env" / "bin"
        run_uv("venv", "--python", sys.executable, str(folder / "env"))
        run_uv("pip", "install", "--python", str(self.bin / "python"), str(wheel))

    def run(self, *command: str) -> str:
        """A command of the environment, which must succeed; what it prints. It knows of nothing else."""
        ran = subprocess.run(
            [self.bin / command[0], *command[1:]],
            cwd=self.home,
            env={"HOME": str(self.home), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ran.returncode == 0, f"{command}\n{ran.stdout}{ran.stderr}"
        return ran.stdout


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One for all tests."""
    folder = tmp_path_factory.mktemp("installed")
    yield Installation(folder, wheel)
    shutil.rmtree(folder)


def files_under(folder: str, *kinds: str) -> set[str]:
    """Those that git knows, without the folder's name."""
    listed = subprocess.run(
        ["git", "ls-files", folder], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    found = listed or [str(p.relative_to(ROOT)) for p in (ROOT / folder).rglob("*") if p.is_file()]
    return {name.removeprefix(f"{folder}/") for name in found}


def test_the_wheel_carries_sql_and_configs_and_no_tests(wheel: Path) -> None:
    """Every file of ``sql/`` and ``configs/``, under the package; nothing beside the package."""
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"etl/_sql/{name}" for name in files_under("sql")} <= names
    assert {f"etl/_configs/{name}" for name in files_under("configs")} <= names
    assert {f"etl/{name}" for name in files_under("etl")} <= names
    assert {name.split("/")[0] for name in names} == {
        "etl",
        f"segment_metronome_etl-{PROJECT['version']}.dist-info",
    }
    assert not [name for name in names if re.search(r"(^|/)(tests?|conftest\.py|__pycache__)(/|$)", name)]


def test_it_is_the_wheel_that_runs(installed: Installation) -> None:
    """Not the checkout."""
    assert installed.run("etl", "--version") == f"etl, version {PROJECT['version']}\n"
    place = installed.run("python", "-c", "import etl; print(etl.__file__)")
    assert place.startswith(str(installed.bin.parent))


def test_the_demo_bills_and_its_config_checks_and_reports(installed: Installation) -> None:
    """`etl demo`, then `etl check`, `etl status` and `etl report` on what it left."""
    told = installed.run("etl", "demo")
    assert "already" in told
    config = "etl-demo/etl-demo.yml"
    installed.run("etl", "check", "-c", config)
    installed.run("etl", "status", "-c", config)
    installed.run("etl", "report", "-c", config, "--out", "report.html")
    assert "<html" in (installed.home / "report.html").read_text()


@pytest.mark.parametrize("source", ["parquet", "logs"])
def test_init_makes_a_config_that_check_accepts(installed: Installation, source: str) -> None:
    """For a parquet export and for raw logs; a warehouse needs a driver more."""
    installed.run("etl", "init", "--source", source, "--path", "exports/", "--out", f"{source}.yml")
    installed.run("etl", "check", "-c", f"{source}.yml")


def test_the_shipped_configs_pass_check(installed: Installation) -> None:
    """Those of files, from the place the wheel puts them."""
    configs = "import etl, pathlib; print(pathlib.Path(etl.__file__).parent / '_configs')"
    place = Path(installed.run("python", "-c", configs).strip())
    for name in ("parquet.yml", "logs.yml", "customerio.yml"):
        installed.run("etl", "check", "-c", str(place / name))


def test_every_module_can_be_imported_or_says_which_extra_it_needs(installed: Installation) -> None:
    """None leans on what only the tests install."""
    script = (
        "import importlib, pkgutil, etl\n"
        "for m in pkgutil.walk_packages(etl.__path__, 'etl.'):\n"
        "    if not m.name.endswith('__main__'): importlib.import_module(m.name); print(m.name)"
    )
    assert "etl.operations.report.page" in installed.run("python", "-W", "error", "-c", script)


def test_the_changelog_has_a_dated_section_of_the_version() -> None:
    """The newest of them is the version of the package."""
    changelog = (ROOT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## (\d\S*) - (\d{4}-\d\d-\d\d)$", changelog, re.MULTILINE)
    assert versions[0][0] == PROJECT["version"]
    assert [date for _, date in versions] == sorted((date for _, date in versions), reverse=True)
