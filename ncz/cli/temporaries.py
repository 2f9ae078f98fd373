"""Unfinished output files: made beside their final name, and gone if the work ends early.

A file under its final name is always complete. Until then it has a name of its own in the
same directory, so that the last step is a rename, which is atomic; a process killed without
warning leaves that other name and nothing else.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import threading
from pathlib import Path

SUFFIX = ".ncz-part"  # what a killed process leaves: safe to delete when no ncz is running
_NAME_LIMIT = 200  # bytes of the final name to repeat; file systems allow 255 for the whole

_unfinished: set[Path] = set()
_lock = threading.Lock()  # a signal is handled in a thread of its own; then held to the end
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


def discard(temporary: Path) -> None:
    """Remove an unfinished file; no matter if it is gone or published already."""
    with _lock:
        if temporary in _unfinished:
            _unfinished.discard(temporary)
            with contextlib.suppress(OSError):
                temporary.unlink()


def abandon() -> int:
    """Remove every unfinished file and let none begin: the process is about to end.

    Returns how many there were.
    """
    _lock.acquire(timeout=_PATIENCE_S)
    removed = 0
    for path in _unfinished:
        with contextlib.suppress(OSError):
            path.unlink()
            removed += 1
    return removed


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unfinished.clear)  # they are the parent's to remove


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
