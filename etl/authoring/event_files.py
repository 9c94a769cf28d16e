"""Events in a file or on standard input: JSON lines, gzipped or not, or Parquet."""

from __future__ import annotations

import gzip
import sys
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from etl.core.errors import ConfigError
from etl.transform.json.text import parse as parse_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import IO

_LINES = 5_000


def tables(path: str) -> Iterator[pa.Table | list[Any]]:
    """The events of a file (JSON lines, gzipped or not, or Parquet) or of stdin (``-``), in batches.

    Raises ``ConfigError`` for a file that is not there and a line that is not JSON, naming file and line.
    """
    if path != "-" and not Path(path).is_file():
        raise ConfigError(f"{path} is not a file; INPUT is a file of JSON lines or Parquet, or - for stdin")
    return _parquet(path) if _is_parquet(path) else _json_lines(path)


def _is_parquet(path: str) -> bool:
    if path == "-":
        return False
    with Path(path).open("rb") as file:
        return file.read(4) == b"PAR1"


def _parquet(path: str) -> Iterator[pa.Table]:
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_LINES):
                yield pa.Table.from_batches([batch])
    except pa.ArrowException as error:
        raise ConfigError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}") from None


def _json_lines(path: str) -> Iterator[list[Any]]:
    name = "stdin" if path == "-" else path
    with _opened(path) as file:
        numbered = ((number, line) for number, line in enumerate(file, 1) if line.strip())
        while lines := list(islice(numbered, _LINES)):
            yield [_event(name, number, line) for number, line in lines]


def _event(name: str, number: int, line: bytes) -> Any:
    try:
        return parse_json(line.decode("utf-8"))
    except ValueError:
        raise ConfigError(f"{name}:{number}: the line is not JSON") from None


@contextmanager
def _opened(path: str) -> Iterator[Iterable[bytes] | IO[bytes]]:
    if path == "-":
        yield sys.stdin.buffer
        return
    with Path(path).open("rb") as raw:
        gzipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        yield gzip.GzipFile(fileobj=raw) if gzipped else raw
