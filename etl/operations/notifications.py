"""Tells a webhook or a command when a run fails, and when the next one is complete again."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any, Literal

import orjson

from etl.core.errors import ConfigError
from etl.pipeline import wiring

if TYPE_CHECKING:
    from etl.config import Config
    from etl.core.report import Report

Happening = Literal["failure", "recovery"]

_FAILURES = (2, 3)


def happening(config: Config, report: Report) -> Happening | None:
    """What there is to say: a run that failed (2, 3), or one that is complete after one that was not.

    The runs of the same kind in the state say which; a busy window (75) is neither. Raises as the state does.
    """
    if report.exit_code in _FAILURES:
        return "failure"
    if not report.complete:
        return None
    runs = wiring.state_of(config).runs(config.pipeline, config.destination.account, limit=20)
    mine = runs[runs["run_id"] == report.run_id]
    if not len(mine):
        return None
    before = runs[(runs["kind"] == mine["kind"].iloc[0]) & (runs.index > mine.index[0])]
    failed = len(before) and before["status"].iloc[0] in ("stopped", "abandoned")
    return "recovery" if failed else None


def message(config: Config, report: Report, what: Happening) -> dict[str, Any]:
    """``text`` for people (what chat webhooks show), and the fields of ``--json`` with ``happening`` and ``pipeline``.

    It holds no event content and no token.
    """
    of = f"pipeline {config.pipeline!r}, account {config.destination.account!r}"
    error = (report.error or {}).get("message", "")
    text = (
        f"etl: {of} is complete again up to the end of {report.window}"
        if what == "recovery"
        else f"etl: {of} failed (exit {report.exit_code}): {error}"
    )
    named = {"happening": what, "pipeline": config.pipeline, "account": config.destination.account}
    return {"text": text, **named, **report.as_dict()}


def notify(config: Config, report: Report) -> list[str]:
    """Tell whoever the config's section ``notify`` names; what went wrong with that, a line each.

    A missing webhook, a refused request or a failing command never changes what became of the run.
    """
    if not (config.notify.webhook or config.notify.command or config.webhook_is_missing):
        return []
    what = happening(config, report)
    if what is None:
        return []
    content = orjson.dumps(message(config, report, what))
    told = (_post(config, content), _run(config, content))
    return [problem for problem in told if problem]


def _post(config: Config, content: bytes) -> str | None:
    if config.webhook_is_missing:
        return "notify.webhook: its variable is not set; nobody was told"
    if config.notify.webhook is None:
        return None
    import httpx  # most runs have nothing to say, and start faster without

    url = config.notify.webhook.get_secret_value()
    try:
        with wiring.network().client(url, config.notify.timeout.total_seconds()) as client:
            answer = client.post(url, content=content, headers={"content-type": "application/json"})
    except ConfigError as error:
        return f"notify.webhook: {error}; nobody was told"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"notify.webhook could not be reached ({type(error).__name__}); nobody was told"
    return None if answer.is_success else f"notify.webhook answered {answer.status_code}; nobody was told"


def _run(config: Config, content: bytes) -> str | None:
    if config.notify.command is None:
        return None
    try:
        ran = subprocess.run(  # noqa: S603 - the config's author names the command
            config.notify.command,
            input=content,
            timeout=config.notify.timeout.total_seconds(),
            capture_output=True,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"notify.command {config.notify.command[0]} did not run: {type(error).__name__}"
    return f"notify.command {config.notify.command[0]} exited {ran.returncode}" if ran.returncode else None
