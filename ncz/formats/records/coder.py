"""The coder of records: a layout takes them out of a block, a circuit codes them.

What the layout could not put into rows, texts and what is out of form, is coded by context mixing.
The circuit is one that the header names, or stands in the block itself: small circuits are worth
their bytes, and a file with one needs nothing else.

A block's head says how many records it has, and its rows are coded in groups, so any record can be
had without the others.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ncz.codec import varint
from ncz.codec.coder import CoderSpec, ModelRef
from ncz.codec.errors import FormatError, ModelError, UnsupportedError
from ncz.formats import payloads, records, sections
from ncz.formats.records.layout import ESCAPE, Layout, Records, Split, Variable
from ncz.models.circuit import exact, files, rows
from ncz.models.circuit.exact import Circuit

WITHIN, NAMED = 5, 6
"""Numbers of the coder in a header: with the circuit in each block, and by the header's model."""

REVISION = 1
_GROUP_BYTES = 1500  # coded; the end of a group costs one or two
_DAMAGED = "the head of a block of records is damaged"
_VALUES = 16  # of rows for each raw byte, at most
_REST = 2  # bytes of the rest for each raw byte, at most
_ANYWAY = 4096  # and so many of both, however short a block is


class RecordsCoder:
    """Codes records by a circuit.

    Args:
        model: the circuit, as a header names it; None if each block has its own.
        data: its file's bytes, for blocks that are to have it; decoders need none.
    """

    exact = True

    def __init__(self, model: ModelRef | None = None, data: bytes | None = None) -> None:
        self.model = model
        self.data = data

    @property
    def name(self) -> str:
        """How it is called."""
        return f"circuit {self.model.name}" if self.model else "circuit within"

    @property
    def spec(self) -> CoderSpec:
        """What a header says."""
        return CoderSpec(NAMED if self.model else WITHIN, bytes([REVISION]))

    def memory(self, raw_size: int) -> int:
        """Bytes of working memory."""
        if self.model is None and self.data is None:
            tables = 0  # what a block itself says is in memory_of
        else:
            circuit = self._circuit()
            tables = exact.memory_of(circuit.codes) + rows.memory(circuit, _group(circuit))
        return tables + _working_memory(raw_size, raw_size)

    def memory_of(self, coded: bytes, raw_size: int) -> int:
        """The same for a block, with the circuit in it and as many values as its head says.

        Raises:
            FormatError: its head is damaged.
        """
        data, _ = self._apart(coded)
        if self.model is not None:
            circuit = files.find(self.model)
            tables, variables = exact.memory_of(circuit.codes), len(circuit.codes.leaves)
            row = rows.memory(circuit, 1)
        else:
            tables = exact.memory_within(data)
            variables, row = exact.rows_within(data)
        count, group, _ = self._head(coded, raw_size)
        values = min(count * variables, _most(_VALUES, raw_size))
        at_work = min(group, count) * row
        return tables + at_work + _working_memory(raw_size, max(raw_size, values))

    def encode(self, raw: bytes) -> bytes | None:
        """Coded bytes, or None where these are not the records that the circuit is for."""
        circuit = self._circuit()
        layout = layout_of(circuit)
        split = layout.split(raw)
        odd = (split.values == ESCAPE).all(axis=1)
        if not len(split.values) or 2 * odd.sum() > len(odd):
            return None
        if split.values.size > _most(_VALUES, len(raw)):
            return None
        if sum(map(len, split.rest)) > _most(_REST, len(raw)):
            return None
        group = _group(circuit)
        out = bytearray(varint.encode(len(split.values)) + varint.encode(group))
        for payload in split.rest:
            out += payloads.packed(payload)
        try:
            out += rows.encode(circuit, _closed(split.values, layout.variables), group)
        except ValueError:
            return None  # values that the circuit's variables cannot have
        if len(out) > len(raw) + sections.MAX_GROWTH:
            return None
        return bytes(out) if self.data is None else self.around(bytes(out))

    def around(self, coded: bytes) -> bytes:
        """What this coder with the circuit within makes, from what its twin without it made."""
        assert self.data is not None, "only what encodes"
        return varint.encode(len(self.data)) + self.data + coded

    def decode(self, coded: bytes, raw_size: int) -> bytes:
        """The raw bytes.

        Raises:
            FormatError: the head is damaged, or the rows are none of this layout, or of another
                size.
        """
        opened = self.open(coded, raw_size)
        values = _opened(opened.rows.read(0, opened.rows.count), opened.layout.variables)
        raw = opened.layout.join(Split(values, opened.rest), limit=raw_size)
        if len(raw) != raw_size:
            raise FormatError(f"its records make {len(raw)} bytes, not {raw_size}")
        return raw

    def open(self, coded: bytes, raw_size: int) -> Opened:
        """A block whose records can be had one by one.

        Raises:
            FormatError: its head is damaged.
        """
        data, _ = self._apart(coded)
        circuit = self._circuit() if self.model is not None else _circuit(data)
        layout = layout_of(circuit)
        count, group, at = self._head(coded, raw_size)
        try:
            if count * len(layout.variables) > _most(_VALUES, raw_size):
                raise FormatError(_DAMAGED)
            rest: list[bytes] = []
            room = _most(_REST, raw_size)
            for _ in range(layout.payloads):
                payload, at = payloads.unpacked(coded, at, room, _DAMAGED)
                room -= len(payload)
                rest.append(payload)
        except (varint.Incomplete, ValueError):
            raise FormatError(_DAMAGED) from None
        return Opened(layout, tuple(rest), rows.opened(circuit, coded[at:], count, group))

    def count(self, coded: bytes, raw_size: int) -> int:
        """How many records a block has.

        Raises:
            FormatError: its head is damaged.
        """
        return self._head(coded, raw_size)[0]

    def _head(self, coded: bytes, raw_size: int) -> tuple[int, int, int]:
        """How many records a block has, how many are coded at once, and where the rest starts."""
        try:
            count, at = varint.decode(coded, self._apart(coded)[1])
            group, at = varint.decode(coded, at)
        except (varint.Incomplete, ValueError):
            raise FormatError(_DAMAGED) from None
        if not 1 <= count <= raw_size or not 1 <= group <= rows.MAX_GROUP:
            raise FormatError(_DAMAGED)
        return count, group, at

    def _apart(self, coded: bytes) -> tuple[bytes, int]:
        """The circuit in a block, empty if it is elsewhere, and where the rest starts."""
        if self.model is not None:
            return b"", 0
        try:
            size, at = varint.decode(coded)
        except (varint.Incomplete, ValueError):
            raise FormatError(_DAMAGED) from None
        if size > len(coded) - at:
            raise FormatError(_DAMAGED)
        return coded[at : at + size], at + size

    def _circuit(self) -> Circuit:
        if self.model is not None:
            return files.find(self.model)
        assert self.data is not None, "only what encodes"
        return _circuit(self.data)


