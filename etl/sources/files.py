"""Which files a path means: a file, a folder, a glob, on local disk or in an object store."""

from __future__ import annotations

import hashlib
import os
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote

from pyarrow import fs

from etl.core.errors import BrokenPart, ConfigError, EtlError, SourceError
from etl.core.windows import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from etl.core.ports import EventBatch, Late

#: Object stores by the scheme of their URLs, as pyarrow names them.
_SCHEMES = {
    "s3": "s3",
    "gs": "gs",
    "gcs": "gs",
    "az": "abfs",
    "abfs": "abfs",
    "abfss": "abfss",
    "file": "file",
}

#: What is written beside data under a name that has no ending.
_BESIDE = re.compile(r".*manifest|readme|license|(md5|sha\d+)sums?")

#: Where the log of a table lies: what is below alone says which of the files beside it count.
_TABLE_LOGS = {
    re.compile(r"(.*/)?_delta_log(/.*)?"): ("Delta", "delta"),
    re.compile(r"(.*/)?metadata/[^/]*\.metadata\.json"): ("Iceberg", "iceberg"),
    re.compile(r"(.*/)?\.hoodie(/.*)?"): ("Hudi", None),
}

_UNFINISHED = (".tmp", ".temp", ".temporary", ".inprogress", ".partial", ".crc", "~")

#: ``?region=…&endpoint_override=…`` at the end of an object store's URL; any other ``?`` belongs to a glob.
_OPTIONS = re.compile(r"\?[a-z_]+=[^&/]*(?:&[a-z_]+=[^&/]*)*$")

#: Google's client tries again for a quarter of an hour when it finds no credentials, or nothing answers.
_GOOGLE_RETRY_SECONDS = 60

#: What object stores call that which changes with every writing of an object: S3, Azure and Google, in this order.
_VERSIONS = ("VersionId", "ETag", "generation", "etag")

#: How many bytes at the end of a file tell it apart where its storage does not: a Parquet footer, a gzip checksum.
_TAIL_BYTES = 64 * 1024

#: How many object stores' answers are waited for at once.
_ASKED_AT_ONCE = 16

#: A set of characters, or any one character, of a glob.
_WILDCARD = re.compile(r"\[!?[^\]/]+\]|.", re.DOTALL)


@dataclass(frozen=True)
class File:
    """One file of the source. ``path`` is what ``filesystem`` opens, ``name`` what people are told."""

    filesystem: fs.FileSystem = field(repr=False, compare=False)
    path: str
    name: str
    size: int
    mtime_ns: int
    #: Its path below the folder that ``source.path`` names.
    below: str = field(default="", compare=False)
    #: Set where it is a folder that cannot be listed: why.
    closed: str | None = None

    @property
    def listed(self) -> str:
        """The part of the mark that a listing tells: two writings of a file may share it."""
        return f"{self.name}|{self.size}|{self.mtime_ns}"

    @property
    def mark(self) -> str:
        """Changes whenever the file does, whatever size and time it has. Raises ``OSError`` as ``identity``."""
        return f"{self.listed}|{self.identity}"

    @cached_property
    def identity(self) -> str:
        """What the storage offers to tell a file from another of its name, size and time, when first asked.

        On disk inode and change time, which nobody can set; in an object store version, etag or generation; where
        there is none, a hash of the end of the file. Ask before reading: what is read must not be older.
        Raises ``OSError`` if the file cannot be looked at.
        """
        if self.local:
            stat = os.stat(self.path)  # noqa: PTH116 - a Path for each of many files costs more than the look
            return f"{stat.st_ino}-{stat.st_ctime_ns}"
        with self.filesystem.open_input_file(self.path) as stored:
            held = {key: value.decode() for key, value in (stored.metadata() or {}).items()}
            versions = [held[key] for key in _VERSIONS if held.get(key)]
            return "-".join(versions) or _tail(stored, self.size)

    @property
    def local(self) -> bool:
        """Whether it lies on a disk of this machine."""
        return isinstance(self.filesystem, fs.LocalFileSystem)

    @property
    def partitions(self) -> Mapping[str, str]:
        """The ``key=value`` folders it lies in below ``source.path``, as Hive writes them; keys in lower case."""
        pairs = (part.split("=", 1) for part in PurePosixPath(self.below).parent.parts if "=" in part)
        return {key.lower(): unquote(value) for key, value in pairs}


