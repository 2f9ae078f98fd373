"""Opening what is to be written: files that appear complete or not at all, and streams.

A regular file is written under a temporary name, synced to disk, given the mode and time of
its input, and renamed. Standard output, devices and FIFOs are written as they are.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from ncz.cli.exits import Failure, plain
from ncz.cli.names import shown
from ncz.cli.onward import Onward
from ncz.codec.crew import Crew
from ncz.codec.errors import DoesNotFit
from ncz.codec.together import Steps, alone, elsewhere
from ncz.formats import temporaries

if TYPE_CHECKING:
    import xxhash


class Sink:
    """What the library writes to: names the output in errors, and counts and hashes if asked.

    Attributes:
        size: bytes written.
        digest: XXH64 of them if `hashed`, else None.
        kept: what an earlier run has written of the same, to be read, if there is such a thing.
    """

    def __init__(
        self,
        file: BinaryIO | None,
        name: str,
        *,
        hashed: bool = False,
        kept: BinaryIO | None = None,
    ) -> None:
        self.size = 0
        self.kept = kept
        self.digest: xxhash.xxh64 | None = None
        self._file = file
        self._name = name
        self._text_only = False
        if hashed:
            import xxhash

            self.digest = xxhash.xxh64()

    @property
    def fingerprint(self) -> tuple[int, int]:
        """Size and XXH64 of what was written so far, of a `hashed` sink."""
        assert self.digest is not None
        return self.size, self.digest.intdigest()

    def refuse_binary(self) -> None:
        """From now on a first piece with a NUL byte in it is not text for a terminal."""
        self._text_only = True

    def write(self, data: Any) -> int:
        """Write all of `data` and return its size in bytes."""
        size = memoryview(data).nbytes
        if self._text_only and self.size == 0 and b"\0" in bytes(data[:4096]):
            raise Failure("is binary, which a terminal cannot show: use -o, a redirection, or -f")
        if self.digest is not None:
            self.digest.update(data)
        with self._named_errors():
            if self._file is not None:
                self._file.write(data)
        self.size += size
        return size

    def flush(self) -> None:
        """Hand everything to the system."""
        with self._named_errors():
            if self._file is not None:
                self._file.flush()

    def as_file(self) -> BinaryIO:
        """Itself, as the type that the library asks for; it only calls write and flush."""
        return cast(BinaryIO, self)

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            raise Failure(f"cannot write {self._name}: {plain(error)}") from error


def is_special(path: Path) -> bool:
    """Whether `path` names something to write into and never to replace: a device, a FIFO."""
    text = str(Path.cwd() / path)
    if text.startswith(("/dev/", "/proc/")) and not text.startswith("/dev/shm/"):
        return True
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


def check_free(path: Path, *, force: bool) -> None:
    """Before any work.

    Raises:
        Failure: `path` is a directory, or is taken and `force` is false.
    """
    if path.is_dir():
        raise Failure(f"the output {shown(path)} is a directory")
    if os.path.lexists(path) and not force and not is_special(path):
        raise Failure(f"{shown(path)} already exists: use -f to overwrite it")


class FileTarget:
    """A regular file to be, under another name until it is whole.

    Attributes:
        sink: what to write to.
    """

    def __init__(
        self,
        file: BinaryIO,
        temporary: Path,
        path: Path,
        *,
        force: bool,
        hashed: bool,
        like: os.stat_result | None,
        verify: Callable[[BinaryIO, Sink], None] | None,
        kept: BinaryIO | None,
    ) -> None:
        self._name = shown(path)
        self._onward = Onward(file) if kept is not None else None
        into = file if self._onward is None else cast(BinaryIO, self._onward)
        self.sink = Sink(into, self._name, hashed=hashed, kept=kept)
        self._file, self._temporary, self._path = file, temporary, path
        self._force, self._like, self._verify = force, like, verify

    def complete(self, disk: Crew | None = None) -> Steps[None]:
        """Everything between the last byte and the final name.

        Args:
            disk: who waits for the disk, so that others can do something meanwhile.

        Raises:
            Failure: the file cannot be written or named.
        """
        name, file = self._name, self._file
        try:
            if self._onward is not None:
                self._onward.end()
            self.sink.flush()
            if self._verify is not None:
                os.fsync(file.fileno())
                _forget_cache(file.fileno())
                file.seek(0)
                self._verify(file, self.sink)
            temporaries.dress(file.fileno(), self._temporary, self._like)
            settle = partial(
                temporaries.settle, file, self._temporary, self._path, replace=self._force
            )
            if disk is None:
                settle()
            else:
                yield from elsewhere(settle, disk)
        except FileExistsError as error:
            raise Failure(f"{name} already exists: use -f to overwrite it") from error
        except OSError as error:
            raise Failure(f"cannot write {name}: {plain(error)}") from error


@contextmanager
def unfinished_target(
    path: Path,
    *,
    force: bool,
    hashed: bool = False,
    like: os.stat_result | None = None,
    verify: Callable[[BinaryIO, Sink], None] | None = None,
    resume: bool = False,
) -> Iterator[FileTarget]:
    """A file that gets the name `path` when it is completed, and is gone without that.

    Args:
        path: the final name.
        force: replace what is there.
        hashed: whether the sink hashes what is written.
        like: the input whose mode, owner and time the file gets.
        verify: called with the written file, opened for reading, and the sink before the file
            gets its name; raises what is wrong with it.
        resume: what was written stays without that, too, and the next time the sink, which is to
            be given everything, passes over it.

    Raises:
        Failure: the file cannot be created, or another run is at work on it.
    """
    with _resumed(path) if resume else _fresh(path) as (file, temporary, kept):
        yield FileTarget(
            file, temporary, path, force=force, hashed=hashed, like=like, verify=verify, kept=kept
        )


@contextmanager
def file_target(
    path: Path,
    *,
    force: bool,
    hashed: bool = False,
    like: os.stat_result | None = None,
    verify: Callable[[BinaryIO, Sink], None] | None = None,
) -> Iterator[Sink]:
    """A sink whose content is at `path` once the block is left normally, and only then.

    The arguments are those of :func:`unfinished_target`.

    Raises:
        Failure: the file cannot be written or named.
    """
    with unfinished_target(path, force=force, hashed=hashed, like=like, verify=verify) as target:
        yield target.sink
        alone(target.complete())


_Opened = tuple[BinaryIO, Path, "BinaryIO | None"]
"""The file, its name for now, and what is in it already, to be read."""


@contextmanager
def _fresh(path: Path) -> Iterator[_Opened]:
    try:
        descriptor, temporary = temporaries.create(path)
    except OSError as error:
        raise Failure(f"cannot create {shown(path)}: {plain(error)}") from error
    try:
        with _closing(os.fdopen(descriptor, "w+b")) as file:
            yield file, temporary, None
    finally:
        temporaries.discard(temporary)


@contextmanager
def _resumed(path: Path) -> Iterator[_Opened]:
    left = shown(temporaries.resumable_name(path))
    try:
        descriptor, temporary = temporaries.resume(path)
    except BlockingIOError:
        raise Failure(f"another run is at work on {left}: wait for its end") from None
    except FileExistsError:
        raise Failure(f"{left} is no unfinished file of yours: remove it") from None
    except OSError as error:
        raise Failure(f"cannot create {left}: {plain(error)}") from error
    try:
        with _closing(os.fdopen(descriptor, "r+b")) as file, temporary.open("rb") as kept:
            yield file, temporary, kept
    except DoesNotFit as error:
        raise Failure(
            f"cannot go on with {left}: {error}; leave out --resume or remove it to start afresh"
        ) from error
    finally:
        temporaries.leave(temporary)


@contextmanager
def special_target(path: Path) -> Iterator[Sink]:
    """A sink into a device or FIFO, written directly."""
    name = shown(path)
    try:
        file = path.open("wb", buffering=0)
    except OSError as error:
        raise Failure(f"cannot open {name}: {plain(error)}") from error
    with file:
        yield Sink(cast(BinaryIO, file), name)


@contextmanager
def stdout_target() -> Iterator[Sink]:
    """A sink into standard output, flushed at the end."""
    if sys.stdout is None:
        raise Failure("standard output is closed")
    sink = Sink(sys.stdout.buffer, "standard output")
    yield sink
    sink.flush()


def stdout_is_terminal() -> bool:
    """Whether a person would see what goes to standard output."""
    return sys.stdout is not None and sys.stdout.isatty()


@contextmanager
def _closing(file: BinaryIO) -> Iterator[BinaryIO]:
    """Close it; where something else went wrong before, that counts, as with a full disk."""
    try:
        yield file
    except BaseException:
        with contextlib.suppress(OSError):
            file.close()
        raise
    file.close()


def _forget_cache(descriptor: int) -> None:
    """Reading back should read the disk, not the memory that was just written."""
    if hasattr(os, "posix_fadvise"):
        with contextlib.suppress(OSError):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
