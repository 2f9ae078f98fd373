"""Tokens as paths of bits, so that a language model can be asked for one bit at a time.

Sorted by their bytes, the tokens that share a prefix are neighbours. So every prefix, and
every prefix with a few bits of the next byte, is a range of the sorted vocabulary, and a
token is reached by halving ranges: at each *step*, stop here or go on, or 0 or 1 for the
next bit. With a cumulative sum over the sorted order, a decision's probability is a ratio of
two differences, and the product along a path is the token's own probability, exactly.

Most steps decide nothing, since all tokens of the range agree. What is left is a binary tree
with a token at every leaf, and as the boundary between two neighbours is cut exactly once,
that boundary is the node's number: node m splits [lo, hi) into [lo, m) and [m, hi). Walking
to a token is then one comparison and one load per decision, whether the side comes from the
token (:func:`side`) or from a decoder.

Every byte that no token says alone gets an entry of its own, an *escape*, so that the tree
says any string of bytes.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

from ncz.codec.errors import ModelError
from ncz.codec.jit import jit, lean

STEPS = 9  # of one byte: stop before it or not, then its bits, the highest first
# Kinds of tokens. Ordinary ones stand for their bytes. So do those of kind WHOLE, which the
# tokenizer looks for before all else. UNUSED ones (controls, padding) are never coded.
ORDINARY, UNUSED, WHOLE = range(3)


class Vocabulary(NamedTuple):
    """The usable tokens in the order of their bytes, and the tree over them.

    n entries, n - 1 decisions; numba takes it as it is. Made by :func:`build`.
    """

    order: np.ndarray  # int32[n]: entry -> token, or -1 - byte for an escape
    rank: np.ndarray  # int32[V]: token -> entry, -1 where it has none
    escapes: np.ndarray  # int32[256]: byte -> the entry of its escape, -1 where a token says it
    bytes: np.ndarray  # uint8[...]: the entries' bytes, end to end
    start: np.ndarray  # int64[n]: entry -> its first byte in `bytes`
    length: np.ndarray  # int32[n]: entry -> number of its bytes, at least 1
    step: np.ndarray  # int32[n]: node -> 9 * bytes before it, + 0 to stop or go on, + 1..8 a bit
    low: np.ndarray  # int32[n]: node -> first entry of its range
    high: np.ndarray  # int32[n]: node -> entry after its range
    child: np.ndarray  # int32[n, 2]: node, side -> next node, or ~entry where that is the end
    root: np.ndarray  # int32[1]: the first node, as in `child`


def build(token_bytes: np.ndarray, offsets: np.ndarray, kinds: np.ndarray) -> Vocabulary:
    """Sort the tokens and cut the tree.

    Args:
        token_bytes: uint8[total], the bytes of all tokens, end to end.
        offsets: int64[V + 1]: token i is ``token_bytes[offsets[i]:offsets[i + 1]]``.
        kinds: uint8[V]: see :data:`ORDINARY`. Left out are the unused, the empty, and of
            several tokens with the same bytes all but the first.

    Raises:
        ModelError: the arrays do not belong together.
    """
    tokens = pieces(token_bytes, offsets)
    if kinds.size != len(tokens):
        raise ModelError(
            f"the vocabulary is damaged: {len(tokens)} tokens and {kinds.size} kinds; "
            "convert the model again"
        )
    first: dict[bytes, int] = {}
    for token in np.flatnonzero(kinds != UNUSED).tolist():
        first.setdefault(tokens[token], token)
    first.pop(b"", None)
    for byte in range(256):
        first.setdefault(bytes([byte]), -1 - byte)
    words = sorted(first)
    order = np.array([first[word] for word in words], np.int32)
    length = np.array([len(word) for word in words], np.int32)
    rank = np.full(len(tokens), -1, np.int32)
    said = np.flatnonzero(order >= 0)
    rank[order[said]] = said
    escapes = np.full(256, -1, np.int32)
    unsaid = np.flatnonzero(order < 0)
    escapes[-1 - order[unsaid]] = unsaid
    count = len(words)
    vocabulary = Vocabulary(
        order=order,
        rank=rank,
        escapes=escapes,
        bytes=np.frombuffer(bytearray(b"".join(words)), np.uint8),
        start=np.cumsum(length, dtype=np.int64) - length,
        length=length,
        step=np.zeros(count, np.int32),
        low=np.zeros(count, np.int32),
        high=np.zeros(count, np.int32),
        child=np.zeros((count, 2), np.int32),
        root=np.zeros(1, np.int32),
    )
    _cut(vocabulary)
    return vocabulary


def pieces(token_bytes: np.ndarray, offsets: np.ndarray) -> list[bytes]:
    """The tokens' bytes as a list of V byte strings; arguments as in :func:`build`.

    Raises:
        ModelError: the offsets do not lie in order within the bytes.
    """
    if offsets.size == 0 or offsets[0] != 0 or offsets[-1] != token_bytes.size:
        raise ModelError("the vocabulary is damaged: its tokens do not fill it; convert again")
    if (np.diff(offsets) < 0).any():
        raise ModelError("the vocabulary is damaged: a token ends before it starts; convert again")
    whole = token_bytes.tobytes()
    return [whole[a:b] for a, b in itertools.pairwise(offsets.tolist())]


def entries(vocabulary: Vocabulary) -> list[bytes]:
    """The bytes of the n entries, in their order."""
    whole = vocabulary.bytes.tobytes()
    return [whole[a:b] for a, b in itertools.pairwise([*vocabulary.start.tolist(), len(whole)])]


def word(vocabulary: Vocabulary, entry: int) -> bytes:
    """The bytes of one entry."""
    start = vocabulary.start[entry]
    return vocabulary.bytes[start : start + vocabulary.length[entry]].tobytes()


def longest_path(vocabulary: Vocabulary) -> int:
    """Decisions on the way to any entry, at most."""
    return STEPS * (int(vocabulary.length.max()) + 1)


@lean
def side(node: int, entry: int) -> int:
    """Which way from `node` towards `entry`: 0 or 1. At a stop step, 0 is to stop."""
    return np.int64(entry >= node)


@lean
def weights(vocabulary: Vocabulary, cumulative: np.ndarray, node: int) -> tuple[int, int]:
    """The weight of both sides of `node`, from ``cumulative``, int64[n + 1], 0 at its start."""
    middle = cumulative[node]
    return (
        middle - cumulative[vocabulary.low[node]],
        cumulative[vocabulary.high[node]] - middle,
    )


@lean
def probability(vocabulary: Vocabulary, cumulative: np.ndarray, node: int) -> int:
    """Probability of side 1 at `node` in 24 bits, 1 to 2²⁴ - 1, from int64[n + 1], below 2^53."""
    low, high = weights(vocabulary, cumulative, node)
    p = np.int64(np.floor(np.float64(high) * 16777216.0 / np.float64(low + high)))
    return min(max(p, 1), (1 << 24) - 1)


@lean
def under(vocabulary: Vocabulary, data: np.ndarray, at: int, length: int) -> tuple[int, int]:
    """The range of entries that begin with ``data[at:at + length]``, uint8; empty for none."""
    node = np.int64(vocabulary.root[0])
    while node >= 0:
        step = np.int64(vocabulary.step[node])
        depth = step // STEPS
        if depth >= length:
            break
        if step % STEPS == 0:
            node = np.int64(vocabulary.child[node, 1])
        else:
            node = np.int64(vocabulary.child[node, data[at + depth] >> (8 - step % STEPS) & 1])
    entry = some_entry(vocabulary, node)
    nothing = np.int64(0), np.int64(0)
    if vocabulary.length[entry] < length:
        return nothing
    start = vocabulary.start[entry]
    for k in range(length):
        if vocabulary.bytes[start + k] != data[at + k]:
            return nothing
    if node >= 0:
        return np.int64(vocabulary.low[node]), np.int64(vocabulary.high[node])
    return entry, entry + 1


@lean
def find(vocabulary: Vocabulary, data: np.ndarray, at: int, length: int) -> int:
    """The entry that is ``data[at:at + length]``, uint8, or -1 if there is none."""
    low, high = under(vocabulary, data, at, length)
    return low if low < high and vocabulary.length[low] == length else np.int64(-1)


@lean
def some_entry(vocabulary: Vocabulary, node: int) -> int:
    """An entry under `node`, or the one that ``~node`` is: all agree up to the node's step."""
    return np.int64(vocabulary.low[node] if node >= 0 else ~node)


