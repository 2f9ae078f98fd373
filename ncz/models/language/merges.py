"""Byte-pair merging: which neighbours become one token, and in which order.

Text starts as single bytes or characters. Of all neighbours that have a merge, those with the
lowest rank become one, the leftmost first, until none has. With a heap that takes
n log n, whatever the text.

Tokens are entries of the sorted vocabulary here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ncz.codec.jit import jit
from ncz.models.language.vocabulary import Vocabulary, find

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio, odd
_LOW = np.int64(0xFFFFFFFF)
_FEW = 24  # symbols up to which looking at all of them beats a heap


class Merges(NamedTuple):
    """m merges, and a hash table to find them in. Made by :func:`build`."""

    left: np.ndarray  # int32[m]: entry
    right: np.ndarray  # int32[m]: entry
    result: np.ndarray  # int32[m]: the entry they become
    rank: np.ndarray  # int32[m]: never falls; merges of one rank are done from left to right
    slots: np.ndarray  # int32[2^k]: merge + 1 by hash, 0 if free; searched from there on


def build(vocabulary: Vocabulary, pairs: np.ndarray, by_result: bool) -> Merges:
    """Take `pairs`, int32[m, 2] of tokens, in the order of their ranks.

    Pairs that make no usable token are left out. With `by_result`, all pairs that make the same
    token rank as the first of them does, as where the tokens' scores decide.
    """
    found = np.full((len(pairs), 3), -1, np.int32)
    _resolve(vocabulary, np.ascontiguousarray(pairs, np.int32), found)
    found = np.ascontiguousarray(found[found[:, 2] >= 0])
    rank = np.arange(len(found), dtype=np.int32)
    if by_result:
        _, first, inverse = np.unique(found[:, 2], return_index=True, return_inverse=True)
        rank = first[inverse].astype(np.int32)
        order = np.argsort(rank, kind="stable")
        found, rank = found[order], rank[order]
    left, right, result = np.ascontiguousarray(found.T)
    bits = max(4, int(2 * len(found)).bit_length())
    merges = Merges(left, right, result, rank, np.zeros(1 << bits, np.int32))
    _fill(merges)
    return merges


@jit
def lookup(merges: Merges, left: int, right: int) -> int:
    """The merge of two entries, as an index into `merges`, or -1."""
    mask = merges.slots.size - 1
    slot = _hash(left, right) & mask
    while merges.slots[slot]:
        merge = np.int64(merges.slots[slot]) - 1
        if merges.left[merge] == left and merges.right[merge] == right:
            return merge
        slot = (slot + 1) & mask
    return -1


@jit
def apply(merges: Merges, symbols: np.ndarray, count: int, least: int, room: np.ndarray) -> int:
    """Merge ``symbols[:count]``, int32 entries, in place.

    Args:
        merges: what becomes one.
        symbols: entries; what is left of them comes first.
        count: number of symbols, 1 or more.
        least: merge no further than to so many symbols; 1 for as far as it goes.
        room: int64[at least 6 * count], scratch.

    Returns:
        The number of symbols left.
    """
    if count > _FEW:
        return _apply_many(merges, symbols, count, least, room)
    found = room
    for k in range(count - 1):
        found[k] = lookup(merges, symbols[k], symbols[k + 1])
    while count > least:
        best = -1
        for k in range(count - 1):
            if found[k] >= 0 and (best < 0 or merges.rank[found[k]] < merges.rank[found[best]]):
                best = k
        if best < 0:
            break
        symbols[best] = merges.result[found[best]]
        count -= 1
        for k in range(best + 1, count):
            symbols[k] = symbols[k + 1]
            found[k - 1] = found[k]
        if best > 0:
            found[best - 1] = lookup(merges, symbols[best - 1], symbols[best])
        if best < count - 1:
            found[best] = lookup(merges, symbols[best], symbols[best + 1])
    return count


@jit
def _apply_many(
    merges: Merges, symbols: np.ndarray, count: int, least: int, room: np.ndarray
) -> int:
    found = room[:count]  # the merge of the symbol that starts here and the next, or -1
    after = room[count : 2 * count]  # where the next symbol starts
    before = room[2 * count : 3 * count]
    heap = room[3 * count :]  # rank << 32 | place; some are out of date
    size = 0
    for k in range(count):
        after[k] = k + 1
        before[k] = k - 1
        found[k] = lookup(merges, symbols[k], symbols[k + 1]) if k + 1 < count else -1
        if found[k] >= 0:
            size = _push(heap, size, np.int64(merges.rank[found[k]]) << 32 | k)
    left = count
    while size > 0 and left > least:
        key = heap[0]
        size = _pop(heap, size)
        place = key & _LOW
        merge = found[place]
        if merge < 0 or merges.rank[merge] != key >> 32:
            continue
        left -= 1
        gone = after[place]
        symbols[place] = merges.result[merge]
        found[gone] = -1
        after[place] = after[gone]
        if after[gone] < count:
            before[after[gone]] = place
        for k in (before[place], place):
            if k < 0 or after[k] >= count:
                continue
            found[k] = lookup(merges, symbols[k], symbols[after[k]])
            if found[k] >= 0:
                size = _push(heap, size, np.int64(merges.rank[found[k]]) << 32 | k)
        if after[place] >= count:
            found[place] = -1
    place = np.int64(0)
    for k in range(left):
        symbols[k] = symbols[place]
        place = after[place]
    return left


@jit
def _push(heap: np.ndarray, size: int, key: int) -> int:
    at = size
    while at > 0:
        parent = (at - 1) >> 1
        if heap[parent] <= key:
            break
        heap[at] = heap[parent]
        at = parent
    heap[at] = key
    return size + 1


@jit
def _pop(heap: np.ndarray, size: int) -> int:
    """Drop the least key."""
    size -= 1
    key = heap[size]
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= key:
            break
        heap[at] = heap[child]
        at = child
    heap[at] = key
    return size


@jit
def _hash(left: int, right: int) -> int:
    key = (np.uint64(left) << np.uint64(32) | np.uint64(right)) * _MULTIPLIER
    return np.int64(key >> np.uint64(33))


@jit
def _resolve(v: Vocabulary, pairs: np.ndarray, found: np.ndarray) -> None:
    """The entries of each pair and of what both make; -1 where that is no entry."""
    joined = np.empty(2 * (v.length.max() + 1), np.uint8)
    for m in range(len(pairs)):
        size = 0
        for half in range(2):
            token = pairs[m, half]
            entry = np.int64(v.rank[token]) if 0 <= token < v.rank.size else -1
            if entry < 0:
                size = -1
                break
            found[m, half] = entry
            for k in range(v.length[entry]):
                joined[size] = v.bytes[v.start[entry] + k]
                size += 1
        if size > 0:
            found[m, 2] = find(v, joined, 0, size)


@jit
def _fill(merges: Merges) -> None:
    mask = merges.slots.size - 1
    for merge in range(merges.left.size):
        if lookup(merges, merges.left[merge], merges.right[merge]) >= 0:
            continue  # listed twice: the first counts
        slot = _hash(merges.left[merge], merges.right[merge]) & mask
        while merges.slots[slot]:
            slot = (slot + 1) & mask
        merges.slots[slot] = merge + 1
