"""The circuit breaker: so much was rejected that a typo in the config is likelier than bad events (DESIGN §8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.errors import CircuitBreakerError

if TYPE_CHECKING:
    from etl.ports import ChunkResult
    from etl.report import Counts


@dataclass
class Breaker:
    """Trips when newly rejected pairs are over ``rejected_pairs`` and over ``rejected_ratio`` of those matched.

    It also trips when the first ``refused_chunks`` chunks had every event refused.
    """

    rejected_ratio: float = 0.05
    rejected_pairs: int = 1000
    refused_chunks: int = 10
    enabled: bool = True
    _refused_in_a_row: int = 0
    _accepted: bool = False

    def judge(self, counts: Counts, result: ChunkResult | None) -> None:
        """After a chunk's answer (``result``) or a commit (None), which alone makes letters new.

        Raises ``CircuitBreakerError``.
        """
        if not self.enabled:
            return
        if result is None:
            self._judge_counts(counts)
        else:
            self._judge_chunk(result)

    def _judge_chunk(self, result: ChunkResult) -> None:
        if self._accepted:
            return
        if len(result.refused) < len(result.chunk):
            self._accepted = True
            return
        self._refused_in_a_row += 1
        if self._refused_in_a_row >= self.refused_chunks:
            raise CircuitBreakerError(
                f"Metronome refused every event of the first {self.refused_chunks} chunks; nothing of this was "
                "kept as a dead letter. Look at the reasons with `etl run --dry-run` and `etl map`, correct the "
                "mapping, and run again; or raise breaker.refused_chunks"
            )

    def _judge_counts(self, counts: Counts) -> None:
        new, matched = counts.new_letters.get("rejected", 0), counts.pairs.matched
        if new > self.rejected_pairs and new > self.rejected_ratio * matched:
            raise CircuitBreakerError(
                f"{new:,} of {matched:,} matched pairs were newly rejected, over {self.rejected_ratio:.0%} and over "
                f"{self.rejected_pairs:,}; none of this was kept as a dead letter. See the reasons with `etl map`, "
                "correct the trigger or mapping, and run again; or change breaker.rejected_ratio"
            )
