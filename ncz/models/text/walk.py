"""A walk through one vocabulary along the path that another one takes.

Step by step the second vocabulary is narrowed by the sides taken in the first. Where the path
leaves it, the walk is over, and its model has no opinion until the next token. Where tokens end is
the first vocabulary's affair, so there is no opinion on that; but where the first one goes on and
the second one as good as never does, they part as well.
"""

from __future__ import annotations

import numpy as np

from ncz.codec.jit import lean
from ncz.models.language.vocabulary import STEPS, Vocabulary, agreed, probability, weights

NONE = np.int64(-(1 << 40))
"""The place of a walk that has left the vocabulary."""

_PARTING = 4  # where going on is less likely than 1/16
_SURE = (1 << 24) - (1 << 12)  # where all entries agree: nearly certain, as vocabularies differ


@lean
def opinion(vocabulary: Vocabulary, sums: np.ndarray, place: int, step: int) -> int:
    """Probability of side 1 at `step` in 24 bits, 0 for none, as at all stops.

    Args:
        vocabulary: of n entries.
        sums: int64[n + 1], cumulative.
        place: a node, ``~entry``, or :data:`NONE`; begins at the root.
        step: as in :mod:`ncz.models.language.vocabulary`.
    """
    if place == NONE or step % STEPS == 0 or sums[sums.size - 1] == 0:
        return np.int64(0)
    if place >= 0 and vocabulary.step[place] == step:
        return probability(vocabulary, sums, place)
    return np.int64(_SURE if agreed(vocabulary, place, step) else (1 << 24) - _SURE)


@lean
def advance(vocabulary: Vocabulary, sums: np.ndarray, place: int, step: int, taken: int) -> int:
    """The place after side `taken` at `step`."""
    if place == NONE:
        return NONE
    if place >= 0 and vocabulary.step[place] == step:
        if step % STEPS == 0 and taken == 1:
            low, high = weights(vocabulary, sums, place)
            if high < (low + high) >> _PARTING:
                return NONE
        return np.int64(vocabulary.child[place, taken])
    return np.int64(place) if agreed(vocabulary, place, step) == taken else NONE
