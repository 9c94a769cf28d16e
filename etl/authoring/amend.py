"""``etl amend``: what was edited, removed or renamed in a config since it ran, and the lines that say so, written into it.

The text is edited where the lines belong and nowhere else: comments, order and style stay, and a diff holds the edit alone.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass, replace
from difflib import unified_diff
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from etl.config import parse_config
from etl.core.errors import ConfigError
from etl.core.report import Counts
from etl.core.windows import Window, rfc3339
from etl.pipeline import wiring
from etl.pipeline.pairs import Billing
from etl.pipeline.planning import outlook_of
from etl.pipeline.run import run
from etl.pipeline.schedule import billed_part
from etl.pipeline.versions import latest_clash
from etl.transform import compile_subscription

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from ruamel.yaml.nodes import MappingNode

    from etl.config import Config
    from etl.core.report import PairCounts
    from etl.core.subscription import Subscription
    from etl.pipeline.planning import Outlook


@dataclass(frozen=True)
class Edit:
    """``key: value`` in the section at ``place``; made where it is missing."""

    place: tuple[str | int, ...]
    key: str
    value: str


@dataclass(frozen=True)
class Amendment:
    """What became of subscription ``name``, how it differs from before (lines of a diff), and what says so."""

    name: str
    what: str
    differences: Sequence[str]
    edits: Sequence[Edit]


# ------------------------------------------------------------------------------------ what was changed


def amendments(config: Config, name: str | None, since: datetime | None, now: datetime) -> list[Amendment]:
    """For every subscription that was edited, removed or renamed, or for the one called ``name``.

    ``since``: when that applies from, instead of where it was run up to. Raises ``ConfigError`` for an earlier moment,
    or a ``name`` that nothing is known of; and as the state does.
    """
    outlook = outlook_of(config, wiring.state_of(config))
    known = outlook.names | outlook.books.names
    if name is not None and name not in known:
        raise ConfigError(
            f"no subscription is named {name!r}; there are {', '.join(map(repr, sorted(known)))}"
        )
    successors = _successors(outlook, now)
    gone = set(outlook.removed(now)) - set(config.retired) - set(successors.values())
    asked = known if name is None else {name}
    found = [
        *(_edited(outlook, n, s, since) for n, s in enumerate(config.subscriptions) if s.name in asked),
        *(_renamed(outlook, new, old, since) for new, old in successors.items() if new in asked),
        *(_removed(outlook, one, since, now) for one in sorted(gone & asked)),
    ]
    return [one for one in found if one is not None]


def _edited(outlook: Outlook, position: int, s: Subscription, since: datetime | None) -> Amendment | None:
    until = latest_clash(s, outlook.books.touched)
    if until is None:
        return None
    edit = Edit(("subscriptions", position), "from", _begin(s, until, since))
    return Amendment(s.name, "was edited", _differences(outlook, s.name, s), [edit])


def _begin(s: Subscription, until: datetime, since: datetime | None) -> str:
    if since is not None and since < until:
        raise ConfigError(
            f"--from {rfc3339(since)} lies in what another version of {s.name!r} has run, up to {rfc3339(until)}: what "
            "both would bill would be billed twice"
        )
    return rfc3339(since or until)


def _successors(outlook: Outlook, now: datetime) -> dict[str, str]:
    """New name → the one that is gone and whose place it takes: the same version, or other ids for the same events."""
    newcomers = outlook.newcomers(now)
    new = [s for s in outlook.config.subscriptions if s.name not in outlook.books.names]
    same = {s.name: {one.name for one in outlook.unlisted if one.version == s.version} for s in new}
    rivals = {s.name: {r.subscription.name for r in newcomers.rivals(s) if r.pipeline is None} for s in new}
    free = set(outlook.removed(now))
    found: dict[str, str] = {}
    for candidates in (same, rivals):
        for name in (s.name for s in new if s.name not in found):
            left = sorted(candidates[name] & free)
            if len(left) == 1:
                found[name] = left[0]
                free.discard(left[0])
    return found


def _renamed(outlook: Outlook, new: str, old: str, since: datetime | None) -> Amendment:
    """Its ``was``; and its ``from``, where it was edited as well."""
    edits: list[Edit] = []
    differences: list[str] = []
    touched = outlook.books.renamed({old: new}).touched
    for position, s in enumerate(outlook.config.subscriptions):
        if s.name != new:
            continue
        place = ("subscriptions", position)
        edits += [Edit(place, "was", old)] if not edits else []
        until = latest_clash(s, touched)
        if until:
            edits.append(Edit(place, "from", _begin(s, until, since)))
            differences += _differences(outlook, old, s)
    return Amendment(new, f"takes the place of {old!r}, which is gone", differences, edits)


def _removed(outlook: Outlook, name: str, since: datetime | None, now: datetime) -> Amendment:
    end = since or outlook.removed(now)[name]
    edit = Edit(("retired",), name, rfc3339(end))
    return Amendment(name, "is not in the config any more", (), [edit])


def _differences(outlook: Outlook, name: str, new: Subscription) -> list[str]:
    """Trigger and mapping against the version that ran last under ``name``."""
    last = max((w.until, v) for (n, v), ws in outlook.books.touched.items() if n == name for w in ws)[1]
    old = outlook.books.subscription(name, last)
    before = [] if old is None else _shown(old)
    diff = unified_diff(before, _shown(new), lineterm="", n=0)
    return [line for line in diff if not line.startswith(("---", "+++", "@@"))]


def _shown(s: Subscription) -> list[str]:
    content = {"trigger": s.trigger, "numbers": s.numbers, "mapping": s.mapping}
    return json.dumps(content, indent=2, ensure_ascii=False, sort_keys=True).splitlines()


# ---------------------------------------------------------------------------------- what it would bill


@dataclass(frozen=True)
class Share:
    """What a version bills of a window: ``part`` is its time in it."""

    name: str
    part: Window
    pairs: PairCounts


def shares(config: Config, names: Collection[str], now: datetime) -> list[Share]:
    """What each version of ``names`` would bill of all that late reading reaches, by the amended ``config``.

    Reads the source, sends nothing and records nothing. Raises as a dry run does.
    """
    outlook = outlook_of(config, wiring.state_of(config))
    window = Window(now - outlook.reach, now)
    histories = outlook.histories
    parts = [
        (s, billed_part(s, window, histories[s.name].starts if s.name in histories else None))
        for s in outlook.everything
        if s.name in names
    ]
    # Pairs are counted by name, so each version has one of its own.
    labelled = {str(n): (s, part) for n, (s, part) in enumerate(parts) if not part.empty}
    billings = [
        Billing(label, compile_subscription(replace(s, name=label)), part)
        for label, (s, part) in labelled.items()
    ]
    job = wiring.job_of(config, window=(window.since, window.until), dry_run=True, clock=lambda: now)
    counts = run(replace(job, billings=billings)).counts or Counts()
    return [Share(s.name, part, counts.of(label)) for label, (s, part) in labelled.items()]


# ---------------------------------------------------------------------------------------- the file


def amended(config: Config, text: str, edits: Sequence[Edit]) -> tuple[str, Config]:
    """``text`` of the config with ``edits`` made, and what it says then.

    Raises ``ConfigError`` where that cannot be done without touching more.
    """
    for edit in edits:
        text = _with(text, edit)
    after = parse_config(text, config.path, wiring.environment())
    if not all(_says(after, edit) for edit in edits):
        lines = "; ".join(f"{edit.key}: {edit.value}" for edit in edits)
        raise ConfigError(f"{config.path}: cannot be edited in place (an alias?); write it by hand: {lines}")
    return text, after


def _says(config: Config, edit: Edit) -> bool:
    if edit.place == ("retired",):
        return rfc3339(config.retired[edit.key]) == edit.value
    section = config.subscription_sections[int(edit.place[1])]
    return edit.value == (section.was if edit.key == "was" else section.since and rfc3339(section.since))


def _with(text: str, edit: Edit) -> str:
    node: Any = YAML(typ="safe", pure=True).compose(text)
    for part in edit.place:
        inner = _at(node, part)
        if inner is None:
            return _inserted(text, node, str(part), {edit.key: edit.value})
        node = inner
    there = _at(node, edit.key)
    if there is None:
        return _inserted(text, node, edit.key, edit.value)
    start, end = there.start_mark.index, there.end_mark.index
    return text[:start] + _scalar(edit.value, quoted=text[start] == '"') + text[end:]


def _at(node: MappingNode, part: str | int) -> Any:
    if isinstance(part, int):
        return node.value[part]
    return next((value for key, value in node.value if key.value == part), None)


def _inserted(text: str, node: MappingNode, key: str, value: str | dict[str, str]) -> str:
    """``key: value`` as a new entry of ``node``, after its name."""
    named = [entry for entry in node.value if entry[0].value in ("name", "pipeline")]
    first, after = (named or node.value)[0]
    end = after.end_mark.index
    if node.flow_style:
        entry = _flow(key, value, quoted=text[first.start_mark.index] == '"')
        return f"{text[:end]}, {entry}{text[end:]}"
    line = _REST_OF_LINE.match(text, end)
    end = line.end() if line else end
    newline = "\r\n" if "\r\n" in text else "\n"
    before = text[:end] if text[:end].endswith("\n") else text[:end] + newline
    return f"{before}{_block(key, value, first.start_mark.column, newline)}{newline}{text[end:]}"


_REST_OF_LINE = re.compile(r"[^\r\n]*(\r?\n)?")


def _flow(key: str, value: str | dict[str, str], *, quoted: bool) -> str:
    inner = value if isinstance(value, dict) else {}
    entries = ", ".join(_flow(k, v, quoted=quoted) for k, v in inner.items())
    text = f"{{{entries}}}" if isinstance(value, dict) else _scalar(value, quoted=quoted)
    return f"{_scalar(key, quoted=quoted)}: {text}"


def _block(key: str, value: str | dict[str, str], column: int, newline: str) -> str:
    if isinstance(value, str):
        return f"{' ' * column}{_scalar(key)}: {_scalar(value)}"
    inner = newline.join(_block(k, v, column + 2, newline) for k, v in value.items())
    return f"{' ' * column}{_scalar(key)}:{newline}{inner}"


def _scalar(text: str, *, quoted: bool = False) -> str:
    """As YAML has it: in quotes where it could be something else."""
    plain = re.fullmatch(r"[A-Za-z][\w ]*\w|[A-Za-z]|\d{4}-\d\d-\d\dT[\d:.]+Z", text)
    return (
        text if plain and not quoted and text.lower() not in _OTHER else json.dumps(text, ensure_ascii=False)
    )


#: Words that YAML takes for no text.
_OTHER = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})


def write(path: Path, text: str) -> None:
    """Put ``text`` in the place of the file, whole or not at all. Raises ``ConfigError``."""
    target = path.resolve()
    beside = target.with_name(f".{target.name}.new")
    try:
        with beside.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
        shutil.copymode(target, beside)
        os.replace(beside, target)  # noqa: PTH105 - a rename over what is there
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ConfigError(f"{path}: cannot be written: {error.strerror}. Nothing was changed.") from None


def difference(before: str, after: str, path: Path) -> Iterator[str]:
    """The edit as a diff."""
    name = str(path)
    return unified_diff(before.splitlines(), after.splitlines(), name, name, lineterm="", n=1)
