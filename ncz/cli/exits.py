"""Exit codes, and the one place where an error becomes a code and a sentence.

A script can tell from the code whether to look at its own call (2), at the file (3), at the
machine (4) or at the disk (1). Of several files, the highest code is the command's.
"""

from __future__ import annotations

import errno

from ncz.codec.errors import (
    FormatError,
    MemoryLimitError,
    MissingExtra,
    ModelError,
    ModelMissing,
    NczError,
    UnsupportedError,
)

OK = 0
FAILED = 1  # an operation failed: reading, writing, a name that is taken
USAGE = 2  # the command line is wrong (click's own code)
DAMAGED = 3  # the data is damaged or is no .ncz file
MISSING = 4  # a model, an optional package, memory or a newer ncz is missing
INTERRUPTED = 130  # as a shell shows a command that SIGINT ended

TABLE = (
    (OK, "all done"),
    (FAILED, "an operation failed: reading, writing, a name that is taken"),
    (USAGE, "wrong usage"),
    (DAMAGED, "the data is damaged, or is not .ncz data"),
    (MISSING, "something is missing: a model, an optional package, memory, a newer ncz"),
    (INTERRUPTED, "interrupted (129 and 143 for SIGHUP and SIGTERM)"),
)


class Failure(Exception):
    """A sentence for the user and the exit code that goes with it."""

    def __init__(self, sentence: str, code: int = FAILED) -> None:
        self.code = code
        super().__init__(sentence)


def explain(error: BaseException) -> tuple[int, str]:
    """The exit code and the one sentence for `error`.

    Example:
        >>> explain(FileNotFoundError(2, "No such file or directory"))
        (1, 'no such file or directory')
    """
    match error:
        case Failure():
            return error.code, str(error)
        case UnsupportedError() | MemoryLimitError() | MissingExtra():
            return MISSING, str(error)
        case ModelMissing() | ModelError():
            return MISSING, str(error)
        case FormatError():
            return DAMAGED, str(error)
        case NczError():
            return FAILED, str(error)
        case MemoryError():
            return MISSING, "out of memory: use fewer threads, a lower level or smaller blocks"
        case OSError():
            return FAILED, plain(error)
        case KeyboardInterrupt():
            return INTERRUPTED, "interrupted"
        case _:
            name = type(error).__name__
            return FAILED, (
                f"internal error, please report it ({name}: {error}); "
                "NCZ_DEBUG=1 shows where it happened"
            )


def plain(error: OSError) -> str:
    """What the system says, in the lower case of the middle of a sentence."""
    text = error.strerror or str(error)
    if error.errno == errno.EFBIG:
        return "file too large for this disk or for the limit on file sizes"
    return text[:1].lower() + text[1:]
