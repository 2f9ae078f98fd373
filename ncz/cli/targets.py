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
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from ncz.cli.exits import Failure, plain
from ncz.cli.names import shown
from ncz.cli.onward import Onward
from ncz.codec.errors import DoesNotFit
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

    Args:
        path: the final name.
        force: replace what is there.
        hashed: whether the sink hashes what is written.
        like: the input whose mode, owner and time the file gets.
        verify: called with the written file, opened for reading, and the sink before the file
            gets its name; raises what is wrong with it.

    Raises:
        Failure: the file cannot be written or named.
    """
    name = shown(path)
    try:
        descriptor, temporary = temporaries.create(path)
    except OSError as error:
        raise Failure(f"cannot create {name}: {plain(error)}") from error
    try:
        with os.fdopen(descriptor, "w+b") as file:
            sink = Sink(file, name, hashed=hashed)
            yield sink
            _complete(file, sink, temporary, name, like, verify)
        _publish(temporary, path, force)
    finally:
        temporaries.discard(temporary)


@contextmanager
def resumed_target(
    path: Path,
    *,
    force: bool,
    hashed: bool = False,
    like: os.stat_result | None = None,
    verify: Callable[[BinaryIO, Sink], None] | None = None,
) -> Iterator[Sink]:
    """As :func:`file_target`, but what was written before the block is left by an error stays.

    The sink is to be given everything; it passes over what an earlier run has left.

    Raises:
        Failure: the file cannot be written or named, or another run is at work on it.
    """
    name = shown(path)
    partial = shown(temporaries.resumable_name(path))
    try:
        descriptor, temporary = temporaries.resume(path)
    except BlockingIOError:
        raise Failure(f"another run is at work on {partial}: wait for its end") from None
    except FileExistsError:
        raise Failure(f"{partial} is no unfinished file of yours: remove it") from None
    except OSError as error:
        raise Failure(f"cannot create {partial}: {plain(error)}") from error
    try:
        with _closing(os.fdopen(descriptor, "r+b")) as file, temporary.open("rb") as kept:
            onward = Onward(file)
            sink = Sink(cast(BinaryIO, onward), name, hashed=hashed, kept=kept)
            yield sink
            onward.end()
            _complete(file, sink, temporary, name, like, verify)
        _publish(temporary, path, force)
    except DoesNotFit as error:
        raise Failure(
            f"cannot go on with {partial}: {error}; leave out --resume or remove it to start afresh"
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


def _complete(
    file: BinaryIO,
    sink: Sink,
    temporary: Path,
    name: str,
    like: os.stat_result | None,
    verify: Callable[[BinaryIO, Sink], None] | None,
) -> None:
    """Everything between the last byte and the final name."""
    descriptor = file.fileno()
    sink.flush()
    try:
        if verify is not None:
            os.fsync(descriptor)
            _forget_cache(descriptor)
            file.seek(0)
            verify(file, sink)
        temporaries.dress(descriptor, temporary, like)
        os.fsync(descriptor)
    except OSError as error:
        raise Failure(f"cannot write {name}: {plain(error)}") from error


def _forget_cache(descriptor: int) -> None:
    """Reading back should read the disk, not the memory that was just written."""
    if hasattr(os, "posix_fadvise"):
        with contextlib.suppress(OSError):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def _publish(temporary: Path, path: Path, force: bool) -> None:
    name = shown(path)
    try:
        temporaries.publish(temporary, path, replace=force)
    except FileExistsError as error:
        raise Failure(f"{name} already exists: use -f to overwrite it") from error
    except OSError as error:
        raise Failure(f"cannot create {name}: {plain(error)}") from error
    temporaries.sync_folder(path)