@dataclass(frozen=True)
class Listing:
    """What a path means. ``ignored``: what files beside the data are → their names."""

    files: Sequence[File]
    ignored: Mapping[str, Sequence[str]]

    def summary(self) -> Iterator[str]:
        """In words, what is read and what is not."""
        yield f"{counted(len(self.files))} to read"
        for kind, names in self.ignored.items():
            yield f"{counted(len(names))} ignored: {kind} (such as {names[0]})"


def counted(files: int) -> str:
    """``1 file``, ``2 files``."""
    return f"{files:,} file{'' if files == 1 else 's'}"


def list_files(
    location: str, base: Path, endings: Collection[str], exclude: Collection[str] = ()
) -> list[File]:
    """The files ``location`` means, sorted by path: see ``listing``."""
    return list(listing(location, base, endings, exclude=exclude).files)


def listing(
    location: str,
    base: Path,
    endings: Collection[str],
    skip: Collection[str] = (),
    exclude: Collection[str] = (),
) -> Listing:
    """The files ``location`` means, sorted by path, with folders that cannot be listed, and what lies beside them.

    In folders: those whose name has one of ``endings`` or no ending at all, without folders of a name in ``skip``
    and without what others put beside data (``_aside``). A relative path starts at ``base``. ``exclude``: globs of what
    to leave out, from the folder of ``location`` on, or of whole names.
    Raises ``SourceError`` if there is no such file, ``ConfigError`` for an unknown scheme and for the folder of a
    table whose log alone says which of its files count; no password is shown.
    """
    filesystem, path, prefix = located(location, base)
    location = _shown(location)
    files: list[File] = []
    ignored: dict[str, list[str]] = {}
    closed: dict[str, str] = {}
    try:
        _refuse_part_of_table(filesystem, path, location)
        for info, below, named in _matching(filesystem, path, closed):
            _refuse_table(below, location)
            reason = _aside(info, below, () if named else endings, skip) if below else None
            if reason is None:
                files.append(File(filesystem, info.path, prefix + info.path, info.size, info.mtime_ns, below))
            else:
                ignored.setdefault(reason, []).append(prefix + info.path)
    except OSError as error:
        raise SourceError(f"cannot list source.path {location}: {error}") from error
    if not files and not closed:
        raise SourceError(f"source.path {location} matches no file{_where(location, prefix + path)}")
    files += [File(filesystem, folder, prefix + folder, 0, 0, closed=why) for folder, why in closed.items()]
    globs = [_glob(pattern.lstrip("/"), "") for pattern in exclude]
    excluded = [file.name for file in files if any(_excluded(file, path, glob) for glob in globs)]
    left = [file for file in files if file.name not in set(excluded)]
    ignored |= {"left out by source.exclude": excluded} if excluded else {}
    return Listing(sorted(left, key=lambda file: file.path), ignored)


def _excluded(file: File, path: str, glob: re.Pattern[str]) -> bool:
    """Whether ``glob`` takes a file of ``path``: by its place in the folder that is meant, or by its whole name."""
    roots = (path, _literal_part(path))
    names = (*(file.path.removeprefix(root) for root in roots), file.name)
    return any(glob.fullmatch(name.lstrip("/")) for name in names)


def _refuse_table(below: str, location: str) -> None:
    """Raises ``ConfigError`` if a file is part of the log of a table."""
    for log, (kind, own_type) in _TABLE_LOGS.items():
        if log.fullmatch(below):
            instead = (
                f"use source.type: {own_type}"
                if own_type
                else "read it through a warehouse (source.type: warehouse), or export a snapshot of it"
            )
            raise ConfigError(
                f"source.path {location} holds a {kind} table ({below}): its log alone says which files count, and "
                f"rows that were replaced or deleted would be billed. Instead, {instead}."
            )


