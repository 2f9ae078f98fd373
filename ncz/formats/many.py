"""Many files in one call: each becomes one of its own, and all share workers and models.

Small files keep several workers busy as the blocks of a large one do: files are begun ahead while
those before them have their last blocks in work. What is open, and what is held, stays bounded by
the number of workers. One file that fails does not stop the others.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from ncz.codec import crew as crews
from ncz.codec.crew import Crew
from ncz.codec.errors import NczError
from ncz.codec.pipeline import in_flight
from ncz.codec.together import Steps, Wait, elsewhere, together
from ncz.formats import stream, temporaries
from ncz.formats.levels import DEFAULT
from ncz.formats.options import CompressOptions, DecompressOptions
from ncz.formats.stream import StreamStats

SUFFIX = ".ncz"
DISK = 8
"""Outputs that are synced to disk side by side: waiting for it takes longer than a small file."""

Name = str | os.PathLike[str]
_Stream = Callable[..., Steps[StreamStats]]
"""From a file to a file, with a crew or None by its name."""


@dataclass(frozen=True)
class FileResult:
    """What came of one file.

    Attributes:
        source: the file that was read.
        target: the file that was made, or would have been; None if none could be named.
        raw_size: bytes of content.
        coded_size: bytes of the .ncz file.
        blocks: number of blocks.
        seconds: from its beginning to its end; other files were at work in them, too.
        error: what went wrong; nothing was written then.
        skipped: why there was nothing to do, empty if there was.
    """

    source: Path
    target: Path | None
    raw_size: int = 0
    coded_size: int = 0
    blocks: int = 0
    seconds: float = 0.0
    error: NczError | OSError | None = None
    skipped: str = ""

    @property
    def ok(self) -> bool:
        """Nothing went wrong."""
        return self.error is None

    def check(self) -> FileResult:
        """Itself, or the error raised if there is one."""
        if self.error is not None:
            raise self.error
        return self


def compress_many(
    files: Iterable[Name],
    output: Name | None = None,
    *,
    level: int = DEFAULT,
    threads: int = 1,
    block_size: int | None = None,
    memlimit: int | None = None,
    verify: bool | None = None,
    overwrite: bool = False,
    crew: Crew | None = None,
) -> Iterator[FileResult]:
    """Compress files, each FILE to FILE.ncz beside it or in a folder.

    Work begins with the first result that is asked for. Results come in the order of `files`,
    which is read as they do. An output appears whole, with the time and mode of its input, or
    not at all. What ends in ``.ncz`` already, and a file that was named before, is skipped.

    Args:
        files: paths of files; for all in a folder, ``Path(folder).rglob("*")`` and a filter.
        output: the folder for outputs; it has to exist.
        level: 1 (fast) to 9 (small), for all of them, text or not.
        threads: blocks coded side by side, of one or of several files; 0 means one per core.
        block_size: raw bytes of a block, 1 KiB to 1 GiB; None lets the level choose.
        memlimit: bytes of working memory; with one, files come one after the other.
        verify: decode each block and compare it before it is written.
        overwrite: replace outputs that are there.
        crew: who codes the blocks, in place of threads; see :func:`ncz.workers`.

    Raises:
        ValueError: an argument is out of its range.

    >>> import pathlib, tempfile, ncz
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name in ("a.txt", "b.txt"):
    ...     _ = (folder / name).write_text("some words " * 100)
    >>> for result in ncz.compress_many(sorted(folder.iterdir()), level=1, threads=2):
    ...     print(result.check().target.name, result.raw_size)
    a.txt.ncz 1100
    b.txt.ncz 1100
    """
    inside = threads if crew is None and memlimit is not None else 1
    options = CompressOptions(level, inside, block_size, memlimit, verify=verify)

    def derive(path: Path) -> Path | str:
        if path.name.lower().endswith(SUFFIX):
            return f"ends in {SUFFIX} already"
        return path.with_name(path.name + SUFFIX)

    def run(src: BinaryIO, dst: BinaryIO, crew: Crew | None) -> Steps[StreamStats]:
        return stream.compressing(src, dst, options, None, crew)

    return _many(files, output, derive, run, threads, memlimit, overwrite, crew)


def decompress_many(
    files: Iterable[Name],
    output: Name | None = None,
    *,
    threads: int = 1,
    memlimit: int | None = None,
    max_output: int | None = None,
    overwrite: bool = False,
    crew: Crew | None = None,
) -> Iterator[FileResult]:
    """Restore files, each FILE.ncz to FILE beside it or in a folder.

    As :func:`compress_many`; what does not end in ``.ncz`` is skipped.

    Args:
        files: paths of files.
        output: the folder for outputs; it has to exist.
        threads: blocks decoded side by side, of one or of several files; 0 means one per core.
        memlimit: bytes of working memory; with one, files come one after the other.
        max_output: refuse content of more than this many bytes in one file.
        overwrite: replace outputs that are there.
        crew: who decodes the blocks, in place of threads; see :func:`ncz.workers`.

    Raises:
        ValueError: an argument is out of its range.

    >>> import pathlib, tempfile, ncz
    >>> path = pathlib.Path(tempfile.mkdtemp(), "a.txt.ncz")
    >>> _ = path.write_bytes(ncz.compress(b"some words", level=1))
    >>> [result.target.read_bytes() for result in ncz.decompress_many([path])]
    [b'some words']
    """
    inside = threads if crew is None and memlimit is not None else 1
    options = DecompressOptions(inside, memlimit, max_output=max_output)

    def derive(path: Path) -> Path | str:
        stem = path.name[: -len(SUFFIX)]
        if not path.name.lower().endswith(SUFFIX):
            return f"does not end in {SUFFIX}"
        if stem in ("", ".", ".."):  # of which the last two are folders
            return f"has no name but {SUFFIX}"
        return path.with_name(stem)

    def run(src: BinaryIO, dst: BinaryIO, crew: Crew | None) -> Steps[StreamStats]:
        return stream.decompressing(src, dst, options, None, crew)

    return _many(files, output, derive, run, threads, memlimit, overwrite, crew)


def _many(
    files: Iterable[Name],
    output: Name | None,
    derive: Callable[[Path], Path | str],
    run: _Stream,
    threads: int,
    memlimit: int | None,
    overwrite: bool,
    crew: Crew | None,
) -> Iterator[FileResult]:
    """Checks what can be checked now; the work is the iterator's."""
    if threads < 0:
        raise ValueError(f"the number of threads is 0 (one per core) or more, not {threads}")
    if crew is not None and threads != 1:
        raise ValueError("threads or a crew: one of them")
    if isinstance(files, (str, bytes, os.PathLike)):
        raise TypeError("files are several paths; put a single one into a list")
    folder = None if output is None else Path(output)
    if folder is not None and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is no folder, and outputs are to go there")
    claimed: dict[str, os.stat_result] = {}

    def results() -> Iterator[FileResult]:
        workers = crew
        if crew is None and memlimit is None:
            workers = crews.threads(threads)
        disk = crews.threads(DISK)
        one = partial(_one, folder, derive, partial(run, crew=workers), overwrite, claimed, disk)
        # One file by itself keeps the limit; what several would take together is not known.
        tasks = in_flight(workers.size) if workers is not None and memlimit is None else 1
        try:
            yield from together((one(Path(file)) for file in files), tasks)
        finally:
            disk.close()
            if workers is not None and workers is not crew:
                workers.close()

    return results()