@lean
def agreed(vocabulary: Vocabulary, node: int, step: int) -> int:
    """The side that all entries under `node` take at `step`, which comes before the node's own.

    `node` may be ``~entry``; then `step` may be any up to the entry's stop. At a stop step the
    answer is 0 to stop and 1 to go on, otherwise the bit.
    """
    entry = some_entry(vocabulary, node)
    depth = step // STEPS
    bit = step % STEPS
    if bit == 0:
        return np.int64(vocabulary.length[entry] != depth)
    return np.int64(vocabulary.bytes[vocabulary.start[entry] + depth] >> (8 - bit)) & 1


@jit
def cumulate(
    vocabulary: Vocabulary, token_weights: np.ndarray, escape: int, out: np.ndarray
) -> int:
    """Sum up weights in the order of entries.

    Args:
        vocabulary: of n entries.
        token_weights: an array of integers by token, each at least 1; their sum below 2^62.
        escape: the weight of each escape, at least 1.
        out: int64[n + 1]: the cumulative sum, from 0 to the total.

    Returns:
        The total.
    """
    total = np.int64(0)
    for entry in range(vocabulary.order.size):
        out[entry] = total
        token = vocabulary.order[entry]
        total += np.int64(token_weights[token]) if token >= 0 else np.int64(escape)
    out[vocabulary.order.size] = total
    return total


@jit
def _cut(v: Vocabulary) -> None:
    """Find where neighbours part, and make of these steps the tree with the earliest on top."""
    count = v.order.size
    stack = np.empty(count + 1, np.int32)  # nodes with steps that rise: the tree's right edge
    top = 0
    v.root[0] = ~0
    for m in range(1, count):
        step = _parting(v, m)
        v.step[m] = step
        below = np.int32(~np.int32(m - 1))
        while top > 0 and v.step[stack[top - 1]] > step:
            top -= 1
            below = stack[top]
            v.high[below] = m
        v.child[m, 0] = below
        v.child[m, 1] = ~np.int32(m)
        if top > 0:
            v.child[stack[top - 1], 1] = m
            v.low[m] = stack[top - 1]
        else:
            v.root[0] = m
            v.low[m] = 0
        stack[top] = m
        top += 1
    for k in range(top):
        v.high[stack[k]] = count


@lean
def _parting(v: Vocabulary, m: int) -> int:
    """The first step at which the entries m - 1 and m differ."""
    a = v.start[m - 1]
    b = v.start[m]
    depth = 0
    while depth < v.length[m - 1] and v.bytes[a + depth] == v.bytes[b + depth]:
        depth += 1
    if depth == v.length[m - 1]:
        return STEPS * depth
    differ = np.int64(v.bytes[a + depth] ^ v.bytes[b + depth])
    bit = 1
    while differ >> (8 - bit) == 0:
        bit += 1
    return STEPS * depth + bit
