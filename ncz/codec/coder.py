"""What every coder is: a pure function from raw bytes to coded bytes, and its inverse.

A coder knows nothing of files. It is made from a :class:`CoderSpec`, the few bytes that
stand in the header of a file, so that decoding depends on nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_LONGEST_NAME = 255  # bytes, in a header


@dataclass(frozen=True)
class ModelRef:
    """A model that a coder needs.

    Attributes:
        digest: SHA-256 of the model; this decides.
        name: what messages call it.
    """

    digest: bytes
    name: str

    @classmethod
    def of_file(cls, digest: bytes, path: Path) -> ModelRef:
        """A model that is called by its file's name, cut to what a header holds."""
        name = path.stem.encode(errors="replace")[:_LONGEST_NAME].decode(errors="ignore")
        return cls(digest, name)


@dataclass(frozen=True)
class CoderSpec:
    """What a file's header says of a coder.

    Attributes:
        id: the coder's number in the format specification.
        params: its parameters, at most 4,096 bytes.
    """

    id: int
    params: bytes = b""


class Coder(Protocol):
    """Turns one block into coded bytes and back. Safe to call from several threads at once.

    Attributes:
        exact: whether every machine computes the same, whatever it is. Where not, what was encoded
            is decoded before it is believed, unless the user says otherwise.
    """

    exact: bool

    @property
    def name(self) -> str:
        """The name that ``ncz info`` shows, parameters included where they matter."""

    @property
    def spec(self) -> CoderSpec:
        """What to write in a header so that :func:`decode` can be had back."""

    def encode(self, raw: bytes) -> bytes | None:
        """Coded bytes of a non-empty block, or None where trying is a waste."""

    def decode(self, coded: bytes, raw_size: int) -> bytes:
        """The `raw_size` raw bytes. Any input terminates.

        Raises:
            FormatError: the coded bytes break the coder's own framing. Damage that breaks no
                rule yields wrong bytes, which the block's raw check catches.
        """

    def memory(self, raw_size: int) -> int:
        """Bytes of working memory that coding a block of `raw_size` takes, either way."""
