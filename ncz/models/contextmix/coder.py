"""The context-mixing coder: any bytes, a block at a time.

Coded data: a byte of kind and flags; for binary blocks the row and cell lengths; then the
range coder's bytes. Everything else follows from the parameters (revision and preset) and
the block's raw size.
"""

from __future__ import annotations

import functools

import numpy as np

from ncz.codec.coder import CoderSpec
from ncz.codec.errors import FormatError, UnsupportedError
from ncz.codec.jit import compiling, prove
from ncz.codec.meter import metered
from ncz.models.contextmix import branches, detect, kernel, prior, state
from ncz.models.contextmix.detect import MAX_ROW, Content, content, looks_compressed
from ncz.models.contextmix.presets import PRESETS, REVISION

CODER_ID = 2
_ABSOLUTE = 0x80  # flag beside the kind
_BINARY_HEAD = 4  # bytes: kind, row (two), cell


class ContextMix:
    """A coder of one preset. Holds no state between blocks."""

    exact = True

    def __init__(self, preset: int) -> None:
        self._number = preset
        self._preset = PRESETS[preset]

    @property
    def name(self) -> str:
        """``contextmix-`` and the preset."""
        return f"contextmix-{self._number}"

    @property
    def spec(self) -> CoderSpec:
        """Two bytes of parameters: revision and preset."""
        return CoderSpec(CODER_ID, bytes((REVISION, self._number)))

    def encode(self, raw: bytes) -> bytes | None:
        """Coded bytes of a non-empty block, or None if they would not be fewer, or hardly."""
        _compile()
        if looks_compressed(raw):
            return None
        data = _writable(raw)
        found = content(data)
        if found.absolute:
            branches.to_absolute(data)
        head = _pack(found)
        out = np.empty(max(len(raw) - len(head), 0), np.uint8)
        model = self._fresh(found, len(raw))
        with metered(lambda: int(model.setup[kernel.AT]), len(raw), len(raw)):
            size = kernel.code_block(model, data, out, False)
        if size > out.size:
            return None
        return head + out[:size].tobytes()

    def decode(self, coded: bytes, raw_size: int) -> bytes:
        """The raw bytes of a block.

        Raises:
            FormatError: the head of the coded data says what this coder does not know.
        """
        found, head = _unpack(coded)
        _compile()
        data = np.zeros(raw_size, np.uint8)
        code = _writable(coded)[head:]
        model = self._fresh(found, raw_size)
        with metered(lambda: int(model.setup[kernel.AT]), raw_size, len(coded)):
            kernel.code_block(model, data, code, True)
        if found.absolute:
            branches.to_relative(data)
        return data.tobytes()

    def memory(self, raw_size: int) -> int:
        """Bytes of working memory for a block of `raw_size`."""
        most = max(state.size(self._preset, kind, raw_size) for kind in kernel.KINDS)
        return max(most, detect.memory(raw_size)) + 3 * raw_size

    def _fresh(self, found: Content, raw_size: int) -> kernel.Model:
        start = prior.for_kind(found.kind)
        return state.fresh(self._preset, found.kind, raw_size, found.row, found.cell, start)


_PROBE = bytes(range(48)) + b"ncz is exact; " * 4
_PROBE_CODED = (
    "ffd5c24a1b52582b6e226b08d9325c6f1f152d9efaf5cfbb86e3a52980aa1b4ab0a2fe8718db11f5d331"
    "f7f508fe877a6b60f49621925c3dfa2d28b2f1"
)


@functools.cache
def _compile() -> None:
    """Have everything compiled, or loaded from the cache, and see that it computes rightly.

    Raises:
        NczError: compiled code gives other bytes than it must, on this machine or because
            the compiler's cache holds what an older ncz left there.
    """
    with compiling("the context-mixing coder"):
        data = _writable(_PROBE)
        content(data)
        branches.to_absolute(data)
        branches.to_relative(data)
        model = state.fresh(PRESETS[min(PRESETS)], kernel.BINARY, data.size, 16, 4, None)
        code = np.zeros(data.size, np.uint8)
        size = kernel.code_block(model, data, code, False)
    prove("coder", code[:size].tobytes(), bytes.fromhex(_PROBE_CODED))


def coder(level: int) -> ContextMix:
    """The coder of an ncz level, 2 to 6."""
    return ContextMix(level)


def from_params(params: bytes) -> ContextMix:
    """The coder that a file's header asks for.

    Raises:
        UnsupportedError: another revision, or a preset this one does not have.
    """
    if len(params) != 2 or params[0] != REVISION or params[1] not in PRESETS:
        raise UnsupportedError(
            f"this file needs context mixing with parameters {params.hex()}, "
            f"and this ncz knows revision {REVISION} only; install a newer ncz"
        )
    return ContextMix(params[1])


def _writable(raw: bytes) -> np.ndarray:
    """uint8 array over a copy: read-only arrays would need machine code of their own."""
    return np.frombuffer(bytearray(raw), np.uint8)


def _pack(found: Content) -> bytes:
    first = found.kind | (_ABSOLUTE if found.absolute else 0)
    if found.kind == kernel.BINARY:
        return bytes((first, found.row & 0xFF, found.row >> 8, found.cell))
    return bytes((first,))


def _unpack(coded: bytes) -> tuple[Content, int]:
    if not coded:
        raise FormatError("the coded data is empty")
    kind = coded[0] & ~_ABSOLUTE
    absolute = coded[0] & _ABSOLUTE != 0
    if kind not in kernel.KINDS or (absolute and kind in (kernel.TEXT, kernel.BINARY)):
        raise FormatError(f"the coded data starts with {coded[0]}, which is no kind of block")
    if kind != kernel.BINARY:
        return Content(kind, absolute=absolute), 1
    if len(coded) < _BINARY_HEAD:
        raise FormatError("the coded data ends in its head")
    row, cell = coded[1] | coded[2] << 8, coded[3]
    if not (1 <= row <= MAX_ROW and 1 <= cell <= 8):
        raise FormatError(f"row length {row} or cell length {cell} is out of range")
    return Content(kind, row, cell), _BINARY_HEAD
