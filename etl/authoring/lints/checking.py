"""Everything to say of a config's triggers and mappings: ``problems`` and ``lints``."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from etl.authoring.lints.finding import Finding, Lint, Problem
from etl.authoring.lints.mapping import mapping_findings
from etl.authoring.lints.pairs import Numbered, alike_ids, same_ids
from etl.authoring.lints.sample import sample_findings
from etl.authoring.lints.trigger import tested_paths, trigger_findings
from etl.config import draft_config
from etl.transform.fql import FqlError, compile_trigger
from etl.transform.mapping import compiler
from etl.transform.mapping.directives import DIRECTIVES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from etl.config import Config, Draft
    from etl.config.document import KeyPath
    from etl.core.subscription import Subscription
    from etl.transform.columns.tracks import Roots


@dataclass(frozen=True)
class Check:
    """What ``etl check`` shows: ``problems`` (lines of text, in the order of the file), else a config and its lints."""

    config: Config | None
    problems: tuple[str, ...]
    lints: tuple[Lint, ...]


def check_config(path: str | Path, env: Mapping[str, str], now: datetime | None = None) -> Check:
    """Read a config and collect everything about it at once, whether it can be loaded or not.

    ``now``: subscriptions that ended before it are not linted: nothing will be billed by them any more.

    Raises:
        ConfigError: the file cannot be read.
    """
    draft = draft_config(path, env)
    for key, text in _problems(_subscriptions_of(draft)):
        draft.document.problem(key, text)
    surprises = tuple(lints(draft.config, now=now)) if draft.config and not draft.document.problems else ()
    return Check(draft.config, draft.document.messages(), surprises)


def problems(config: Config) -> list[Problem]:
    """Triggers that do not parse, mappings Segment would refuse, and subscriptions that share their ids.

    Every event would be rejected, or some billed once where twice was meant: no run accepts such a config.
    """
    keyed = _problems(dict(enumerate(config.subscriptions)))
    return [Problem(config.where(*key), text) for key, text in keyed]


def lints(config: Config, sample: Sequence[Roots] = (), now: datetime | None = None) -> list[Lint]:
    """Everything that is valid and probably not meant, in the order of the subscriptions.

    ``sample``: some track events of the source (``etl.transform.columns.tracks``), a part per file or table, for lints
    that need to see values. ``now``: as for ``check_config``. Subscriptions with problems have no lints.
    """
    subscriptions = {
        position: subscription
        for position, subscription in enumerate(config.subscriptions)
        if now is None or subscription.until is None or subscription.until > now
    }
    placed = [*_alone(subscriptions), *_together(subscriptions), *_sampled(subscriptions, sample)]
    placed.sort(key=lambda pair: pair[0])
    return [_placed(config, position, finding) for position, finding in placed]


def _placed(config: Config, position: int, finding: Finding) -> Lint:
    where = config.where("subscriptions", position, *finding.key)
    return Lint(finding.code, where, finding.message, finding.fix)


def _subscriptions_of(draft: Draft) -> dict[int, Subscription]:
    return {position: section.subscription for position, section in draft.subscriptions.items()}


# ------------------------------------------------------------------------------------------------ problems


def _problems(subscriptions: Mapping[int, Subscription]) -> Iterator[tuple[KeyPath, str]]:
    for position, subscription in subscriptions.items():
        here: KeyPath = ("subscriptions", position)
        try:
            compile_trigger(subscription.trigger)
        except FqlError as error:
            yield (*here, "trigger"), str(error).removeprefix("the trigger ")
        for text in compiler.problems(subscription.mapping):
            yield _mapping_problem((*here, "mapping"), text)
    for position, text in same_ids(_compiled(subscriptions)):
        yield ("subscriptions", position, "mapping", "transaction_id"), text


def _mapping_problem(key: KeyPath, text: str) -> tuple[KeyPath, str]:
    """Segment's ``/customer_id/@path should be ….`` as a key and what is wrong with it."""
    path, _, wrong = text.removesuffix(".").partition(" ")
    return (*key, *(part for part in path.split("/") if part)), wrong + _near_directive(wrong)


def _near_directive(wrong: str) -> str:
    name = wrong.removeprefix("has an invalid directive: ")
    near = get_close_matches(name, DIRECTIVES, n=1) if name != wrong else []
    return f'; did you mean "{near[0]}"?' if near else ""


def _compiled(subscriptions: Mapping[int, Subscription]) -> list[Numbered]:
    """Those whose trigger parses."""
    compiled = []
    for position, subscription in subscriptions.items():
        try:
            compiled.append(Numbered(position, subscription, compile_trigger(subscription.trigger)))
        except FqlError:
            continue
    return compiled


# --------------------------------------------------------------------------------------------------- lints


def _alone(subscriptions: Mapping[int, Subscription]) -> Iterator[tuple[int, Finding]]:
    compiled = _compiled(subscriptions)
    tested = frozenset(path for one in compiled for path in tested_paths(one.trigger))
    for one in compiled:
        for finding in trigger_findings(one.trigger, tested):
            yield one.position, _under("trigger", finding)
        for finding in mapping_findings(one.subscription.mapping):
            yield one.position, _under("mapping", finding)


def _together(subscriptions: Mapping[int, Subscription]) -> Iterator[tuple[int, Finding]]:
    for position, finding in alike_ids(_compiled(subscriptions)):
        yield position, _under("mapping", finding)


def _sampled(
    subscriptions: Mapping[int, Subscription], sample: Sequence[Roots]
) -> Iterator[tuple[int, Finding]]:
    for one in _compiled(subscriptions):
        for finding in sample_findings(one, sample):
            yield one.position, finding


def _under(part: str, finding: Finding) -> Finding:
    return Finding(finding.code, finding.message, finding.fix, (part, *finding.key))
