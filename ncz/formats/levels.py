"""What a level means: the coders to choose from, and how much goes into a block.

A level is the encoder's affair alone. Everything the decoder needs is in the file.
"""

from __future__ import annotations

from dataclasses import dataclass

from ncz.codec.coder import Coder
from ncz.formats import coders

LEVELS = range(1, 10)
DEFAULT = 6

_MIXING_LEVELS = range(2, 7)  # above: reserved for language models, which are not here yet
_ZSTD_LEVEL = 3
_MIB = 1 << 20


@dataclass(frozen=True)
class Plan:
    """How to code a stream.

    Attributes:
        coders: what a block may be coded by, as listed in the header; the first one stores.
        block_size: raw bytes of every block but the last, 1 to 2^30.
    """

    coders: tuple[Coder, ...]
    block_size: int

    @property
    def memory(self) -> int:
        """Bytes of working memory for one block."""
        return max(coder.memory(self.block_size) for coder in self.coders)


def plan(level: int, block_size: int | None = None) -> Plan:
    """The plan of `level`, 1 to 9, with another block size where one is given.

    Raises:
        ValueError: there is no such level.
    """
    if level not in LEVELS:
        raise ValueError(f"levels are 1 to 9, not {level}")
    if level == 1:
        coder = coders.zstd(_ZSTD_LEVEL)
    else:
        coder = coders.contextmix(min(level, _MIXING_LEVELS[-1]))
    size = block_size or (8 * _MIB if level <= 4 else 16 * _MIB)
    return Plan((coders.store(), coder), size)


def encode(plan: Plan, raw: bytes) -> tuple[int, bytes]:
    """The index in ``plan.coders`` of the coder that was chosen for a block, and the coded bytes.

    Coded bytes are never longer than `raw`.
    """
    coded = plan.coders[1].encode(raw)
    if coded is not None and len(coded) < len(raw):
        return 1, coded
    return 0, raw
