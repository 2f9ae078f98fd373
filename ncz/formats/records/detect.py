"""Which layout a file's bytes call for, told from its first ones, or why there is none.

A name is a hint and decides nothing: what is recognised is what the bytes say.
"""

from __future__ import annotations

from ncz.formats.records import fixed, heads
from ncz.formats.records.layout import Layout


def detect(data: bytes, name: str = "") -> tuple[Layout | None, str]:
    """The layout of a file that starts with `data`, and what it is; or None, and why not.

    Args:
        data: its first bytes; a megabyte says all there is to say, some kilobytes do for arrays
            and pictures.
        name: its name, for what is said of it.
    """
    what = name or "this"
    try:
        head = heads.parse(data)
        found = fixed.of(head)
    except heads.NoHead as error:
        return None, f"{what} is no file of records: {error}"
    return found, f"{what} is {head.what}, records of {len(found.variables)} numbers"
