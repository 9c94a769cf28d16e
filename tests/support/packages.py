"""The package as people get it: its wheel, and environments made with uv."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
_SECONDS = 300.0


def uv() -> str:
    """Where uv is: beside this interpreter, as make puts it, or on the path."""
    beside = Path(sys.executable).parent / "uv"
    found = str(beside) if beside.exists() else shutil.which("uv")
    assert found, "uv is needed (make installs it)"
    return found


def run_uv(*arguments: str) -> None:
    """``uv ARGUMENTS``, which must succeed."""
    ran = subprocess.run(
        [uv(), *arguments, "--quiet"], timeout=_SECONDS, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, f"uv {' '.join(arguments)}\n{ran.stderr}"


def build_wheel(folder: Path) -> Path:
    """The wheel of this checkout, in ``folder``."""
    run_uv("build", "--wheel", "--out-dir", str(folder), str(ROOT))
    (wheel,) = folder.glob("*.whl")
    return wheel
