"""Throws generated triggers and mappings at their compilers: ``python -m tests.fuzz --minutes 10``.

Reports every exception that is not a documented refusal, and every input that takes more than a second of processor
time; prints how many inputs of each kind were tried. Exit code 1 when anything was reported.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

from etl.transform import Events, compile_mapping, fql

VECTORS = Path(__file__).parent / "conformance" / "segment_vectors.ndjson"
SLOW = 1.0
HANGS = 30
SMALL = 1_000
LARGEST = 100_000
MOST_REPORTS = 20
WORDS = (
    "type", "event", "name", "userId", "properties", "properties.n", "traits.a", "context.a.b", "messageId", "constructor",
    "contains", "match", 'contains(event, "x")', '!match(name, "x*")', "and", "or", "null", "not", "true", "an", "nul", "(", ")",
    "()", "!(", "!", "=", "!=", "<", "<=", ">", ">=", '"track"', "'x'", '"', "'", '"*x"', '"x*"', "5", "-", "5.", ".5", "1.2.3",
    ".", ",", "[", "]", "\\", "\\.", "😀", "é", "\r", "#", " ", "\t", "\n", "eos",
)  # fmt: skip
KEYS = (
    "@path", "@template", "@literal", "@if", "@case", "@replace", "@arrayPath", "@flatten", "@json", "@merge", "@transform",
    "@excludeWhenNull", "@liquid", "@nothing", "_metadata", "transaction_id", "customer_id", "timestamp", "event_type",
    "properties", "__segment_internal_directive", "exists", "blank", "then", "else", "operator", "value", "pattern",
    "replacement", "separator", "mode", "direction", "objects", "apply", "mapping", "", "a.b",
)  # fmt: skip
LEAVES = (
    "$.properties.n", "$.messageId", "$", "$.", "a[0]", "a[", "]", "['a", "{{x}}", "{{{x}}}", "{{", "{{{{x}}}}", "{% if a %}", "{{ a | b }}",
    "{% for i in (1..1000000) %}", "{% endif %}", "lower", "encode", "left", "", "😀", 0, -0.0, 1e400, 10**30, True, False, None,
)  # fmt: skip


class Fuzzer:
    """Makes inputs, feeds them, keeps count."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.tried: Counter[str] = Counter()
        self.reports: list[str] = []
        vectors = [json.loads(line) for line in VECTORS.read_text().rstrip("\n").split("\n")]
        self.triggers = [vector["subscribe"] for vector in vectors if isinstance(vector["subscribe"], str)]
        self.mappings = [vector["mapping"] for vector in vectors]
        self.events = Events.of([vector["event"] for vector in vectors[:: len(vectors) // 20]])
        self.large_mapping = False

    # ------------------------------------------------------------------------------------- inputs

    def trigger(self):
        choose = self.random.random()
        if choose < 0.4:
            return self.damaged(self.random.choice(self.triggers))
        if choose < 0.98:
            glue = self.random.choice(["", " "])
            return glue.join(self.random.choices(WORDS, k=self.random.randint(1, 12)))
        unit = self.random.choice(["", " "]).join(self.random.choices(WORDS, k=self.random.randint(1, 4)))
        return (unit * (LARGEST // max(1, len(unit.encode()))))[:LARGEST]

    def damaged(self, text):
        letters = list(text)
        for _ in range(self.random.randint(1, 4)):
            at = self.random.randint(0, len(letters))
            letters[at : at + self.random.randint(0, 2)] = self.random.choice(["", *WORDS])
        return "".join(letters)

    def mapping(self):
        choose = self.random.random()
        self.large_mapping = choose >= 0.99
        if choose < 0.6:
            return self.changed(self.random.choice(self.mappings), 0.15)
        if choose < 0.99:
            return self.value(0)
        return self.large()

    def changed(self, value, rate):
        if self.random.random() < rate:
            return self.value(2)
        if isinstance(value, dict):
            return {self.key(key, rate): self.changed(item, rate) for key, item in value.items()}
        return [self.changed(item, rate) for item in value] if isinstance(value, list) else value

    def key(self, key, rate):
        return self.random.choice(KEYS) if self.random.random() < rate / 2 else key

    def value(self, depth):
        choose = self.random.random()
        if depth > 4 or choose < 0.35:
            return self.random.choice(LEAVES)
        if choose < 0.5:
            return [self.value(depth + 1) for _ in range(self.random.randint(0, 3))]
        return {self.random.choice(KEYS): self.value(depth + 1) for _ in range(self.random.randint(0, 3))}

    def large(self):
        """About 100 kB: wide, deep, or one long string."""
        choose = self.random.randrange(3)
        if choose == 0:
            return {f"k{number}": {"@path": f"$.properties.k{number}"} for number in range(2_500)}
        if choose == 1:
            nested: object = "x"
            for _ in range(10_000):
                nested = {self.random.choice(["a", "@literal"]): nested}
            return {"properties": nested}
        long = str(self.random.choice(LEAVES)) or "x"
        return {"properties": {self.random.choice(KEYS): (long * LARGEST)[:LARGEST]}}

    # ------------------------------------------------------------------------------------ running

    def feed(self, kind, make, use):
        given = make()
        started = time.process_time()
        problem = None
        signal.alarm(HANGS)
        try:
            self.tried[f"{kind}s {use(given)}"] += 1
        except Exception as error:  # noqa: BLE001 - anything but the documented refusals is what is looked for
            problem = f"{type(error).__name__}: {error}"
        signal.alarm(0)
        seconds = time.process_time() - started
        if seconds > SLOW:
            problem = f"{problem or 'slow'} ({seconds:.1f} s)"
        if problem:
            print(f"{kind}: {problem[:300]}", flush=True)
            self.reports.append(f"{kind}: {problem[:200]}\n    {ascii(given)[:400]}")

    def use_trigger(self, text):
        """Compile it, and match the events where that cannot take long by its mere size."""
        try:
            trigger = fql.compile_trigger(text)
        except fql.FqlError:
            return "refused"
        if len(text) <= SMALL:
            trigger.matches(self.events)
        return "compiled"

    def use_mapping(self, given):
        """The same for a mapping, whose refusals are its problems."""
        mapping = compile_mapping(given)
        if mapping.problems:
            return "refused"
        if not self.large_mapping:
            mapping.resolve(self.events)
        return "compiled"

    def run(self, minutes):
        until = time.monotonic() + minutes * 60
        while time.monotonic() < until and len(self.reports) < MOST_REPORTS:
            self.feed("trigger", self.trigger, self.use_trigger)
            self.feed("mapping", self.mapping, self.use_mapping)


def interrupt(*_):
    raise TimeoutError(f"given up after {HANGS} s, in {traceback.extract_stack()[-2]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = random.randrange(10**6) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    signal.signal(signal.SIGALRM, interrupt)
    fuzzer = Fuzzer(seed)
    fuzzer.run(options.minutes)
    print(", ".join(f"{count:,} {what}" for what, count in sorted(fuzzer.tried.items())))
    print("\n".join(fuzzer.reports) or "nothing to report")
    return 1 if fuzzer.reports else 0


if __name__ == "__main__":
    sys.exit(main())
