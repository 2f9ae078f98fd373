"""Bit histories: what one context remembers of the bits seen in it, in one byte.

A state stands for the counts of zeros and ones seen, bounded and biased to the recent
past, and for the last bits in order while there are few. It says nothing of probability:
an adaptive map learns that per context (an *indirect* model, as in PAQ6 and ZPAQ).

Rules of the machine, from which :func:`build` derives the tables:

- Up to three bits, the exact sequence is kept.
- After that, a state is (zeros, ones, last bit). Seeing a bit raises its count; if the
  other count is above 2, that one is cut back, the more the larger it is.
- Pairs that the bounds do not admit move to the nearest pair that they do, at about the
  same ratio.

States are numbered by the total of their counts, so a larger number means more seen.
"""

from __future__ import annotations

import numpy as np

# The largest count of the more frequent bit, by the count of the rarer one.
_BOUND = (41, 40, 12, 7, 5, 5)
_EXACT = 3  # sequences up to this length are states of their own
_WITH_LAST = 17  # pairs above this total do without the last bit

State = tuple[int, int, int, int]  # zeros, ones, length of the kept sequence, its bits


def _admitted(n0: int, n1: int) -> bool:
    few, many = min(n0, n1), max(n0, n1)
    return few < len(_BOUND) and many <= _BOUND[few]


def _canonical(n0: int, n1: int, last: int) -> State:
    while not _admitted(n0, n1):
        few, many = min(n0, n1), max(n0, n1)
        if few < 2:
            many -= 1
        else:
            many = (many * (few - 1) + few // 2) // few
            few -= 1
        n0, n1 = (few, many) if n0 < n1 else (many, few)
    if n0 == 0 or n1 == 0 or n0 + n1 > _WITH_LAST:
        return n0, n1, 0, 0
    return n0, n1, 1, last


def _discount(n: int) -> int:
    """What is left of a count when the other bit is seen."""
    if n <= 2:
        return n
    for bound, left in ((3, 2), (5, 3), (8, 4), (14, 5), (24, 6)):
        if n <= bound:
            return left
    return 7


def _step(state: State, bit: int) -> State:
    n0, n1, _, bits = state
    if n0 + n1 < _EXACT:
        kept = (bits << 1) | bit
        return n0 + 1 - bit, n1 + bit, n0 + n1 + 1, kept
    if bit:
        return _canonical(_discount(n0), n1 + 1, 1)
    return _canonical(n0 + 1, _discount(n1), 0)


def build() -> tuple[np.ndarray, np.ndarray]:
    """Derive the machine.

    Returns:
        next: uint8[512], ``next[2 * state + bit]``.
        counts: int32[256, 2], the zeros and ones each state stands for.
    """
    start: State = (0, 0, 0, 0)
    found = {start}
    todo = [start]
    while todo:
        state = todo.pop()
        for bit in (0, 1):
            after = _step(state, bit)
            if after not in found:
                found.add(after)
                todo.append(after)
    order = sorted(found, key=lambda s: (s[0] + s[1], s))
    if len(order) > 256:
        raise AssertionError(f"{len(order)} states do not fit a byte")
    number = {state: i for i, state in enumerate(order)}
    nxt = np.zeros(512, np.uint8)
    counts = np.zeros((256, 2), np.int32)
    for state, i in number.items():
        counts[i] = state[0], state[1]
        for bit in (0, 1):
            nxt[2 * i + bit] = number[_step(state, bit)]
    return nxt, counts


NEXT, COUNTS = build()
