"""The coded data of a block of text: its head, the coded text, and what is not text."""

from __future__ import annotations

import numpy as np

from ncz.codec import varint
from ncz.codec.errors import FormatError
from ncz.models import contextmix
from ncz.models.text import layout
from ncz.models.text.layout import Layout

BYTES_LEVEL = 6
"""The level of context mixing that codes what is not text."""

_STORED, _MIXED = range(2)  # first byte of what is not text


def pack(found: Layout, text: bytes, other: bytes) -> bytes:
    """Coded data.

    Args:
        found: how the block is laid out.
        text: the range coder's bytes of the text.
        other: the raw bytes of what is not text.
    """
    head = found.pack()
    if not other:
        return head + text
    mixed = contextmix.coder(BYTES_LEVEL).encode(other)
    if mixed is None or len(mixed) >= len(other):
        coded = bytes([_STORED]) + other
    else:
        coded = bytes([_MIXED]) + mixed
    return head + varint.encode(len(text)) + text + coded


def split(coded: bytes, raw_size: int) -> tuple[Layout, bytes, bytes]:
    """Layout, the range coder's bytes, and the coded rest of a block of `raw_size`.

    Raises:
        FormatError: the coded data breaks the framing.
    """
    found, at = layout.parse(coded, raw_size)
    end = len(coded)
    if found.text_size < raw_size:
        try:
            size, at = varint.decode(coded, at)
        except (varint.Incomplete, ValueError):
            raise FormatError("the coded data ends in its head") from None
        end = at + size
        if end >= len(coded):
            raise FormatError("the coded text is longer than the block")
    return found, coded[at:end], coded[end:]


def join(found: Layout, text: np.ndarray, other: bytes) -> bytes:
    """The raw bytes of a block, from its text, uint8[n], and the coded rest.

    Raises:
        FormatError: the rest breaks the framing.
    """
    if not other:
        return text.tobytes()
    is_text = found.is_text()
    out = np.empty(is_text.size, np.uint8)
    out[is_text] = text
    out[~is_text] = np.frombuffer(_decode_other(other, is_text.size - text.size), np.uint8)
    return out.tobytes()


def _decode_other(coded: bytes, size: int) -> bytes:
    if coded[0] == _STORED:
        if len(coded) != size + 1:
            raise FormatError("what is not text has another size than the head says")
        return coded[1:]
    if coded[0] == _MIXED:
        return contextmix.coder(BYTES_LEVEL).decode(coded[1:], size)
    raise FormatError(f"what is not text starts with {coded[0]}, which is no way to code it")
