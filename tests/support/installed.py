"""The job on a machine of its own, installed from its wheel by the lines of docs/scheduling.md."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.machine import Machine
from tests.support.packages import ROOT, uv
from tests.support.workspace import Workspace, ago

if TYPE_CHECKING:
    from etl.standin import Standin

TEXT = (ROOT / "docs" / "scheduling.md").read_text(encoding="utf-8")
CONFIGS = "configs=$(echo /opt/etl/lib/python3*/site-packages/etl/_configs)"
#: Runs what follows as the user of the job.
AS_ETL = "setpriv --reuid etl --regid etl --init-groups"


def shown(section: str, language: str = "sh") -> list[list[str]]:
    """The commands of each code block of a section of the docs, without their comments."""
    (text,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE)
    blocks = re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [[re.sub(r"\s+#.*", "", line) for line in block.splitlines()] for block in blocks]


class Installed:
    """``workspace`` is the export, ``/srv/exports`` in the machine. ``packages``: of Debian, where a command is missing."""

    def __init__(
        self, folder: Path, wheel: Path, standin: Standin, init: list[str], packages: dict[str, str]
    ) -> None:
        self.standin = standin
        folder.chmod(0o755)
        self.workspace = Workspace(folder, standin)
        shared = {folder: "/srv/exports", wheel.parent: "/srv/wheel", Path(uv()).parent: "/srv/uv"}
        self.machine = Machine(_prepare(packages), init, shared)
        self.shell = self.machine.shell
        self.wait = self.machine.wait

    def anew(self) -> None:
        """As after the installation: nothing billed, nothing exported, the docs' config with this test's addresses."""
        self.standin.reset()
        for file in (self.workspace.path / "tracks").iterdir():
            file.unlink()
        (*_, init, state, configs, environment), *_ = shown("Where things lie")
        self.shell("rm -rf /var/lib/etl/* /etc/etl/*")
        self.shell(f"{init}\n{state}\n{configs}\n{environment}")
        self.shell(f"sed -i 's|replace-me|{self.standin.token}|' /etc/etl/environment")
        self.edit("account:.*", rf"account: sandbox\n  base_url: {self.standin.url}")
        self.edit("start:.*", f"start: {ago(days=40)}")

    def edit(self, old: str, new: str) -> None:
        """Replace a part of the config; ``old`` is a regular expression."""
        self.shell(f"sed -i -E 's|{old}|{new}|' /etc/etl/etl.yml")

    def runs(self) -> list[dict[str, Any]]:
        """What ``etl status`` says of the runs, the newest first."""
        status = "set -a; . /etc/etl/environment; exec /opt/etl/bin/etl status -c /etc/etl/etl.yml --json"
        return json.loads(self.shell(f"{AS_ETL} sh -c '{status}'"))["runs"]


def _prepare(packages: dict[str, str]) -> str:
    """Debian's packages, the docs' installation; and interpreters in root's home made readable for the job's user."""
    missing = [f"command -v {command} > /dev/null || missing+=({name})" for command, name in packages.items()]
    install = ["apt-get update -qq", 'apt-get install -y -qq --no-install-recommends "${missing[@]}"']
    lines, *_ = shown("Where things lie")
    text = "\n".join(lines)
    text = text.replace("python3 -m venv", f"{sys._base_executable} -m venv")
    pip = "/srv/uv/uv pip install --quiet --python /opt/etl/bin/python"
    text = text.replace("/opt/etl/bin/pip install segment-metronome-etl", f"{pip} /srv/wheel/*.whl")
    return "\n".join(
        (
            "export DEBIAN_FRONTEND=noninteractive", "missing=()", *missing,
            f"if [ ${{#missing[@]}} -gt 0 ]; then {'; '.join(install)}; fi",
            f"place={sys.base_prefix}",
            'while [ "$place" != / ]; do chmod a+x "$place"; place=$(dirname "$place"); done',
            text,
        )
    )  # fmt: skip
