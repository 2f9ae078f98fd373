"""A coder that computes wrongly, here or in the processes that are told to."""

from __future__ import annotations

from ncz.codec.zstd import Zstd

MARK = b"this block is coded wrongly"
_encode = Zstd.encode


def encode(self: Zstd, raw: bytes) -> bytes:
    """What Zstandard makes of other bytes, where the block holds the mark."""
    return _encode(self, raw.replace(MARK, MARK[::-1]))


def spoil() -> None:
    """For as long as the process lives."""
    Zstd.encode = encode  # type: ignore[method-assign]
