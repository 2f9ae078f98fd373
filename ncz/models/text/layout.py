"""How a block of text is laid out: its runs, its streams, and the head that says so.

A *run* is a stretch of the block that is coded one way: with the language model, by contexts
alone, or apart from the text by the coder of bytes. Runs of the first two kinds, joined, are
the *text*; it is cut into streams.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ncz.codec import varint
from ncz.codec.errors import FormatError
from ncz.models.text.windows import MAX_STREAMS

KINDS = MODEL, CONTEXTS, BYTES = range(3)
MAX_RUNS = 1 << 18
"""Of a block: as many as pieces of 4 KiB in the largest one. It bounds what a head asks for."""


@dataclass(frozen=True)
class Run:
    """`length` bytes, at least 1, of one kind."""

    kind: int
    length: int


def pieces(raw: bytes, runs: Sequence[Run]) -> Iterator[tuple[Run, bytes]]:
    """Each run with its bytes of the block `raw`."""
    ends = itertools.accumulate(run.length for run in runs)
    return ((run, raw[end - run.length : end]) for run, end in zip(runs, ends, strict=True))


@dataclass(frozen=True)
class Layout:
    """What the head of a coded block says.

    Attributes:
        runs: the whole block, in order; neighbours differ in kind.
        ends: for each stream the byte of the text after its last.
    """

    runs: tuple[Run, ...]
    ends: tuple[int, ...]

    @property
    def text_size(self) -> int:
        """Bytes of text."""
        return sum(run.length for run in self.runs if run.kind != BYTES)

    def text_runs(self) -> list[tuple[int, int]]:
        """Start in the text and length of every run of contexts alone."""
        found, at = [], 0
        for run in self.runs:
            if run.kind == CONTEXTS:
                found.append((at, run.length))
            if run.kind != BYTES:
                at += run.length
        return found

    def is_text(self) -> np.ndarray:
        """bool[n]: which bytes of the block are text."""
        return np.repeat(
            [run.kind != BYTES for run in self.runs], [run.length for run in self.runs]
        )

    def pack(self) -> bytes:
        """The head's bytes. What the block's size implies is left out."""
        out = bytearray(varint.encode(len(self.ends)))
        plain = len(self.runs) == 1 and self.runs[0].kind == MODEL
        out += varint.encode(0 if plain else len(self.runs))
        if not plain:
            for run in self.runs:
                out += varint.encode(run.length * len(KINDS) + run.kind)
        for end, even in zip(self.ends, _even(self.text_size, len(self.ends)), strict=True):
            if even != self.text_size:
                out += varint.encode(end - even)
        return bytes(out)


def _even(size: int, streams: int) -> list[int]:
    return [size * (k + 1) // streams for k in range(streams)]


def parse(coded: bytes, raw_size: int) -> tuple[Layout, int]:
    """The layout at the start of `coded`, for a block of `raw_size`, and the head's size.

    Raises:
        FormatError: it breaks a rule, or ends too early.
    """
    try:
        count, at = varint.decode(coded, 0)
        if not 1 <= count <= MAX_STREAMS:
            raise ValueError(f"it has {count} streams")
        run_count, at = varint.decode(coded, at)
        if run_count > MAX_RUNS:
            raise ValueError(f"it has {run_count} runs")
        runs: list[Run] = []
        total = 0
        for _ in range(run_count):
            value, at = varint.decode(coded, at)
            run = Run(value % len(KINDS), value // len(KINDS))
            if run.length == 0 or (runs and runs[-1].kind == run.kind):
                raise ValueError("a run is empty or goes on with the kind before it")
            runs.append(run)
            total += run.length
            if total > raw_size:
                raise ValueError("its runs are longer than the block")
        if run_count == 0:
            runs, total = [Run(MODEL, raw_size)], raw_size
        if total != raw_size:
            raise ValueError(f"its runs are {total} bytes and the block has {raw_size}")
        size = sum(run.length for run in runs if run.kind != BYTES)
        ends: list[int] = []
        for even in _even(size, count):
            more = 0
            if even != size:
                more, at = varint.decode(coded, at)
            if even + more > size or (ends and even + more < ends[-1]):
                raise ValueError("a stream ends outside the text")
            ends.append(even + more)
    except varint.Incomplete:
        raise FormatError("the coded data ends in its head") from None
    except ValueError as error:
        raise FormatError(f"the head of the coded text is damaged: {error}") from None
    return Layout(tuple(runs), tuple(ends)), at


def cut(ends_of_tokens: np.ndarray, size: int, streams: int) -> tuple[int, ...]:
    """Where to end `streams` streams of a text of `size` bytes: after the next whole token."""
    found = []
    for even in _even(size, streams)[:-1]:
        at = int(np.searchsorted(ends_of_tokens, even))
        found.append(int(ends_of_tokens[at]) if at < ends_of_tokens.size else size)
    return (*found, size)