def _refuse_part_of_table(filesystem: fs.FileSystem, path: str, location: str) -> None:
    """The same where ``path`` is a folder or file inside a table, whose log lies above."""
    start = PurePosixPath(_literal_part(f"{path}/*"))
    above = [folder.as_posix() for folder in (start, *start.parents)]
    logs = [f"{folder.rstrip('/')}/{log}" for folder in above for log in ("_delta_log", ".hoodie")]
    beside_data = [f"{PurePosixPath(folder).parent}/metadata" for folder in above if folder.endswith("/data")]
    with suppress(OSError):  # whoever may not look above may still read what is below
        for found in filesystem.get_file_info(logs):
            if found.type == fs.FileType.Directory:
                _refuse_table(found.path.lstrip("/"), location)
        for folder in beside_data:
            for found in filesystem.get_file_info(fs.FileSelector(folder, allow_not_found=True)):
                _refuse_table(found.path.lstrip("/"), location)


@dataclass(frozen=True)
class Reading:
    """A file to read: its rows in ``window``; ``past``: those of before it are nobody's."""

    file: File
    window: Window
    past: bool = False


def readings(
    files: Sequence[File],
    root: str,
    window: Window,
    done: Collection[str],
    late: Late | None,
    outside: Callable[[File, Window], bool],
) -> tuple[list[Reading], list[str]]:
    """What is to be read of files below ``root``, and marks of what is known from now on without being read.

    Of files that lie ``outside`` of the window, or whose late rows were dealt with, no more than the window; of those
    that were never read to their end also what is behind it. A root that is new begins at the window.
    """
    inside = unread([file for file in files if not outside(file, window)], done)
    if late is None:
        return [Reading(file, window) for file in inside], []
    root_mark = f"root|{root}"
    if root_mark not in late.known and not late.listing:
        return [Reading(file, window) for file in inside], [root_mark, *_marks(files)]
    reach = Window(min(late.since if late.listing else late.begin, window.since), window.until)
    new = {*unread(inside, late.known)}
    behind = [file for file in files if outside(file, window) and not outside(file, reach)]
    new |= {*unread(behind, {*done, *late.known}, ask=False)}
    some = [file for file in files if file in new or file in {*inside}]
    return [Reading(f, reach, past=True) if f in new else Reading(f, window) for f in some], [root_mark]


def _marks(files: Sequence[File]) -> Iterator[str]:
    if not files:
        return
    with ThreadPoolExecutor(1 if files[0].local else _ASKED_AT_ONCE) as pool:
        yield from (mark for mark in pool.map(_mark_of, files) if mark)


def _mark_of(file: File) -> str | None:
    try:
        return None if file.closed else file.mark
    except OSError:
        return None


def unread(files: Sequence[File], done: Collection[str], *, ask: bool = True) -> list[File]:
    """Those of ``files`` whose mark is not among ``done``.

    Object stores are asked only about objects that were there before with the same size and time; with ``ask`` off
    these are taken for unchanged.
    """
    before = {mark.rpartition("|")[0] for mark in done}
    known = [file for file in files if file.listed in before]
    if not known:
        return list(files)
    if not (ask or known[0].local):
        return [file for file in files if file.listed not in before]
    with ThreadPoolExecutor(1 if known[0].local else _ASKED_AT_ONCE) as pool:
        same = dict(zip(known, pool.map(partial(_marked, done), known), strict=True))
    return [file for file in files if not same.get(file)]


def _marked(done: Collection[str], file: File) -> bool:
    try:
        return file.mark in done
    except OSError:
        return False  # whoever reads it says why it cannot be read


def _tail(stored: pa.NativeFile, size: int) -> str:
    stored.seek(max(0, size - _TAIL_BYTES))
    return hashlib.blake2b(stored.read(_TAIL_BYTES), digest_size=12).hexdigest()


