"""How the codes of a block are told: by what zlib would make of its tokens, and how they differ."""

from __future__ import annotations

import numpy as np

from ncz.codec.jit import lean
from ncz.formats.pixels import huffman, inflate
from ncz.formats.pixels.decisions import Decisions, code_bit, code_tree
from ncz.formats.pixels.huffman import DISTANCES, END, LENGTHS, LITERALS
from ncz.formats.pixels.inflate import COUNT, FARS, LITS, RUNS, SENT, Block

# Chances, from a base on.
_SIZES = 0  # three numbers: whether they are as guessed, and trees
_SAME = 128  # by the guess, and whether the one before was so
_LENGTH = 256  # by the guess
_RUN = 512  # by what is repeated, and how often
_RUN_TREE = 640
_COPIED = 1152
_TOLD = 1160  # by the guess
_TOLD_TREE = 1176
CHANCES = 1408


@lean
def tally(b: Block) -> None:
    """How often each symbol occurs: into work[0], and distances into work[1]."""
    freq, far = b.work[0], b.work[1]
    freq[:] = 0
    far[:] = 0
    for i in range(b.head[COUNT]):
        literal = np.int64(b.tokens[i]) & 0xFFFF
        distance = np.int64(b.tokens[i]) >> 16
        if distance == 0:
            freq[literal] += 1
        else:
            freq[huffman.CODE_OF_LENGTH[literal] + 257] += 1
            far[huffman.distance_code(distance - 1)] += 1
    freq[END] = 1


@lean
def code_head(d: Decisions, base: int, b: Block, crossing: int) -> bool:
    """Code the codes of a dynamic block whose tokens are known. Whether there are such.

    Args:
        d: the coder.
        base: the first of CHANCES chances.
        b: the block.
        crossing: whether runs go on from literals to distances.
    """
    tally(b)
    head = b.head
    lens, far_lens, codes = b.work[2], b.work[3], b.work[4]
    lens[:] = 0
    far_lens[:] = 0
    last = huffman.build(b.work[0], LITERALS, 15, lens, codes, b.work[10:14])
    far_last = huffman.build(b.work[1], DISTANCES, 15, far_lens, codes, b.work[10:14])
    head[LITS] = _size(d, base + _SIZES, 5, head[LITS] - 257, last - 256) + 257
    head[FARS] = _size(d, base + _SIZES + 33, 5, head[FARS] - 1, far_last) + 1
    if head[LITS] > LITERALS or head[FARS] > DISTANCES:
        return False
    _lens(d, base, b.lens, lens, head[LITS])
    _lens(d, base, b.far_lens, far_lens, head[FARS])
    if not _runs(d, base, b, crossing):
        return False
    freq = b.work[0]
    freq[:] = 0
    for i in range(head[RUNS]):
        freq[b.runs[i, 0]] += 1
    lens[:] = 0
    huffman.build(freq, LENGTHS, 7, lens, codes, b.work[10:14])
    for i in range(LENGTHS):
        known = lens[i]
        if code_bit(d, base + _TOLD + known, np.int64(b.run_lens[i] == known)) != 0:
            b.run_lens[i] = known
        else:
            at = base + _TOLD_TREE + known * 8
            b.run_lens[i] = code_tree(d, at, 3, b.run_lens[i])
    sent = np.int64(LENGTHS - 1)
    while sent >= 4 and b.run_lens[huffman.ORDER[sent]] == 0:
        sent -= 1
    head[SENT] = _size(d, base + _SIZES + 66, 4, head[SENT] - 4, sent - 3) + 4
    return bool(head[SENT] <= LENGTHS)


@lean
def _size(d: Decisions, at: int, bits: int, value: int, guess: int) -> int:
    if code_bit(d, at, np.int64(value == guess)) != 0:
        return int(guess)
    return int(code_tree(d, at + 1, bits, value))


