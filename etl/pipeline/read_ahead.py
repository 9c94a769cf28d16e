"""Read the next batch while the last one is mapped and sent: a queue filled by a thread, as far as there is room."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")
_END = object()


class ReadAhead(Generic[T]):
    """Iterates over ``items`` with at most ``depth`` of them read, or being read, and not yet taken.

    ``idle`` is called about every ``interval`` seconds while the next item is not there yet; what it raises ends
    the iteration. An exception of ``items`` is raised at the place where its item would have come.
    """

    def __init__(
        self, items: Iterable[T], depth: int, idle: Callable[[], None], interval: float = 0.2
    ) -> None:
        self._items = items
        self._queue: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._room = threading.Semaphore(depth)
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
            self._room.release()
            if isinstance(item, _Failure):
                raise item.error
            return item

    def _fill(self) -> None:
        items = iter(self._items)
        try:
            while self._has_room() and self._hand_over(items):
                pass
        except BaseException as error:  # noqa: BLE001 - raised again where the items are taken
            self._queue.put(_Failure(error))

    def _hand_over(self, items: Iterator[T]) -> bool:
        """The next item; whether there was one. It has no name here afterwards, which would keep it."""
        item = next(items, _END)
        self._queue.put(item)
        return item is not _END

    def _has_room(self) -> bool:
        """Waits for it; False where nobody takes any more."""
        while not self._closed.is_set():
            if self._room.acquire(timeout=self._interval):
                return not self._closed.is_set()
        return False


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error
