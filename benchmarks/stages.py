"""Where the CPU time of a run goes: ``python -m benchmarks.stages CONFIG SINCE UNTIL`` prints seconds by stage, as JSON.

The job runs in this process with a stopwatch around the functions that make up each stage. The stopwatch is the
thread's CPU time, so that waiting (for the lock of the interpreter, for answers, for the disk) counts for nobody;
what is in no stage (imports, Arrow's own threads) is ``other``.
"""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from collections import Counter
from datetime import datetime
from functools import wraps
from importlib import import_module
from typing import Any

#: Stage → functions, as ``module:attribute`` where the caller looks them up. An inner stage is not counted outside.
STAGES = {
    "read": ["etl.pipeline.read_ahead:ReadAhead._fill"],
    "match and map": ["etl.pipeline.pairs:examine"],
    "limits": ["etl.pipeline.limits:check"],
    "keys of ids, digests of bodies": ["etl.pipeline.precedence:_identified"],
    "duplicates in the run": ["etl.pipeline.seen:SeenIds.meet"],
    "sent-log lookup": ["etl.state.run_log:View.lookup"],
    "chunks": ["etl.pipeline.run:_Line._send"],
    "hand over to the process that sends": ["etl.metronome.process:SendingProcess.send"],
    "record": ["etl.state.run_log:Run.record"],
    "group what is recorded": ["etl.pipeline.recorder:Recorder._work"],
    "decide and hand over": ["etl.pipeline.run:_Line._bill"],
    "plan, open, complete": ["etl.pipeline.wiring:job_of", "etl.pipeline.run:run"],
}


class Stopwatch:
    """CPU seconds by stage; nested stages are taken out of the outer one."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._inside = threading.local()

    def around(self, stage: str, function: Any) -> Any:
        """``function``, timed."""

        @wraps(function)
        def timed(*args: Any, **options: Any) -> Any:
            outer, self._inside.seconds = getattr(self._inside, "seconds", 0.0), 0.0
            began = time.thread_time()
            try:
                return function(*args, **options)
            finally:
                whole = time.thread_time() - began
                self.seconds[stage] += whole - self._inside.seconds
                self._inside.seconds = outer + whole

        return timed

    def install(self) -> None:
        """Put itself around everything in ``STAGES``."""
        for stage, names in STAGES.items():
            for name in names:
                module, _, path = name.partition(":")
                holder: Any = import_module(module)
                *outer, attribute = path.split(".")
                for part in outer:
                    holder = getattr(holder, part)
                setattr(holder, attribute, self.around(stage, getattr(holder, attribute)))


def main(path: str, since: str, until: str) -> None:
    """Run once."""
    began = time.process_time()
    from etl.pipeline import api

    for stage in STAGES.values():
        for name in stage:
            import_module(name.partition(":")[0])
    watch = Stopwatch()
    watch.seconds["imports"] = time.process_time() - began
    watch.install()
    config = api.load_config(path)
    report = api.run(config, since=datetime.fromisoformat(since), until=datetime.fromisoformat(until))
    watch.seconds["other"] = time.process_time() - watch.seconds.total()
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    watch.seconds["send (a process of its own)"] = ended.ru_utime + ended.ru_stime
    print(json.dumps({"sent": report.sent, "seconds": dict(watch.seconds)}))


if __name__ == "__main__":
    main(*sys.argv[1:4])