@dataclass(frozen=True)
class Opened:
    """A block of records.

    Attributes:
        layout: how they were taken out.
        rest: what is not in rows.
        rows: coded rows.
    """

    layout: Layout
    rest: tuple[bytes, ...]
    rows: rows.Rows

    @functools.cached_property
    def _records(self) -> Records:
        return self.layout.open(self.rest)

    def record(self, number: int) -> bytes:
        """The raw bytes of a record, from 0.

        Raises:
            FormatError: the rows are none of this layout.
        """
        values = _opened(self.rows.read(number, number + 1), self.layout.variables)
        return self._records.record(number, values[0])


def from_spec(spec: CoderSpec, models: tuple[ModelRef, ...]) -> RecordsCoder:
    """The coder that a header means.

    Raises:
        UnsupportedError: this build does not know these parameters.
        FormatError: the header lists no model for it.
    """
    if spec.params != bytes([REVISION]):
        raise UnsupportedError(
            "this file's records are coded in a way that this ncz does not know; "
            "install a newer ncz"
        )
    if spec.id == WITHIN:
        return RecordsCoder()
    if not models:
        raise FormatError("the header names no circuit, and its coder needs one")
    return RecordsCoder(models[0])


def domains(variables: tuple[Variable, ...]) -> list[tuple[int, int]]:
    """For each variable the least value that a row may have, and how many from there on; 0 for all.

    A cell that is out of form takes the value above the highest.
    """
    return [
        (-(1 << 63), 0)
        if variable.low is None
        or variable.high is None
        or variable.high - variable.low >= (1 << 62)
        else (variable.low, variable.high - variable.low + 2)
        for variable in variables
    ]


def closed(values: NDArray[np.integer], variables: tuple[Variable, ...]) -> NDArray[np.int64]:
    """Values of a layout as the circuit has them: see :func:`domains`."""
    return _closed(values.astype(np.int64), variables)


def _circuit(data: bytes) -> Circuit:
    try:
        return files.ready(data)
    except ModelError as error:
        raise FormatError(str(error)) from None


def layout_of(circuit: Circuit) -> Layout:
    """The layout whose records a circuit was trained on.

    Raises:
        FormatError: it says none, or one with other variables.
    """
    return _layout(circuit.codes.notes.get("layout"), len(circuit.codes.leaves))


@functools.lru_cache(maxsize=8)
def _layout(packed: object, variables: int) -> Layout:
    try:
        layout = records.unpack(bytes.fromhex(packed if isinstance(packed, str) else "?"))
    except ValueError:
        raise FormatError("this circuit does not say what its records are") from None
    if len(layout.variables) != variables:
        raise FormatError("this circuit is not for the records that it says")
    return layout


def _group(circuit: Circuit) -> int:
    bits = circuit.codes.notes.get("bits")
    if not isinstance(bits, (int, float)) or not bits > 0:
        return 16
    return int(min(rows.MAX_GROUP, max(1, _GROUP_BYTES * 8 // bits)))


def _closed(values: NDArray[np.int64], variables: tuple[Variable, ...]) -> NDArray[np.int64]:
    return _exchanged(values, variables, True)


def _opened(values: NDArray[np.int64], variables: tuple[Variable, ...]) -> NDArray[np.int64]:
    return _exchanged(values, variables, False)


def _exchanged(
    values: NDArray[np.int64], variables: tuple[Variable, ...], close: bool
) -> NDArray[np.int64]:
    """With the value of cells out of form as it is in rows, or as it is for the layout."""
    tops = np.array(
        [ESCAPE if not count else low + count - 1 for low, count in domains(variables)], np.int64
    )
    old, new = (ESCAPE, tops) if close else (tops, ESCAPE)
    return np.where(values == old, new, values)


def _most(each: int, raw_size: int) -> int:
    return each * raw_size + _ANYWAY


def _working_memory(raw_size: int, values: int) -> int:
    # Values, symbols and what is beyond them, 8 bytes each, and copies.
    return 40 * values + payloads.mixing().memory(_most(_REST, raw_size))
