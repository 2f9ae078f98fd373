"""The coder that does nothing: for bytes that no coder makes smaller."""

from __future__ import annotations

from ncz.codec.coder import CoderSpec
from ncz.codec.errors import FormatError

ID = 0


class Store:
    """Coded bytes are the raw bytes."""

    exact = True
    name = "store"
    spec = CoderSpec(ID)

    def encode(self, raw: bytes) -> bytes:
        """The block as it is."""
        return raw

    def decode(self, coded: bytes, raw_size: int) -> bytes:
        """The block as it is; FormatError if the sizes differ."""
        if len(coded) != raw_size:
            raise FormatError("a stored block has another size coded than raw")
        return coded

    def memory(self, raw_size: int) -> int:
        """None to speak of."""
        return 0
