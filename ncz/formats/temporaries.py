"""Unfinished output files: made beside their final name, and gone if the work ends early.

A file under its final name is always complete. Until then it has a name of its own in the
same directory, so that the last step is a rename, which is atomic; a process killed without
warning leaves that other name and nothing else.

What is to be gone on with has a name that the next run finds again, and stays if the work ends
early. A lock that ends with its process keeps a second run from it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import threading
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows; two runs at once are the user's to avoid there
    fcntl = None  # type: ignore[assignment]

SUFFIX = ".ncz-part"  # what a killed process leaves: safe to delete when no ncz is running
_NAME_LIMIT = 200  # bytes of the final name to repeat; file systems allow 255 for the whole

_unfinished: set[Path] = set()
_resumable: set[Path] = set()
_lock = threading.Lock()  # a signal is handled in a thread of its own; then held to the end
_DISK_ERRORS = (errno.EIO, errno.ENOSPC, errno.EDQUOT)
_PATIENCE_S = 2.0  # a file system that hangs must not keep the process from ending


def create(final: Path) -> tuple[int, Path]:
    """A new file beside `final` that only its owner can read, open for reading and writing.

    Raises:
        OSError: the directory does not allow it.
    """
    stem = os.fsdecode(os.fsencode(final.name)[:_NAME_LIMIT])
    path = final.with_name(f".{stem}.{secrets.token_hex(4)}{SUFFIX}")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with _lock:
        descriptor = os.open(path, flags, 0o600)
        _unfinished.add(path)
    return descriptor, path


def resumable_name(final: Path) -> Path:
    """The name of what can be gone on with until it is `final`."""
    return final.with_name(final.name + SUFFIX)


def resume(final: Path) -> tuple[int, Path]:
    """What an earlier run has left of `final`, or a new file, open for reading and writing.

    Raises:
        BlockingIOError: another run is at work on it.
        FileExistsError: something is there that no run of this user can have left.
        OSError: the directory does not allow it.
    """
    path = resumable_name(final)
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    while True:
        try:
            descriptor = os.open(path, flags, 0o600)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
            raise
        try:
            _lock_file(descriptor)
            status = os.fstat(descriptor)
            if _drop_second_name(path, status, final):
                os.close(descriptor)
                continue
            if not _mine(status):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            # A run that ended meanwhile may have given this file its final name.
            if os.path.samestat(status, path.lstat()):
                _resumable.add(path)
                return descriptor, path
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def tidy(final: Path) -> None:
    """Remove what a run has left of `final` that was killed just when it had named it."""
    path = resumable_name(final)
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
        try:
            _lock_file(descriptor)
            _drop_second_name(path, os.fstat(descriptor), final)
        finally:
            os.close(descriptor)


def leave(path: Path) -> None:
    """Stop working on a file of :func:`resume`, which stays if anything is in it."""
    with _lock:
        if path in _resumable:
            _resumable.discard(path)
            with contextlib.suppress(OSError):
                if path.stat().st_size == 0:
                    path.unlink()


def publish(temporary: Path, final: Path, *, replace: bool) -> None:
    """Give a complete file its final name.

    Raises:
        FileExistsError: the name is taken and `replace` is false.
        OSError: the directory does not allow it.
    """
    with _lock:
        if replace or not _link(temporary, final):
            temporary.replace(final)
        _unfinished.discard(temporary)
        _resumable.discard(temporary)


def dress(descriptor: int, temporary: Path, like: os.stat_result | None) -> None:
    """Owner of the input if allowed, its mode, and its times, last because the others touch them.

    Without an input, or where that is no file, it gets the mode of any new file.
    """
    if like is None or not stat.S_ISREG(like.st_mode):
        mask = os.umask(0o077)
        os.umask(mask)
        mode = 0o666 & ~mask
    else:
        mode = stat.S_IMODE(like.st_mode) & 0o777
        if hasattr(os, "fchown"):
            with contextlib.suppress(OSError):
                os.fchown(descriptor, like.st_uid, -1)
            try:
                os.fchown(descriptor, -1, like.st_gid)
            except OSError:
                # Nobody may read more than before: the two groups and the others now mix.
                both = mode & (mode >> 3) & 0o007
                mode = mode & 0o700 | both << 3 | both
    if hasattr(os, "fchmod"):
        os.fchmod(descriptor, mode)
    else:
        temporary.chmod(mode)
    if like is not None and stat.S_ISREG(like.st_mode):
        os.utime(
            descriptor if os.utime in os.supports_fd else temporary,
            ns=(like.st_atime_ns, like.st_mtime_ns),
        )


def settle(file: BinaryIO, temporary: Path, final: Path, *, replace: bool) -> None:
    """See a complete file to the disk, close it, and give it its final name.

    Raises:
        FileExistsError, OSError: as :func:`publish`.
    """
    os.fsync(file.fileno())
    file.close()
    publish(temporary, final, replace=replace)
    sync_folder(final)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, unless they are there, and have their names on the disk.

    A file that is synced is lost all the same where the folder that leads to it is.

    Raises:
        OSError: one of them cannot be made.
    """
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        if folder.parent == folder:
            break
        folder = folder.parent
    for new in reversed(missing):
        new.mkdir(exist_ok=True)
        sync_folder(new)


def sync_folder(path: Path) -> None:
    """Have the name of `path` on the disk, too.

    Raises:
        OSError: the disk failed, or is full.
    """
    if os.name != "posix":
        return
    try:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        # Some file systems cannot sync a folder, and some folders may not be read.
        if error.errno in _DISK_ERRORS:
            raise


def discard(temporary: Path) -> None:
    """Remove an unfinished file; no matter if it is gone or published already."""
    with _lock:
        if temporary in _unfinished:
            _unfinished.discard(temporary)
            with contextlib.suppress(OSError):
                temporary.unlink()


def abandon() -> tuple[int, int]:
    """Remove every unfinished file and let none begin: the process is about to end.

    Returns how many there were, and how many stay because they can be gone on with.
    """
    _lock.acquire(timeout=_PATIENCE_S)
    removed = 0
    for path in _unfinished:
        with contextlib.suppress(OSError):
            path.unlink()
            removed += 1
    kept = 0
    for path in _resumable:
        with contextlib.suppress(OSError):
            if path.stat().st_size:
                kept += 1
            else:
                path.unlink()
    return removed, kept


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unfinished.clear)  # they are the parent's to remove
    os.register_at_fork(after_in_child=_resumable.clear)


def _lock_file(descriptor: int) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        pass  # a file system without locks: two runs would write the same bytes


def _drop_second_name(path: Path, status: os.stat_result, final: Path) -> bool:
    """Where `path` is but another name of `final`, remove that name; whether it was so.

    A run that is killed between naming its output and dropping the name before leaves both.
    """
    try:
        if status.st_nlink != 2 or not os.path.samestat(status, final.lstat()):
            return False
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def _mine(status: os.stat_result) -> bool:
    """Whether this is a plain file of this user, as the one who makes it leaves it."""
    return (
        stat.S_ISREG(status.st_mode)
        and status.st_nlink <= 1
        and (not hasattr(os, "geteuid") or status.st_uid == os.geteuid())
    )


def _link(temporary: Path, final: Path) -> bool:
    """Rename without replacing, which Python has no call for; False where links are unknown."""
    try:
        os.link(temporary, final, follow_symlinks=False)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise
        if final.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(final)) from None
        return False
    temporary.unlink()
    return True
