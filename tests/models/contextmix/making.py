"""Blocks through the engine alone, and data of each kind."""

from __future__ import annotations

import numpy as np

from ncz.models.contextmix import binary, kernel, machine, state, textual
from ncz.models.contextmix.presets import PRESETS
from ncz.models.contextmix.prior import Prior
from tests.golden.make import machine_code, noise, records, text

__all__ = [
    "PNG_LIKE",
    "SHORT",
    "Reader",
    "array",
    "decode",
    "encode",
    "machine_code",
    "noise",
    "read",
    "records",
    "text",
]

SHORT = (
    b"",
    b"a",
    bytes(70),
    b"\xff" * 40,
    b"one two one two one two three",
    b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00\x3e\x00",
    bytes(range(256)),
)
"""Contents with something about them."""

PNG_LIKE = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x02\x00\x00\x00\x02\x00\x08\x02" + noise(
    80_000
)
"""A short head and then bytes that are compressed already."""


def array(raw: bytes) -> np.ndarray:
    """A uint8 array that may be written to, as the compiled code wants it."""
    return np.frombuffer(bytearray(raw), np.uint8)


def encode(
    raw: bytes, kind: int, preset: int, row: int = 1, cell: int = 1, start: Prior | None = None
) -> bytes:
    """What the engine makes of a block, without the coder's head."""
    model = state.fresh(PRESETS[preset], kind, len(raw), row, cell, start)
    out = np.empty(2 * len(raw) + 16, np.uint8)
    return out[: kernel.code_block(model, array(raw), out, False)].tobytes()


def decode(
    code: bytes,
    size: int,
    kind: int,
    preset: int,
    row: int = 1,
    cell: int = 1,
    start: Prior | None = None,
) -> bytes:
    """The inverse of :func:`encode`."""
    model = state.fresh(PRESETS[preset], kind, size, row, cell, start)
    data = np.zeros(size, np.uint8)
    kernel.code_block(model, data, array(code), True)
    return data.tobytes()


class Reader:
    """Walks over a block and computes each byte's contexts, as the kernel does."""

    def __init__(self, kind: int, row: int = 1, cell: int = 1) -> None:
        self.kind, self.row, self.cell = kind, row, cell
        self.history = np.zeros(64, np.int64)
        self._words = np.zeros(256, np.int64)
        self._after = np.zeros(256, np.int64), np.zeros(65536, np.int64)
        self.contexts = np.zeros(kernel.CONTEXTS, np.int64)
        self.select = np.zeros(kernel.SETS, np.int64)

    def at(self, data: np.ndarray, pos: int) -> Reader:
        """Move on to `pos`; every position has its turn, in order."""
        kernel.see(data, pos, self.history, *self._after)
        if self.kind == kernel.TEXT:
            textual.contexts(
                data, pos, self.history, self._words, *self._after, self.contexts, self.select
            )
        elif self.kind == kernel.BINARY:
            binary.contexts(
                data,
                pos,
                self.history,
                self.row,
                self.cell,
                *self._after,
                self.contexts,
                self.select,
            )
        else:
            wide = self.kind == kernel.MACHINE64
            machine.contexts(
                data, pos, self.history, wide, self._after[1], self.contexts, self.select
            )
        return self


def read(raw: bytes, kind: int, row: int = 1, cell: int = 1) -> Reader:
    """The contexts of the byte that would follow `raw`."""
    data = array(raw + b"\0")
    reader = Reader(kind, row, cell)
    for pos in range(data.size):
        reader.at(data, pos)
    return reader