def _one(
    folder: Path | None,
    derive: Callable[[Path], Path | str],
    run: Callable[[BinaryIO, BinaryIO], Steps[StreamStats]],
    overwrite: bool,
    claimed: dict[str, os.stat_result],
    disk: Crew,
    path: Path,
) -> Steps[FileResult]:
    """The job of one file."""
    started = time.monotonic()
    derived = derive(path)
    if isinstance(derived, str):
        return FileResult(path, None, skipped=derived)
    target = derived if folder is None else folder / derived.name
    key = os.path.abspath(target)  # noqa: PTH100 (resolve would follow a link)
    try:
        with path.open("rb") as src:
            status = os.fstat(src.fileno())
            if key in claimed:
                if os.path.samestat(status, claimed[key]):
                    return FileResult(path, target, skipped="was named before")
                raise NczError(f"{target} is the output of another file of this call")
            if not overwrite and os.path.lexists(target):
                raise FileExistsError(f"{target} already exists; overwrite=True replaces it")
            claimed[key] = status
            try:
                whole = partial(_whole, target, status, overwrite, disk)
                stats = yield from whole(partial(run, src))
            except BaseException:
                del claimed[key]
                raise
    except (NczError, OSError) as error:
        return FileResult(path, target, seconds=time.monotonic() - started, error=error)
    return FileResult(
        path,
        target,
        stats.raw_size,
        stats.coded_size,
        stats.blocks,
        time.monotonic() - started,
    )


def _whole(
    target: Path,
    like: os.stat_result,
    overwrite: bool,
    disk: Crew,
    run: Callable[[BinaryIO], Steps[StreamStats]],
) -> Generator[Wait, None, StreamStats]:
    """Write `target` and give it its name once it is complete."""
    descriptor, temporary = temporaries.create(target)
    try:
        with os.fdopen(descriptor, "w+b") as dst:
            stats = yield from run(dst)
            dst.flush()
            temporaries.dress(descriptor, temporary, like)
            settle = partial(temporaries.settle, dst, temporary, target, replace=overwrite)
            yield from elsewhere(settle, disk)
    finally:
        temporaries.discard(temporary)
    return stats
