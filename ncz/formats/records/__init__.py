"""Records taken out of bytes, as rows of integers, and put back byte for byte.

A model of records (sensor readings, rows of a table, small images) sees a matrix of integers. A
*layout* says how bytes become such a matrix and back; it takes apart any bytes, and what is not in
its form it hands on as it is. No model is known here.
"""

from __future__ import annotations

from collections.abc import Callable

from ncz.codec.errors import FormatError, UnsupportedError
from ncz.formats.records import fixed, table
from ncz.formats.records.detect import detect as detect
from ncz.formats.records.layout import ESCAPE as ESCAPE
from ncz.formats.records.layout import MAX_PACKED
from ncz.formats.records.layout import Layout as Layout
from ncz.formats.records.layout import Records as Records
from ncz.formats.records.layout import Split as Split
from ncz.formats.records.layout import Variable as Variable
from ncz.formats.records.packing import Cursor

_KINDS: dict[int, Callable[[Cursor], Layout]] = {
    fixed.KIND: fixed.unpack,
    table.KIND: table.unpack,
}


def unpack(data: bytes) -> Layout:
    """The layout that was packed into `data`.

    Raises:
        UnsupportedError: it is of a kind that a newer ncz knows.
        FormatError: it breaks the form, or a bound.
    """
    if len(data) > MAX_PACKED:
        raise FormatError(f"a packed layout has {len(data)} bytes, and may have {MAX_PACKED}")
    cursor = Cursor(data)
    kind = cursor.take(1, "its kind")[0]
    if kind not in _KINDS:
        raise UnsupportedError(
            f"a layout of records is of kind {kind}, which this ncz does not know; install a "
            "newer ncz"
        )
    found = _KINDS[kind](cursor)
    cursor.done()
    return found
