"""``@liquid`` against Segment's own packages in Node, on triples that nobody has seen; and its parser against noise."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from benchmarks.transform import PACKAGES
from etl.core.subscription import Subscription
from etl.transform import map_events
from etl.transform.liquid.engine import rendered
from etl.transform.liquid.tags import LiquidError, template
from tests.conformance.vectors import as_doubles
from tests.support.liquid import Templates
from tests.torture.conftest import Figures

TRIPLES = 50_000
#: Events for each trigger and mapping.
_EVENTS = 5
_TRIGGER = 'type = "track"'
_FUZZ_SECONDS = 600
#: No template and event may take longer than this, however odd; it is a bound against hanging, not a measure.
_SECONDS = 120.0


@pytest.fixture(scope="module")
def segment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which Segment's packages are installed."""
    assert shutil.which("npm"), "this test needs Node and npm"
    folder = tmp_path_factory.mktemp("segment")
    (folder / "package.json").write_text(json.dumps({"private": True, **PACKAGES}))
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=300)
    return folder


def groups(seed: int) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Mappings and their events: nine of ten of what people write, the rest odd."""
    for number in range(TRIPLES // _EVENTS):
        words = Templates(seed + number, odd=0.5 if number % 10 else 4)
        properties = {"x": {"@liquid": words.template()}}
        if number % 5 == 0:
            properties["id"] = {"@liquid": words.template()}
        yield {"properties": properties}, [words.event() for _ in range(_EVENTS)]


def in_node(folder: Path, triples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What Segment's packages make of them."""
    text = "\n".join(json.dumps(one).replace("Infinity", "1e400") for one in triples)
    (folder / "triples.ndjson").write_text(text)
    script = Path(__file__).with_name("liquid.cjs")
    subprocess.run(["node", str(script), "triples.ndjson"], cwd=folder, check=True, timeout=600)
    return [json.loads(line) for line in (folder / "triples.ndjson.out").read_text().split("\n")]


@pytest.mark.slow
def test_fresh_templates_give_what_segments_packages_give(segment: Path, figures: Figures) -> None:
    """The same text, or the same error word for word, for each of 50,000 triples."""
    seed = random.SystemRandom().randrange(10**9)
    made = list(groups(seed))
    triples = [
        {"event": event, "subscribe": _TRIGGER, "mapping": mapping}
        for mapping, events in made
        for event in events
    ]
    expected = iter(in_node(segment, triples))
    fixed = {
        "transaction_id": "t",
        "customer_id": "c",
        "timestamp": "2026-11-01T00:00:00Z",
        "event_type": "e",
    }
    differ, failed = [], 0
    for mapping, events in made:
        frame = map_events(events, Subscription("s", _TRIGGER, fixed | mapping))
        for event, got in zip(events, frame.to_dict("records"), strict=True):
            wanted = next(expected)
            failed += "fails" in wanted
            same = (
                got["reason"] == wanted["fails"]
                if "fails" in wanted
                else got["outcome"] == "mapped"
                and as_doubles(json.loads(got["body"])["properties"])
                == as_doubles(wanted["payload"]["properties"])
            )
            if not same:
                differ.append((mapping, event, got["reason"], got["body"], wanted))
    figures(triples=len(triples), failing_in_both=failed, differences=len(differ), seed=seed)
    assert differ == []


@pytest.mark.slow
def test_noise_neither_crashes_the_parser_nor_keeps_it_busy(figures: Figures) -> None:
    """Ten minutes of pieces of Liquid thrown together, up to Segment's 1,000 characters, parsed and rendered."""
    noise = random.Random(f"{time.time()}")
    words = Templates(noise.randrange(10**9), odd=5)
    until, count, slowest = time.monotonic() + _FUZZ_SECONDS, 0, 0.0
    while time.monotonic() < until:
        source, event = _noise(noise, words), words.event()
        began = time.monotonic()
        with suppress(LiquidError, RecursionError):
            rendered(template(source), event)
        taken = time.monotonic() - began
        assert taken < _SECONDS, source
        count, slowest = count + 1, max(slowest, taken)
    figures(templates=count, slowest_seconds=slowest)


def _noise(noise: random.Random, words: Templates) -> str:
    """Pieces in any order, one piece over and over, or templates one after the other."""
    pieces = noise.choices(_PIECES, k=noise.randrange(1, 60))
    kind = noise.random()
    if kind < 0.3:
        return "".join(pieces)[:1000]
    if kind < 0.5:
        opener, closer = noise.choice(_NESTS)
        depth = noise.randrange(1, 1000 // (len(opener) + len(closer)))
        return (
            opener * depth + noise.choice(("", "x", "{{ x }}")) + closer * noise.choice((0, depth, depth - 1))
        )
    if kind < 0.7:
        return (noise.choice(_GROWING) + "{{ a }}" * noise.randrange(5))[:1000]
    return "".join(words.template() for _ in range(noise.randrange(1, 6)))[:1000]


_PIECES = (
    "{{", "}}", "{%", "%}", "{%-", "-%}", " if ", "endif", "assign a = ", "'", '"', "\\", "|", ":", ",", ".", "..", "(", ")", "[", "]",
    "raw", "endraw", "liquid", "\n", "comment", "endcomment", "capture a", "endcapture", "unless", "else", "elsif", "and", "or", "not",
    "==", "contains", "a", "1", "-", "+", " ", "#", "cycle", "date: '%Y'", "split: ''", "slice: 1, 2", "😀", "\ud83d", "\x00", "é", "}", "{",
    "(1..99999999)", "json: 3", "| push: a", "where: 'a'", "date: '%999999999Y'", "block", "increment",
)  # fmt: skip
_NESTS = (
    ("(", ")"), ("[", "]"), ("{{ a[", "]"), ("{% if a %}", "{% endif %}"), ("{%unless a%}", "{%endunless%}"), ("{% raw %}", "{% endraw %}"),
    ("{% capture a %}", "{% endcapture %}"), ("{{ (1..", ")"), ("{% liquid ", " %}"), ("{% liquid\nif a\n", "\nendif %}"), ("{{", "}}"),
    ("'", "'"), ("{{ '\\", "}}"), ("{%", "%}"), ("{{ a | a: ", " }}"), ("not ", ""), ("{% block %}", "{% endblock %}"),
)  # fmt: skip
_GROWING = tuple(
    start + step * 40
    for start in ("{% assign a = 'x' | split: 'y' %}", "{% assign a = (1..1000000) %}", "{% assign a = properties.long %}")
    for step in (
        "{% assign a = a | push: a %}", "{% assign a = a | append: a %}", "{% capture a %}{{ a }}{{ a }}{% endcapture %}",
        "{% assign a = a | split: '' %}", "{% assign a = a | join: a %}", "{{ a | sum }}", "{% assign a = a | replace: 'o', a %}",
        "{% assign a = a | json | url_encode %}", "{% if a == a %}x{% endif %}", "{% assign a = a | slugify %}{{ a | escape }}",
    )
)  # fmt: skip