def shares(files: Sequence[File]) -> Iterator[tuple[File, Callable[[float], float]]]:
    """Each file, and what tells by how much of it is read how much of all of them is, by their sizes."""
    total = sum(file.size for file in files) or 1
    before = 0
    for file in files:
        yield file, partial(_share, before, file.size, total)
        before += file.size


def _share(before: int, size: int, total: int, part: float) -> float:
    return (before + size * part) / total


def each_read(
    readings: Sequence[Reading], read: Callable[[Reading], Iterator[EventBatch]]
) -> Iterator[EventBatch]:
    """The batches of each file; those that cannot be read are raised at the end, together.

    ``read``: the batches of a file. Raises ``ConfigError`` if no file could be read for mistakes in the config
    alone, ``SourceError`` with ``parts`` for whatever is broken, and at once where their storage is unreachable.
    """
    broken: list[BrokenPart] = []
    mistakes: list[ConfigError] = []
    whole = False
    by_file = {reading.file: reading for reading in readings}
    for file, share in shares(list(by_file)):
        try:
            _refuse_closed(file)
            for batch in read(by_file[file]):
                whole = True
                yield replace(batch, done=share(batch.done or 0.0))
            whole = True
        except ConfigError as error:
            mistakes.append(error)
            broken.append(_broken(file, error))
        except SourceError as error:
            _refuse_unreachable(file, error)
            broken.append(_broken(file, error))
    if mistakes and not whole and len(mistakes) == len(broken):
        raise mistakes[0]
    if broken:
        raise SourceError.of(broken)


def _refuse_closed(file: File) -> None:
    if file.closed is not None:
        raise SourceError(
            f"{file.name} cannot be listed: {file.closed.rstrip('.')}. Allow it, and run again; nothing of the "
            f"window is marked complete."
        )


def _broken(file: File, error: EtlError) -> BrokenPart:
    return BrokenPart(file.name, str(error), str(error), f"{file.listed}|" if file.closed else _mark_of(file))


def _refuse_unreachable(file: File, error: SourceError) -> None:
    """Raise ``error`` as one of the whole source if it is the storage that does not answer."""
    try:
        if not file.local:
            file.filesystem.get_file_info(file.path)
    except OSError:
        raise error from None


def _shown(location: str) -> str:
    return re.sub(r"(://[^/@:]*):[^/@]*@", r"\1:***@", location)


def _where(location: str, resolved: str) -> str:
    return "" if location == resolved else f" (looked at {resolved})"


def located(location: str, base: Path) -> tuple[fs.FileSystem, str, str]:
    """The file system, the path in it, and what to put before a path of it to name it to people."""
    scheme, separator, rest = location.partition("://")
    if not separator:
        local = (base / Path(location).expanduser()).absolute()
        return fs.LocalFileSystem(), local.as_posix(), ""
    if scheme not in _SCHEMES:
        known = ", ".join(f"{name}://" for name in _SCHEMES)
        raise ConfigError(f"source.path {_shown(location)}: unknown scheme {scheme}://; known are {known}")
    options = _OPTIONS.search(rest)
    place = rest[: options.start()] if options else rest
    if scheme == "file":
        return fs.LocalFileSystem(), place.rstrip("/"), ""
    root, _, key = place.partition("/")
    asked = options.group() if options else ""
    if _SCHEMES[scheme] == "gs" and "retry_limit_seconds=" not in asked:
        asked += f"{'&' if asked else '?'}retry_limit_seconds={_GOOGLE_RETRY_SECONDS}"
    try:
        filesystem, bucket = fs.FileSystem.from_uri(f"{_SCHEMES[scheme]}://{root}{asked}")
    except (OSError, ValueError) as error:
        raise SourceError(f"cannot open source.path {_shown(location)}: {error}") from error
    return filesystem, f"{bucket.rstrip('/')}/{key}".strip("/"), f"{scheme}://"


