"""A real Airflow in an environment of its own, made once per checkout, and one process in it that tests DAGs."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.support.packages import ROOT, run_uv

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = "3.3.2"
DAGS = ROOT / "configs" / "airflow" / "etl_dags.py"
_SECONDS = 300.0


def python(*, with_job: bool = False) -> Path:
    """Its interpreter; made when it is first asked for: Airflow and this package, without its dependencies.

    ``with_job``: another one, for Airflow and the job with all it needs.
    """
    place = ROOT / ".venv-airflow" / ("with-job" if with_job else "alone")
    place.parent.mkdir(exist_ok=True)
    with _locked(place.with_suffix(".lock")):
        stamp = place / f"airflow-{VERSION}-{_wanted()}"
        if not stamp.exists():
            shutil.rmtree(place, ignore_errors=True)
            run_uv("venv", "--python", sys.executable, str(place))
            install = ("pip", "install", "--python", str(place / "bin" / "python"))
            run_uv(
                *install, f"apache-airflow=={VERSION}", *([f"{ROOT}[airflow,postgres]"] if with_job else ())
            )
            run_uv(*install, "--no-deps", "--editable", str(ROOT))
            stamp.touch()
    return place / "bin" / "python"


def _wanted() -> str:
    """Changes when the package wants other dependencies."""
    return hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()[:12]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def environment(home: Path, **more: str) -> dict[str, str]:
    """An Airflow that lives in ``home``: its database, its settings, its DAGs in ``home/dags``."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "METRONOME"))}
    return inherited | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        **more,
    }


def edited(config: Path, **constants: str) -> str:
    """The DAG file with the block at its top edited, as its users do."""
    lines = DAGS.read_text().splitlines()
    values = {"CONFIG": repr(str(config)), "PYTHON": repr(sys.executable), **constants}
    for name, value in values.items():
        (at,) = (n for n, line in enumerate(lines) if line.startswith(f"{name} = "))
        lines[at] = f"{name} = {value}"
    return "\n".join(lines) + "\n"


class Airflow:
    """``dag.test()`` on request, in one process, since importing Airflow takes seconds."""

    def __init__(self, home: Path, *, with_job: bool = False, **more: str) -> None:
        self.home = home
        self.python = python(with_job=with_job)
        (home / "dags").mkdir(parents=True)
        self._environment = environment(home, **more)

    def __enter__(self) -> Self:
        migrate = [self.python, "-m", "airflow", "db", "migrate"]
        subprocess.run(
            migrate, env=self._environment, check=True, timeout=_SECONDS, capture_output=True, cwd=self.home
        )
        self._log = (self.home / "log").open("w")
        self._process = subprocess.Popen(
            [self.python, "-P", Path(__file__).with_name("airflow_driver.py")],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            cwd=self.home,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.kill()
        self._process.wait(30)
        self._log.close()

    def test(self, dag: str, file: str, **conf: Any) -> dict[str, Any]:
        """Trigger ``dag`` of the file by hand (no logical date); its ``state``, and ``tasks``: name → try, state, result."""
        (self.home / "dags" / "etl_dags.py").write_text(file)
        self._process.stdin.write(json.dumps({"dag": dag, "conf": conf}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, self.log()[-5000:]
        return json.loads(answer)

    def log(self) -> str:
        """What the process and its tasks have logged so far."""
        return (self.home / "log").read_text()
