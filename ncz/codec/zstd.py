"""Zstandard as a coder: hundreds of megabytes a second, at the price of size.

Coded bytes are one Zstandard frame (RFC 8878) without dictionary, content size and checksum:
the block around it has both. Decoding allocates `raw_size` bytes and a small context.
"""

from __future__ import annotations

from functools import lru_cache

import zstandard

from ncz.codec.coder import CoderSpec
from ncz.codec.errors import FormatError, UnsupportedError

ID = 1

_FORMAT = zstandard.FORMAT_ZSTD1
_DECODER_BYTES = 1 << 20  # libzstd's decoding context is some 100 KiB; the output is its window


class Zstd:
    """One level of Zstandard, 1 to 22.

    >>> coder = Zstd(3)
    >>> coder.decode(coder.encode(b"abab" * 100), 400) == b"abab" * 100
    True
    """

    exact = True

    def __init__(self, level: int) -> None:
        if not 1 <= level <= 22:
            raise ValueError(f"Zstandard's levels are 1 to 22, not {level}")
        self.level = level

    @property
    def name(self) -> str:
        """The coder and its level."""
        return f"zstd-{self.level}"

    @property
    def spec(self) -> CoderSpec:
        """The level is for information: frames say what decoding needs."""
        return CoderSpec(ID, bytes([self.level]))

    def encode(self, raw: bytes) -> bytes:
        """One frame."""
        # A context is not safe to share between threads, and is cheap beside a block.
        compressor = zstandard.ZstdCompressor(level=self.level, write_content_size=False)
        return compressor.compress(raw)

    def decode(self, coded: bytes, raw_size: int) -> bytes:
        """What the frame holds; FormatError if that is not exactly `raw_size` bytes."""
        try:
            declared = zstandard.get_frame_parameters(coded).content_size
            if declared not in (raw_size, zstandard.CONTENTSIZE_UNKNOWN):
                raise FormatError("the Zstandard frame declares another size than the block")
            raw = zstandard.ZstdDecompressor().decompress(
                coded, max_output_size=raw_size, allow_extra_data=False
            )
        except zstandard.ZstdError as error:
            raise FormatError(f"not a valid Zstandard frame: {error}") from None
        if len(raw) != raw_size:
            raise FormatError("the Zstandard frame holds fewer bytes than the block")
        return raw

    def memory(self, raw_size: int) -> int:
        """Bytes that compressing takes; decompressing takes less."""
        return _context_size(self.level, raw_size) + _DECODER_BYTES


def from_params(params: bytes) -> Zstd:
    """The coder of a file's header.

    Raises:
        UnsupportedError: the parameters are not one byte from 1 to 22.
    """
    if len(params) != 1 or not 1 <= params[0] <= 22:
        raise UnsupportedError("this file's zstd coder has parameters that this ncz does not know")
    return Zstd(params[0])


@lru_cache
def _context_size(level: int, raw_size: int) -> int:
    parameters = zstandard.ZstdCompressionParameters.from_level(level, source_size=raw_size)
    return parameters.estimated_compression_context_size()
