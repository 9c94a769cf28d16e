"""Every error the job raises on purpose, grouped by what its caller should do.

::

    EtlError
    ├── ConfigError             2   the config, the usage or the state must change first; nothing was touched
    ├── StoppedError            3   stopped before the window was complete; running again is safe
    │   ├── SourceError             the warehouse or the files could not be read
    │   ├── MetronomeError          Metronome is unreachable, refuses the token or answers something unknown
    │   ├── StateError              the state database failed or was taken over by another run
    │   ├── CircuitBreakerError     too much was rejected to be true
    │   └── InterruptedRunError     SIGTERM or Ctrl-C
    └── WindowBusyError        75   another process is running an overlapping window

The number is the CLI's exit code. Rules of wording: what happened, where (file and key, window and
chunk), what to do next; never a token, never event properties.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.core.report import Report


#: What the command's exit codes mean.
EXIT_CODES: Final[dict[int, str]] = {
    0: "complete",
    1: "complete, and something to look at was newly recorded",
    2: "config or usage error; nothing was touched",
    3: "stopped before the window was complete; safe to run again",
    75: "an overlapping window is being run by another process",
}


class EtlError(Exception):
    """The root: ``exit_code`` as the CLI exits with, ``report`` of the run so far (None before it began)."""

    exit_code: ClassVar[int] = 3
    report: Report | None = None


class ConfigError(EtlError):
    """Something must be changed before a run can begin; nothing was read, sent or recorded.

    ``problems`` holds one line for each problem found (file, line and key where known); ``str()`` joins them.
    """

    exit_code = 2

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class StoppedError(EtlError):
    """The run stopped before its window was complete. What was sent is recorded; run it again."""

    exit_code = 3


@dataclass(frozen=True)
class BrokenPart:
    """A part of the source (``origin``: a file, a folder, a table) that cannot be read.

    ``reason``: why, the same in every run until it changes; ``message``: what to say of it, with what to do.
    ``mark``: names the part as it is now, where its storage tells that.
    """

    origin: str
    reason: str
    message: str
    mark: str | None = None


class SourceError(StoppedError):
    """The source could not be read: unreachable, refused, or a corrupt file.

    ``parts``: those that are broken, where everything else was read; none where the reading was cut off.
    """

    def __init__(self, message: str, parts: Sequence[BrokenPart] = ()) -> None:
        self.parts = tuple(parts)
        super().__init__(message)

    @classmethod
    def of(cls, parts: Sequence[BrokenPart]) -> SourceError:
        """Everything but ``parts`` was read."""
        if len(parts) == 1:
            return cls(parts[0].message, parts)
        told = "\n".join(f"- {part.message}" for part in parts)
        return cls(f"{len(parts)} parts of the source cannot be read:\n{told}", parts)


class MetronomeError(StoppedError):
    """Metronome is unreachable, refuses the token, or gave an answer this job does not know."""


class StateError(StoppedError):
    """The state database failed mid-run, or another run took this one's window over."""


class CircuitBreakerError(StoppedError):
    """So much was rejected that a mistake in the config is likelier than bad events."""


class InterruptedRunError(StoppedError):
    """SIGTERM or Ctrl-C: what was in flight was finished and recorded."""


class WindowBusyError(EtlError):
    """Another process is running an overlapping window of this pipeline."""

    exit_code = 75
