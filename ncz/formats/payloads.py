"""What a block holds beside what its coder is for: payloads by context mixing, or as they are."""

from __future__ import annotations

import functools

from ncz.codec import varint
from ncz.codec.coder import Coder
from ncz.codec.errors import FormatError, NczError
from ncz.models import contextmix

_LEVEL = 6


@functools.cache
def mixing() -> Coder:
    """The coder of such payloads."""
    return contextmix.coder(_LEVEL)


def packed(payload: bytes) -> bytes:
    """A size, and unless it is 0: whether it is coded, its coded size, and the bytes."""
    if not payload:
        return varint.encode(0)
    coded = mixing().encode(payload) if len(payload) > 8 else None
    how = coded is not None and len(coded) < len(payload)
    body = coded if how and coded is not None else payload
    return varint.encode(len(payload)) + bytes([how]) + varint.encode(len(body)) + body


def unpacked(coded: bytes, at: int, most: int, damaged: str) -> tuple[bytes, int]:
    """The payload that :func:`packed` wrote at `at`, and the place after it.

    Args:
        coded: of a block.
        at: where it stands.
        most: bytes that it may have.
        damaged: the sentence for one that breaks a rule.

    Raises:
        FormatError: it does.
        ValueError, varint.Incomplete: it is cut off within a number.
    """
    size, at = varint.decode(coded, at)
    if size == 0:
        return b"", at
    if size > most or at >= len(coded) or coded[at] > 1:
        raise FormatError(damaged)
    how = coded[at]
    body, at = varint.decode(coded, at + 1)
    if body > len(coded) - at or (not how and body != size):
        raise FormatError(damaged)
    part = coded[at : at + body]
    if not how:
        return part, at + body
    try:
        return mixing().decode(part, size), at + body
    except NczError as error:
        raise FormatError(f"{damaged}: {error}") from None
