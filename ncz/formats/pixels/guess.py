"""What zlib would take next, wherever a stream has got to: the guess that its tokens are told by.

The search is that of :mod:`ncz.formats.pixels.deflate`, with the history that is so in place of the
one that zlib would have made: at each place it says the token that zlib would take from there. What
zlib has as constants are parameters, for others have changed them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ncz.codec.jit import lean
from ncz.formats.pixels.deflate import AHEAD, LEVELS, insert, longest

FAREST = 32768
"""Distance that deflate can say at most."""

# Indices into the setup; those below 7 are as in deflate.py.
GOOD, LAZY, NICE, CHAIN, DROP, WINDOW, HASH, FAR, SLOW = range(9)
_INSERTED, _KNOWN, _LENGTH, _START, _NEXT, _NEXT_START, _SPENT, _IN_VAIN = range(8)
_RING = 1 << 16  # more than any distance and what is looked at ahead
_PLACES = 4096  # of a chain, when a distance is sought
_BUDGET = 4096  # steps for each byte so far, and
_SPARE = 1 << 22  # some more; then chains are
_SHORT = 4  # places long


class Search(NamedTuple):
    """What is known of the bytes so far.

    Attributes:
        heads: int32[2^hash bits], where three such bytes stood last.
        previous: int32[2^16], where the same stood before.
        setup: int64[9], by the indices above.
        short: the same with chains as short as they are when steps were too many.
        state: int64[8], what was looked at already, and steps: places that were looked at, and
            bytes found to be the same there. An encoder's in vain, which no decoder takes, apart.
    """

    heads: NDArray[np.int32]
    previous: NDArray[np.int32]
    setup: NDArray[np.int64]
    short: NDArray[np.int64]
    state: NDArray[np.int64]


def setup(
    level: int, drop: int, far: int, reach: int, bits: int, chain: int = 0
) -> NDArray[np.int64]:
    """Parameters of a search.

    Args:
        level: of zlib, 0 to 9; 0 finds nothing.
        drop: matches up to this length are none, at least 2.
        far: the largest distance of matches of three bytes.
        reach: the largest distance.
        bits: of the hash.
        chain: how many places are looked at; 0: as the level says.
    """
    good, lazy, nice, steps = (int(n) for n in LEVELS[level])
    return np.array(
        [good, lazy, nice, chain or steps, drop, reach + AHEAD, bits, far, level > 3], np.int64
    )


def valid(found: NDArray[np.int64]) -> bool:
    """Whether these are parameters that a search can have."""
    low = (0, 0, 0, 0, 2, AHEAD + 1, 8, 0, 0)
    high = (258, 258, 258, 4096, 258, AHEAD + FAREST, 16, FAREST, 1)
    return len(found) == 9 and all(
        a <= n <= b for a, n, b in zip(low, found.tolist(), high, strict=True)
    )


def search(found: NDArray[np.int64]) -> Search:
    """A search that has seen nothing yet."""
    heads = np.zeros(1 << int(found[HASH]), np.int32)
    short = found.copy()
    # A fourth of them is taken after a good match: one place at least.
    short[CHAIN] = min(int(found[CHAIN]), _SHORT)
    return Search(heads, np.zeros(_RING, np.int32), found, short, np.zeros(8, np.int64))


@lean
def _many(at: int, s: Search) -> bool:
    """Whether the steps so far are more than a search may take."""
    return bool(s.state[_SPENT] > _SPARE + at * _BUDGET)


@lean
def _look(data: np.ndarray, at: int, best: int, s: Search) -> tuple[int, int]:
    """A match that is longer than `best` and is one zlib would keep: length and start, or 2, 0."""
    ahead = data.size - at
    if ahead < 3 or s.setup[CHAIN] == 0:
        return np.int64(2), np.int64(0)
    if at >= s.state[_INSERTED]:
        insert(data, at, s.setup[HASH], s.heads, s.previous)
        s.state[_INSERTED] = at + 1
    found = np.int64(s.previous[at & (_RING - 1)])
    if found == 0 or at - found > s.setup[WINDOW] - AHEAD:
        return np.int64(2), np.int64(0)
    setup = s.short if _many(at, s) else s.setup
    length, start, steps = longest(data, at, found, best, ahead, setup, s.previous)
    s.state[_SPENT] += steps
    if length <= max(best, s.setup[DROP]) or (length == 3 and at - start > s.setup[FAR]):
        return np.int64(2), np.int64(0)
    return length, start


@lean
def guess(data: np.ndarray, at: int, s: Search) -> tuple[int, int, int]:
    """The match that zlib has at `at`, and the length of the longer one that it has a byte later.

    Returns:
        length, 2 if there is none; where it starts; length of the next, 0 if it is not longer.
    """
    state = s.state
    if state[_KNOWN] != 0:
        length, start = state[_LENGTH], state[_START]
    else:
        length, start = _look(data, at, np.int64(2), s)
    state[_NEXT] = 0
    if s.setup[SLOW] != 0 and 3 <= length < s.setup[LAZY] and at + 1 < data.size:
        later, later_start = _look(data, at + 1, length, s)
        if later > length:
            state[_NEXT] = later
            state[_NEXT_START] = later_start
    return length, start, state[_NEXT]


@lean
def advance(data: np.ndarray, at: int, length: int, s: Search) -> None:
    """Go on behind what was taken at `at`: 1 for a literal, the length of a match, or of bytes that
    were stored. After a literal that was guessed because of the next match, this is known."""
    state = s.state
    state[_KNOWN] = np.int64(length == 1 and state[_NEXT] != 0)
    state[_LENGTH] = state[_NEXT]
    state[_START] = state[_NEXT_START]
    state[_NEXT] = 0
    end = at + length
    if s.setup[CHAIN] == 0:
        return
    if s.setup[SLOW] != 0 or length <= s.setup[LAZY]:
        last = min(end, data.size - 2)
        for i in range(state[_INSERTED], last):
            insert(data, i, s.setup[HASH], s.heads, s.previous)
    state[_INSERTED] = max(state[_INSERTED], end)


@lean
def rank(data: np.ndarray, at: int, length: int, distance: int, most: int, s: Search) -> int:
    """How many nearer places have a match as long, or -1 if it is not found among `most`.

    What was sought in vain is no step of a decoder's, which is not told of a place; so where that
    was too much, nothing is sought.
    """
    if s.state[_IN_VAIN] > _SPARE + at * _BUDGET:
        return -1
    return int(_walk(data, at, length, distance, most, s)[0])


@lean
def ranked(data: np.ndarray, at: int, length: int, place: int, s: Search) -> int:
    """The distance with so many nearer ones, or 0."""
    return int(_walk(data, at, length, np.int64(0), place, s)[1])


@lean
def _walk(
    data: np.ndarray, at: int, length: int, distance: int, most: int, s: Search
) -> tuple[int, int]:
    if at >= s.state[_INSERTED]:
        return np.int64(-1), np.int64(0)
    match = np.int64(s.previous[at & (_RING - 1)])
    place = np.int64(0)
    steps = np.int64(0)
    for _ in range(_SHORT if _many(at, s) else _PLACES):
        if match == 0 or at - match > FAREST:
            break
        same = np.int64(0)
        if data[match + length - 1] == data[at + length - 1]:
            while same < length and data[match + same] == data[at + same]:
                same += 1
        steps += 1 + same
        if same == length:
            if at - match == distance or (distance == 0 and place == most):
                s.state[_SPENT] += steps
                return place, at - match
            place += 1
            if place > most:
                break
        match = np.int64(s.previous[match & (_RING - 1)])
    s.state[_IN_VAIN] += steps
    return np.int64(-1), np.int64(0)