@lean
def _lens(d: Decisions, base: int, lens: np.ndarray, known: np.ndarray, count: int) -> None:
    """Lengths by those that are known; all behind `count` become 0."""
    before = np.int64(1)
    for i in range(lens.size):
        if i >= count:
            lens[i] = 0
            continue
        guess = known[i]
        before = code_bit(d, base + _SAME + 2 * guess + before, np.int64(lens[i] == guess))
        if before != 0:
            lens[i] = guess
        else:
            lens[i] = code_tree(d, base + _LENGTH + 16 * guess, 4, lens[i])


@lean
def _runs(d: Decisions, base: int, b: Block, crossing: int) -> bool:
    """Runs of the lengths, which are known."""
    head = b.head
    both = b.work[5]
    total = head[LITS] + head[FARS]
    for i in range(head[LITS]):
        both[i] = b.lens[i]
    for i in range(head[FARS]):
        both[head[LITS] + i] = b.far_lens[i]
    at = np.int64(0)
    n = np.int64(0)
    while at < total:
        value = both[at]
        room = np.int64(1)
        while at + room < total and both[at + room] == value and room < 138:
            room += 1
        near = room
        if crossing == 0 and at < head[LITS]:
            near = min(room, head[LITS] - at)
        fresh = at == 0 or (crossing == 0 and at == head[LITS])
        again = not fresh and both[at - 1] == value
        count = np.int64(1)
        if near >= 3:
            if value == 0:
                count = near
            elif again:
                count = min(near, 6)
        where = base + _RUN + (min(near, 15) << 2 | np.int64(again) << 1 | np.int64(value == 0))
        if code_bit(d, where, np.int64(b.runs[n, 1] == count)) == 0:
            count = code_tree(d, base + _RUN_TREE + 256 * np.int64(value == 0), 8, b.runs[n, 1])
        if count > room or count < 1 or count == 2:
            return False
        symbol = value
        if count > 1:
            symbol = np.int64(17 if count <= 10 else 18)
            if value != 0:
                symbol = np.int64(16)
            elif count <= 6 and at > 0 and both[at - 1] == 0:
                where = base + _COPIED + np.int64(crossing)
                if code_bit(d, where, np.int64(b.runs[n, 0] == 16)) != 0:
                    symbol = np.int64(16)
            if symbol == 16 and (count > 6 or at == 0 or both[at - 1] != value):
                return False
        b.runs[n, 0] = symbol
        b.runs[n, 1] = count
        n += 1
        at += count
    head[RUNS] = n
    return True


@lean
def put_head(b: Block, out: np.ndarray, bits: np.ndarray) -> None:
    """Write the codes of a dynamic block."""
    head = b.head
    huffman.put(out, bits, head[LITS] - 257, 5)
    huffman.put(out, bits, head[FARS] - 1, 5)
    huffman.put(out, bits, head[SENT] - 4, 4)
    for i in range(head[SENT]):
        huffman.put(out, bits, b.run_lens[huffman.ORDER[i]], 3)
    codes, ends = b.work[0], b.work[1]
    huffman.code_lens(b.run_lens, LENGTHS, ends, codes)
    for i in range(head[RUNS]):
        symbol = b.runs[i, 0]
        huffman.put(out, bits, codes[symbol], b.run_lens[symbol])
        if symbol >= 16:
            least = np.int64(11 if symbol == 18 else 3)
            huffman.put(out, bits, b.runs[i, 1] - least, huffman.EXTRA_RUN[symbol])


@lean
def put_block(b: Block, out: np.ndarray, bits: np.ndarray) -> None:
    """Write a block whose codes are told, or known."""
    head = b.head
    huffman.put(out, bits, head[inflate.FINAL] | head[inflate.KIND] << 1, 3)
    if head[inflate.KIND] == inflate.DYNAMIC:
        put_head(b, out, bits)
    else:
        huffman.static_lens(b.lens, b.far_lens)
    codes, far_codes, ends = b.work[0], b.work[1], b.work[2]
    huffman.code_lens(b.lens, 288, ends, codes)
    huffman.code_lens(b.far_lens, DISTANCES, ends, far_codes)
    huffman.put_tokens(b.tokens, head[COUNT], out, bits, b.lens, codes, b.far_lens, far_codes)
