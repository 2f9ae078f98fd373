"""Small .ncz files of every shape, to be damaged: each level, blocks, members, nothing at all."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import ncz
from ncz.corpora.damage import parts
from ncz.formats import sections


@dataclass(frozen=True)
class Shape:
    """A file to damage.

    Attributes:
        name: what is special about it.
        content: what it holds.
        coded: the file.
        slow: its coders take long, so that not every byte is flipped.
        inner: if it holds an .ncz file, what that holds.
    """

    name: str
    content: bytes
    coded: bytes
    slow: bool = False
    inner: bytes = b""


def shapes(seed: int, levels: Sequence[int] = range(1, 7)) -> Iterator[Shape]:
    """Small files: each level; one block and several, members, sections to skip, nothing at all.

    Raises:
        ModelMissing: there is a level among `levels` whose model is not here.
    """
    chance = random.Random(seed)
    words = [bytes(chance.choices(b"etaoinshrdlu", k=chance.randint(2, 8))) for _ in range(40)]

    def text(size: int) -> bytes:
        return b" ".join(chance.choices(words, k=size))[:size]

    one = partial(ncz.compress, block_size=1024)
    for level in levels:
        raw = text(200 if level > 6 else 2500 if level < 4 else 1200)
        yield Shape(f"level {level}", raw, one(raw, level), level > 1)
    noise, plain = chance.randbytes(1500), text(1200)
    yield Shape("stored", noise, one(noise, 1))
    yield Shape("empty", b"", one(b"", 1))
    yield Shape("one byte", b"x", one(b"x", 1))
    yield Shape("repeated", bytes(3000), one(bytes(3000), 1))
    several = plain + b"second" + noise
    yield Shape("members", several, one(plain, 1) + one(b"second", 1) + one(b"", 1) + one(noise, 1))
    note = chance.randbytes(20)
    yield Shape("skippable", plain, with_notes(one(plain, 1), note))
    inner = one(noise[:600], 1)
    yield Shape("in itself", inner, one(inner, 1), inner=noise[:600])


def with_notes(coded: bytes, body: bytes, type_: int = 0x80) -> bytes:
    """A file of one member, the same with a skippable section before each block and the tail."""
    head, *blocks, tail = parts(coded)
    out, entries, end = coded[: head.end], b"", 0
    for block in blocks:
        assert block.head is not None
        out += sections.pack_body(len(out), type_, body)
        section = sections.pack_block(len(out), block.head, coded[block.body : block.end])
        entry = sections.Entry(len(out) - end, len(section), 0, block.head.raw_size)
        entries += sections.pack_entry(entry)
        out += section
        end = len(out)
    out += sections.pack_body(len(out), type_, body)
    check = int.from_bytes(coded[tail.end - 12 : tail.end - 4], "little")
    return out + sections.pack_tail(len(out), entries, len(blocks), len(out) - end, check)
