"""Track events in raw logs: JSON lines as Segment's S3 destination writes them, gzipped or plain.

The most faithful storage there is: names, nesting, ``integrations`` and every digit are the event's own
(Segment's documentation, "AWS S3 Destination"). Nothing but the top level of a line is taken apart here, and no number is read.
"""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, cast

from etl.core.errors import SourceError
from etl.core.layouts import DEFAULT_CURSOR
from etl.sources.cursors import no_cursor
from etl.sources.files import each_read, list_files, listing, readings
from etl.sources.footers import surely_outside
from etl.sources.lines import LineReader, keys_of, lines
from etl.sources.rows import batches_of, nothing

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from etl.core import layouts as events
    from etl.core.ports import EventBatch, Late
    from etl.core.windows import Window
    from etl.sources.files import File, Reading
    from etl.sources.rows import Part

ENDINGS = (".gz", ".json", ".jsonl", ".ndjson", ".log")

#: How many bytes of lines a batch may hold, about.
_BATCH_BYTES = 32 * 2**20

#: How many bytes are asked of an object store at once.
_READ_BYTES = 4 * 2**20

_UTF_16 = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}

#: The folder of one day's logs: the day it was received, in milliseconds since 1970 (Segment's documentation, "AWS S3 Destination").
_DAY_FOLDER = re.compile(r"\d{13}")


class LogsSource:
    """JSON lines at ``path``: a file, folder, glob or ``s3://``, ``gs://``, ``az://`` URL (``Source``).

    ``cursor``: the top-level key windows are cut on, by default ``receivedAt``. A relative ``path`` starts at
    ``base``; ``exclude``: globs of files to leave out. A line that is no JSON object is reported as unreadable, and the
    reading goes on.
    """

    def __init__(
        self,
        path: str,
        *,
        cursor: str | None = None,
        batch_rows: int = 50_000,
        base: Path = Path(),
        exclude: Collection[str] = (),
    ) -> None:
        self._path, self._base, self._exclude = path, base, exclude
        self._cursor = cursor or DEFAULT_CURSOR["segment"]
        self._batch_rows = batch_rows

    def batches(
        self,
        window: Window,
        paths: Collection[events.Path] | None = None,
        done: Collection[str] = frozenset(),
        late: Late | None = None,
    ) -> Iterator[EventBatch]:
        """See ``Source.batches``: file by file in order of their names; a mark tells a file's version.

        Each top-level key asked for is a column: strings, or ``pa.json_()`` if it is an object's or some line has
        anything but a string there. When the whole event is asked for, it is the one column ``$``.
        Raises ``ConfigError`` if the first lines read lack the cursor; ``SourceError``, after all others were read, for
        files that cannot be, and at once if ``path`` matches nothing at all.
        """
        some, known = readings(self._files(), self._path, window, done, late, self._outside)
        self._look_for_cursor([reading.file for reading in some])
        reader = LineReader(_keys(paths), self._cursor)
        yield from each_read(some, lambda reading: self._file_batches(reading, reader))
        if known:
            yield nothing(self._path, "segment", known=known)

    def check(self) -> None:
        """Reads the first lines of the first file and looks for the cursor."""
        self._look_for_cursor(self._files()[:1], strict=True)

    def seen(self) -> Sequence[str]:
        """How many files there are, and which beside them are ignored."""
        return list(listing(self._path, self._base, ENDINGS, exclude=self._exclude).summary())

    def newest(self) -> datetime | None:
        """None: to know it, every file would have to be read."""
        return None

    def missing(self, origins: Collection[str]) -> set[str]:
        """See ``Source.missing``."""
        return set(origins) - {file.name for file in self._files()}

    def _files(self) -> list[File]:
        return list_files(self._path, self._base, ENDINGS, self._exclude)

    def _file_batches(self, reading: Reading, reader: LineReader) -> Iterator[EventBatch]:
        file = reading.file
        # How long a file is unpacked shows at its end: its batches say nothing of ``done``.
        yield from batches_of(
            self._parts(file, reader),
            "segment",
            self._cursor,
            reading.window,
            origin=file.name,
            mark=_mark(file),
            past=reading.past,
        )

    def _parts(self, file: File, reader: LineReader) -> Iterator[Part]:
        with _opened(file) as stream:
            for batch in lines(stream, self._batch_rows, _BATCH_BYTES):
                yield reader.read(batch, file.name)

    def _look_for_cursor(self, files: Sequence[File], *, strict: bool = False) -> None:
        """In the first of ``files`` that can be read; or, where ``strict``, that is."""
        for file in files:
            try:
                with _opened(file) as stream:
                    keys = keys_of(next(lines(stream, 1000, 2**20), []))
            except SourceError:
                if strict:
                    raise
                continue
            if keys and self._cursor not in keys:
                raise no_cursor(self._cursor, keys, file.name)
            return

    def _outside(self, file: File, window: Window) -> bool:
        """Whether the file's folder says that all its lines were received outside ``window``."""
        folder = PurePosixPath(file.below).parent.name
        if self._cursor != DEFAULT_CURSOR["segment"] or not _DAY_FOLDER.fullmatch(folder):
            return False
        since = datetime.fromtimestamp(int(folder) / 1000, UTC)
        return surely_outside(since, since + timedelta(days=1), window)


def _keys(paths: Collection[events.Path] | None) -> list[str] | None:
    if paths is None or () in paths:
        return None
    return list(dict.fromkeys(["messageId", "event", "integrations", *sorted({path[0] for path in paths})]))


def _mark(file: File) -> str:
    try:
        return file.mark
    except OSError as error:
        raise _unreadable(file, str(error)) from error


@contextmanager
def _opened(file: File) -> Iterator[IO[bytes]]:
    """The bytes of a file, decompressed if it is gzipped, whatever its name says."""
    try:
        with file.filesystem.open_input_stream(file.path, compression=None) as stored:
            buffered = io.BufferedReader(cast("io.RawIOBase", stored), _READ_BYTES)
            gzipped = buffered.peek(2).startswith(b"\x1f\x8b")
            plain = gzip.GzipFile(fileobj=buffered) if gzipped else buffered
            yield _as_utf8(io.BufferedReader(cast("io.RawIOBase", plain)))
    except EOFError as error:
        raise _unreadable(file, "the compressed data end too early") from error
    except (OSError, zlib.error, UnicodeError) as error:
        raise _unreadable(file, str(error)) from error


def _as_utf8(stream: io.BufferedReader) -> IO[bytes]:
    """The text without a byte order mark, and out of UTF-16, which Windows' tools write."""
    start = stream.peek(4)[:4]
    if start.startswith(codecs.BOM_UTF8):
        stream.read(len(codecs.BOM_UTF8))
    for encoding, mark in _UTF_16.items():
        if start.startswith(mark):
            stream.read(len(mark))
            return cast("IO[bytes]", codecs.EncodedFile(stream, "utf-8", encoding))
    return stream


def _unreadable(file: File, reason: str) -> SourceError:
    return SourceError(
        f"{file.name} cannot be read: {reason.rstrip('.')}. Replace the file or take it out of source.path, then "
        f"run again; nothing of the window is marked complete."
    )