def _matching(
    filesystem: fs.FileSystem, path: str, closed: dict[str, str]
) -> Iterator[tuple[fs.FileInfo, str, bool]]:
    """The files at ``path``, their paths below its folder, and whether it names their ending.

    Folders that cannot be listed, and why, go to ``closed``. ``path`` is taken literally if something is there, else as a glob. A file it names outright lies below nothing.
    """
    info = filesystem.get_file_info(path)
    if info.type == fs.FileType.File:
        yield info, "", True
        return
    root = path if info.type == fs.FileType.Directory else _literal_part(path)
    matches = _glob(path, root)
    names_ending = info.type != fs.FileType.Directory and "." in PurePosixPath(path).name
    for found in _held(filesystem, root, closed):
        below = found.path.removeprefix(root).lstrip("/")
        if found.type == fs.FileType.File and (hit := matches.fullmatch(below)):
            yield found, below, names_ending and hit["folder"] is None


def _held(filesystem: fs.FileSystem, root: str, closed: dict[str, str]) -> Iterable[fs.FileInfo]:
    """Everything below ``root`` that can be listed."""
    selected = fs.FileSelector(root, allow_not_found=True, recursive=True)
    try:
        infos: list[fs.FileInfo] = filesystem.get_file_info(selected)
    except PermissionError:
        return _walk(filesystem, root, closed)
    return infos


def _walk(filesystem: fs.FileSystem, root: str, closed: dict[str, str]) -> Iterator[fs.FileInfo]:
    """The same, folder by folder. Raises ``OSError`` if ``root`` itself cannot be listed."""
    folders = [root]
    for folder in folders:
        try:
            held = filesystem.get_file_info(fs.FileSelector(folder))
        except PermissionError as error:
            if folder == root:
                raise
            closed[folder] = str(error)
            continue
        folders += [info.path for info in held if info.type == fs.FileType.Directory]
        yield from held


def _literal_part(path: str) -> str:
    """The folders before the first part with a wildcard."""
    parts = path.split("/")
    wild = next((n for n, part in enumerate(parts) if re.search(r"[*?\[]", part)), len(parts) - 1)
    return "/".join(parts[:wild]) or "/"


def _glob(path: str, root: str) -> re.Pattern[str]:
    """Matches paths below ``root``; the group ``folder`` takes part if the pattern names a folder above."""
    parts = [part for part in path.removeprefix(root).split("/") if part]
    while parts and parts[-1] == "**":
        parts.pop()
    pattern = "/".join(map(_part, parts)).replace("**/", r"(?:[^/]+/)*")
    return re.compile(rf"{pattern}(?P<folder>{'/' if pattern else ''}.*)?", re.DOTALL)


def _part(part: str) -> str:
    return part if part == "**" else _WILDCARD.sub(_wildcard, part)


def _wildcard(found: re.Match[str]) -> str:
    token = found.group()
    if token in ("*", "?"):
        return "[^/]*" if token == "*" else "[^/]"  # noqa: S105 - a wildcard, no secret
    return token.replace("[!", "[^") if len(token) > 1 else re.escape(token)


def _aside(info: fs.FileInfo, below: str, endings: Collection[str], skip: Collection[str]) -> str | None:
    """What a file beside the data is; None for a file of data. ``endings``: those of data; none: any.

    Hadoop marks folders by ``_$folder$`` and finished jobs by ``_SUCCESS``; an UNLOAD lists its files in a manifest.
    """
    *folders, name = below.split("/")
    lower = name.lower()
    kinds = {
        "hidden, or named with _": any(part.startswith(("_", ".")) for part in (*folders, name)),
        "in folders of something else": not set(skip).isdisjoint(folders),
        "unfinished, or a checksum": lower.endswith(_UNFINISHED),
        "a folder's marker": lower.endswith("_$folder$"),
        "a manifest, README or checksum": bool(_BESIDE.fullmatch(lower)),
        "of another ending": bool(endings) and "." in name and not lower.endswith(tuple(endings)),
        "empty": info.size == 0,
    }
    return next((kind for kind, so in kinds.items() if so), None)
