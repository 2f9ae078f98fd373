"""The errors of ncz. Every one says what is wrong and what to do about it.

All of them are :class:`NczError`, so one ``except`` catches the family, and a
programming error (``TypeError``, ``ValueError`` for bad arguments) stays outside.
"""

from __future__ import annotations

from typing import Any


class NczError(Exception):
    """Base of everything that ncz raises about data, files and machines."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as it is, whatever the constructor of a subclass takes."""
        return _again, (type(self), self.args, self.__dict__)


def _again(kind: type[NczError], args: tuple[Any, ...], state: dict[str, Any]) -> NczError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class FormatError(NczError):
    """The data is not an .ncz file, or breaks the format where no block can be named."""


class UnsupportedError(FormatError):
    """A well-formed file that needs a newer ncz, or a coder this build does not know."""


class TruncatedError(FormatError):
    """The data ends before the member's tail."""


class CorruptBlock(FormatError):
    """One block is damaged; the others may be whole.

    Attributes:
        index: number of the block in the file, from 0.
        offset: offset of the block's section in the file, in bytes.
        raw_start: offset in the content of the block's first byte, or None if unknown.
        raw_end: offset in the content just past its last byte, or None if unknown.
        reason: what does not hold, in a few words.
    """

    def __init__(
        self,
        index: int,
        offset: int,
        raw_start: int | None,
        raw_end: int | None,
        reason: str,
    ) -> None:
        self.index = index
        self.offset = offset
        self.raw_start = raw_start
        self.raw_end = raw_end
        self.reason = reason
        where = (
            f"content bytes {raw_start} to {raw_end}"
            if raw_start is not None and raw_end is not None
            else "content range unknown"
        )
        super().__init__(f"block {index} at offset {offset} is damaged ({where}): {reason}")


class DoesNotFit(NczError):
    """What an earlier run has left cannot be gone on with: it is not what this one would write."""


class NoRecords(NczError):
    """The data holds no records that a model could learn from."""


class PictureError(NczError):
    """A file is no picture that can be read, is broken, or cannot be what was asked for."""


class ModelMissing(NczError):
    """The file, or what is to be made, needs a model that this machine does not have.

    Attributes:
        digest: SHA-256 of the model, in hex; empty if any model of that name would do.
        name: the name the file gives it.
        advice: what is wrong with the one that is here, if any, and how to get it.
    """

    def __init__(self, digest: str, name: str, advice: str = "", who: str = "this file") -> None:
        self.digest = digest
        self.name = name
        self.advice = advice
        needed = f"{who} needs the model {name!r}"
        if digest:
            needed += f" with SHA-256 {digest}"
        super().__init__(f"{needed}; {advice}" if advice else needed)


class ModelError(NczError):
    """A model's file is damaged, or is of a kind that nothing here can run."""


class MemoryLimitError(NczError):
    """The work would need more memory than the limit allows.

    Attributes:
        needed: bytes the work needs.
        limit: bytes allowed.
    """

    def __init__(self, needed: int, limit: int) -> None:
        self.needed = needed
        self.limit = limit
        super().__init__(
            f"needs {-(-needed // 2**20)} MiB of memory and the limit is {limit // 2**20} MiB; "
            "raise the limit or use fewer threads"
        )


class OutputLimitError(NczError):
    """The content is larger than the limit allows.

    Attributes:
        limit: bytes allowed.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(
            f"the content is larger than the limit of {limit} bytes; raise the limit if you trust "
            "where the file comes from"
        )


class MissingExtra(NczError):
    """An optional dependency is not installed."""

    def __init__(self, extra: str, what: str) -> None:
        self.extra = extra
        super().__init__(f"{what} needs an optional package: pip install 'ncz[{extra}]'")
