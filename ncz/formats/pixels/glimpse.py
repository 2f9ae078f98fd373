"""Squares of a picture, which stand for it where coding all of it would take long."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ncz.formats.pixels import png, raster

_PARTS, _PART = 4, 64
"""How many squares on a side, and how many pixels on a side of each."""


@dataclass(frozen=True)
class Glimpse:
    """A part of a picture.

    Attributes:
        part: a PAM file with some of its pixels.
        times: how many times as many samples the whole has.
        beside: bytes that the whole takes beside them, about.
    """

    part: bytes
    times: float
    beside: int


def glimpse(raw: bytes, size: int) -> Glimpse | None:
    """Squares spread evenly over the picture in a file, side by side.

    Args:
        raw: the file, or how it starts.
        size: bytes of the whole file.

    Returns:
        None where it is none that the coder of pictures codes by its pixels.
    """
    if raw.startswith(png.SIGNATURE):
        if len(raw) != size:
            return None  # its stream has to be there as a whole
        try:
            apart = png.take(raw, png.room(size))
        except png.NotApart:
            return None
        where, content, height = apart.raster, apart.rows.reshape(-1), apart.raster.height
        beside = len(apart.rest) + len(apart.record or b"")
    else:
        found, said = raster.find(raw), raster.said(raw)
        if found is None or said is None:
            return None
        where, content, height = found, np.frombuffer(raw, np.uint8), said.height
        beside = size - said.row * said.height
        if beside < 0:
            return None
    samples, _ = where.take(content)
    deep = where.dtype > 0
    rows, columns = _spread(where.height), _spread(where.width)
    part = samples[np.ix_(rows, columns)].astype(">u2" if deep else "u1")
    head = raster.pam(len(columns), len(rows), where.channels, deep)
    times = where.width * height / (len(columns) * len(rows))
    return Glimpse(head + part.tobytes(), times, beside)


def _spread(side: int) -> NDArray[np.intp]:
    """Which of `side` rows or columns: all, or parts evenly spread.

    They start at even ones: where one colour is for four pixels, it is for the same four.
    """
    if side <= _PARTS * _PART:
        return np.arange(side)
    starts = [
        (side * (2 * part + 1) // (2 * _PARTS) - _PART // 2) // 2 * 2 for part in range(_PARTS)
    ]
    return (np.array(starts)[:, None] + np.arange(_PART)).reshape(-1)
