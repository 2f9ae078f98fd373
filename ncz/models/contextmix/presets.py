"""What a preset is made of: the contexts and weight sets in use, and how much memory.

A preset is part of the format: what it means never changes once released. A better one
gets a new revision.
"""

from __future__ import annotations

from dataclasses import dataclass

from ncz.models.contextmix.kernel import BINARY, MACHINE32, MACHINE64, TEXT

REVISION = 1
"""The revision this code writes and reads: the first byte of the coder's parameters."""


@dataclass(frozen=True)
class Preset:
    """One trade of speed for size.

    Attributes:
        number: its number in files, which is the level that uses it.
        text, binary, machine: the contexts in use, by kind, as numbered in their modules.
        sets: the mixer's weight sets in use, as numbered in the kernel.
        least_line_bits, line_bits: the fewest and the most lines of bit histories, as powers
            of two; a line is 16 bytes.
    """

    number: int
    text: tuple[int, ...]
    binary: tuple[int, ...]
    machine: tuple[int, ...]
    sets: tuple[int, ...]
    least_line_bits: int
    line_bits: int

    def contexts(self, kind: int) -> tuple[int, ...]:
        """The contexts in use for blocks of `kind`."""
        return {
            TEXT: self.text,
            BINARY: self.binary,
            MACHINE32: self.machine,
            MACHINE64: self.machine,
        }[kind]

    def lines(self, kind: int, raw_size: int) -> int:
        """log2 of the lines for a block of `raw_size` bytes: about one for two lookups."""
        wanted = raw_size * len(self.contexts(kind)) // 2
        return min(max(wanted.bit_length(), self.least_line_bits), self.line_bits)


def matches(raw_size: int) -> int:
    """log2 of the slots of the match models' tables for a block of `raw_size` bytes."""
    return min(max(raw_size.bit_length(), 12), 22)


PRESETS: dict[int, Preset] = {
    2: Preset(
        number=2,
        text=(0, 1, 2, 3, 5, 7),
        binary=(0, 1, 2, 3, 17, 18),
        machine=(0, 1, 2, 3, 14, 17),
        sets=(1,),
        least_line_bits=18,
        line_bits=21,
    ),
    3: Preset(
        number=3,
        text=(0, 1, 2, 3, 5, 7, 8, 21),
        binary=(0, 1, 2, 3, 15, 17, 18, 20),
        machine=(0, 1, 2, 3, 8, 14, 16, 18),
        sets=(1, 2),
        least_line_bits=19,
        line_bits=22,
    ),
    4: Preset(
        number=4,
        text=(0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 15, 19, 21, 23),
        binary=(0, 1, 2, 3, 4, 8, 11, 14, 15, 17, 18, 20, 22, 24),
        machine=(0, 1, 2, 3, 4, 8, 10, 14, 16, 17, 18, 20, 22, 24),
        sets=(0, 1, 2, 4, 5),
        least_line_bits=20,
        line_bits=22,
    ),
    5: Preset(
        number=5,
        text=(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 15, 17, 19, 20, 21, 22, 23),
        binary=(0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 13, 14, 15, 17, 18, 19, 20, 21, 22, 24),
        machine=(0, 1, 2, 3, 4, 5, 8, 9, 10, 13, 14, 16, 17, 18, 19, 20, 21, 22, 24, 28),
        sets=(0, 1, 2, 4, 5, 7),
        least_line_bits=21,
        line_bits=23,
    ),
    6: Preset(
        number=6,
        text=tuple(range(28)),
        binary=tuple(range(30)),
        machine=tuple(range(30)),
        sets=tuple(range(8)),
        least_line_bits=21,
        line_bits=24,
    ),
}
"""Presets by number, which is the level that uses them."""
