"""Which layout a file's bytes call for, told from its first ones, or why there is none.

A name is a hint and decides nothing: what is recognised is what the bytes say.
"""

from __future__ import annotations

from ncz.formats.records import fixed, heads, learning
from ncz.formats.records.layout import Layout

LEARNED = 1 << 24
"""Bytes that tables are learned from."""


def detect(data: bytes, name: str = "", ordered: bool = True) -> tuple[Layout | None, str]:
    """The layout of a file that starts with `data`, and what it is; or None, and why not.

    Args:
        data: its first bytes; a megabyte says all there is to say, some kilobytes do for arrays
            and pictures.
        name: its name, for what is said of it.
        ordered: what is to be coded follows it, and is not drawn from among its lines (see
            :func:`~ncz.formats.records.choosing.choose`).
    """
    what = name or "this"
    try:
        head = heads.parse(data)
        pixels = fixed.of(head)
        return pixels, f"{what} is {head.what}, records of {len(pixels.variables)} numbers"
    except heads.NoHead as error:
        why = str(error)
        if error.known:
            return None, f"{what} is no file of records: {why}"
    try:
        table = learning.learn(data[:LEARNED], ordered)
    except learning.NoTable as error:
        return None, f"{what} is no file of records: {why}, and {error}"
    return table, f"{what} is a table of {len(table.columns)} columns"
