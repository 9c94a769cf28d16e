"""Read the next batch while the last one is mapped and sent: a bounded queue filled by a thread."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")
_END = object()


class ReadAhead(Generic[T]):
    """Iterates over ``items`` with at most ``depth`` of them read and not yet taken.

    ``idle`` is called about every ``interval`` seconds while the next item is not there yet; what it raises ends
    the iteration. An exception of ``items`` is raised at the place where its item would have come.
    """

    def __init__(
        self, items: Iterable[T], depth: int, idle: Callable[[], None], interval: float = 0.2
    ) -> None:
        self._items = items
        self._queue: queue.Queue[object] = queue.Queue(depth)
        self._closed = threading.Event()
        self._idle = idle
        self._interval = interval
        self._thread = threading.Thread(target=self._fill, name="etl-read-ahead", daemon=True)

    def __iter__(self) -> Iterator[T]:
        self._thread.start()
        try:
            while (item := self._next()) is not _END:
                yield item  # type: ignore[misc]
        finally:
            self.close()

    def close(self) -> None:
        """Stop reading; what was read and not taken is dropped."""
        self._closed.set()

    def _next(self) -> object:
        while True:
            self._idle()
            try:
                item = self._queue.get(timeout=self._interval)
            except queue.Empty:
                continue
            if isinstance(item, _Failure):
                raise item.error
            return item

    def _fill(self) -> None:
        try:
            for item in self._items:
                if not self._put(item):
                    return
            self._put(_END)
        except BaseException as error:  # noqa: BLE001 - raised again where the items are taken
            self._put(_Failure(error))

    def _put(self, item: object) -> bool:
        while not self._closed.is_set():
            try:
                self._queue.put(item, timeout=self._interval)
            except queue.Full:
                continue
            return True
        return False


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error
