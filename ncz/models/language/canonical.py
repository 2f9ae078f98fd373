"""Which tokens can follow a token, given that the text was tokenized the one usual way.

After "th" a tokenizer never says "e", since "the" would have been one token; yet a language
model leaves some weight on it. That weight is wasted and can be had back. Of two neighbours
a and b that lie in one piece of text, merging must not have joined an end of a with a beginning
of b before a and b were whole; and if no two neighbours break this, the whole text is tokenized
the usual way (van Antwerpen and Neubeck, "So many tokens, so little time", 2024).

A token is made by its last merge from two others, they from two others each. The ends of a are
a itself, its right half, the right half of that, and so on; each is there until it is merged
into the next longer one. Each merge that an end is the left part of, and that comes before that
end is used up, rules out all b that have the merge's right part as a beginning for long enough.
In the forest where a token's parent is its left half, children ordered by when they are made,
these b are one interval. So all that a rules out is a union of a few hundred intervals.

Pieces hide merges, and where they end can depend on more than a and b. What is doubtful is
allowed; only ASCII and a fixed list of spaces are looked at, so that the answer is the same on
every machine. And ruling out is no promise: these tokens keep a little weight, so that any
tokens can be coded.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ncz.codec.jit import jit
from ncz.models.language import merges as bpe
from ncz.models.language import pretokenizer, tokenizer
from ncz.models.language.merges import Merges
from ncz.models.language.tokenizer import Tokenizer
from ncz.models.language.vocabulary import WHOLE, Vocabulary, entries

_ROOM = 32 << 20  # bytes for answers already given
_NEVER = np.int32(2**31 - 1)  # when a token is used up that nothing uses up
# Between a token that ends so and one that begins so, a piece may end: see :func:`_doubts`.
_SPACE, _DIGIT, _WORD = 1, 2, 4


class Canonical(NamedTuple):
    """What :func:`mark` needs, by entry. Made by :func:`prepare`."""

    never: np.ndarray  # uint8[n]: 1 if merging never makes it
    alone: np.ndarray  # uint8[n]: 1 if a piece ends after it, whatever follows
    ends: np.ndarray  # uint8[n]: bits, see above: what it ends with
    begins: np.ndarray  # uint8[n]: bits: after what a piece may begin with it
    right: np.ndarray  # int32[n]: its right half, -1 where it has none
    made: np.ndarray  # int32[n]: rank of the last merge that making it takes, -1 for none
    place: np.ndarray  # int32[n]: its place in the forest, parents before children
    entry: np.ndarray  # int32[n]: place -> entry
    first_child: np.ndarray  # int32[n + 1]: where its children begin in `children`
    children: np.ndarray  # int32[...]: those whose left half it is, made last comes first
    child_end: np.ndarray  # int32[...]: place after each child's own descendants
    first_merge: np.ndarray  # int32[n + 1]: where its merges begin in `by_left`
    by_left: np.ndarray  # int32[m]: merges by their left part, by rank within


class Mask:
    """Answers for one tokenizer, of which it remembers the latest."""

    def __init__(self, source: Tokenizer) -> None:
        self._vocabulary = source.vocabulary
        self._merges = source.merges
        self._canonical = prepare(source)
        packed = -(-self._vocabulary.order.size // 8)
        self._packed = lru_cache(maxsize=max(16, _ROOM // packed))(self._pack)

    def after(self, token: int) -> np.ndarray:
        """uint8[n] by entry of the vocabulary: 1 for what never follows `token`, else 0.

        `token` may be an escape, or a control token that nothing merges with.
        """
        return np.unpackbits(self.packed(token), count=self._vocabulary.order.size)

    def packed(self, token: int) -> np.ndarray:
        """uint8[n / 8, rounded up]: the same as bits, the highest of each byte first."""
        entry = -1
        if 0 <= token < self._vocabulary.rank.size:
            entry = int(self._vocabulary.rank[token])
        return self._packed(entry)

    def _pack(self, entry: int) -> np.ndarray:
        out = np.empty(self._vocabulary.order.size, np.uint8)
        mark(self._canonical, self._merges, entry, out)
        return np.packbits(out)


@jit
def soften(weights: np.ndarray, mask: np.ndarray, shift: int, floor: int) -> None:
    """Shift down the weights, integers by entry, where `mask` is 1, but not below `floor`."""
    for entry in range(weights.size):
        if mask[entry]:
            weights[entry] = max(weights[entry] >> shift, floor)


@jit
def mark(c: Canonical, merges: Merges, entry: int, out: np.ndarray) -> None:
    """Write to `out`, uint8[n], 1 for each entry that never follows `entry`, else 0.

    -1 for `entry` is a token that nothing merges with.
    """
    count = c.never.size
    out[:] = c.never
    if entry < 0 or c.alone[entry] or c.never[entry]:
        return
    steps = np.zeros(count + 1, np.int32)  # how many intervals more, or fewer, from here on
    end = np.int64(entry)
    used_up = np.int64(_NEVER)
    while True:
        for k in range(c.first_merge[end], c.first_merge[end + 1]):
            merge = c.by_left[k]
            rank = np.int64(merges.rank[merge])
            if rank >= used_up:
                break
            beginning = merges.right[merge]
            if c.made[beginning] < used_up:
                steps[c.place[beginning]] += 1
                steps[_until(c, beginning, max(rank, np.int64(c.made[end])))] -= 1
        if c.right[end] < 0:
            break
        used_up = np.int64(c.made[end])
        end = np.int64(c.right[end])
    inside = 0
    free = c.ends[entry]
    for place in range(count):
        inside += steps[place]
        if inside and not free & c.begins[c.entry[place]]:
            out[c.entry[place]] = 1


@jit
def _until(c: Canonical, entry: int, made: int) -> int:
    """The place after `entry` and those descendants of it whose way leads by a child made then
    or later."""
    low = np.int64(c.first_child[entry])
    high = np.int64(c.first_child[entry + 1])
    first = low
    while low < high:
        middle = (low + high) >> 1
        if c.made[c.children[middle]] >= made:
            low = middle + 1
        else:
            high = middle
    return np.int64(c.child_end[low - 1]) if low > first else np.int64(c.place[entry]) + 1


def prepare(source: Tokenizer) -> Canonical:
    """Take apart the tokens of a tokenizer into halves, and those into halves."""
    v, merges = source.vocabulary, source.merges
    count = v.order.size
    left = np.full(count, -1, np.int32)
    right = np.full(count, -1, np.int32)
    rank = np.full(count, -1, np.int32)
    never = np.zeros(count, np.uint8)
    _halve(v, merges, source.by_character, left, right, rank, never)
    never[source.kinds == WHOLE] = 0
    if source.way == pretokenizer.LLAMA3:
        never[:] = 0  # a piece that is a token is not merged
    made = np.full(count, -1, np.int32)
    order = np.argsort(v.length, kind="stable")  # halves before wholes
    _when(order, left, right, rank, made)
    # Children by parent, and within one parent those made last first.
    child = np.flatnonzero(left >= 0).astype(np.int32)
    child = child[np.lexsort((-made[child], left[child]))]
    first_child = np.searchsorted(left[child], np.arange(count + 1)).astype(np.int32)
    place = np.full(count, -1, np.int32)
    entry = np.empty(count, np.int32)
    end = np.empty(count, np.int32)
    _place(left, first_child, child, place, entry, end)
    by_left = np.argsort(merges.left, kind="stable").astype(np.int32)
    first_merge = np.searchsorted(merges.left[by_left], np.arange(count + 1)).astype(np.int32)
    ends, begins, alone = _doubts(source)
    return Canonical(
        never=never,
        alone=alone,
        ends=ends,
        begins=begins,
        right=right,
        made=made,
        place=place,
        entry=entry,
        first_child=first_child,
        children=child,
        child_end=end[child],
        first_merge=first_merge,
        by_left=by_left,
    )


@jit
def _halve(
    v: Vocabulary,
    merges: Merges,
    by_character: bool,
    left: np.ndarray,
    right: np.ndarray,
    rank: np.ndarray,
    never: np.ndarray,
) -> None:
    """Merge each entry's bytes to see which two halves come last, or that it never comes."""
    longest = np.int64(v.length.max())
    symbols = np.empty(longest, np.int32)
    room = np.empty(6 * longest, np.int64)
    letters = tokenizer.byte_entries(v)
    for entry in range(v.order.size):
        start = v.start[entry]
        stop = start + v.length[entry]
        size = tokenizer.spell(v, letters, by_character, v.bytes, start, stop, symbols)
        if size == 1:
            continue
        size = bpe.apply(merges, symbols, size, 2, room)
        last = bpe.lookup(merges, symbols[0], symbols[1])
        if size > 2 or last < 0:
            never[entry] = 1
        else:
            left[entry], right[entry], rank[entry] = symbols[0], symbols[1], merges.rank[last]


@jit
def _when(
    order: np.ndarray, left: np.ndarray, right: np.ndarray, rank: np.ndarray, made: np.ndarray
) -> None:
    """The rank of the last merge that making each entry takes; `order` has halves first."""
    for entry in order:
        if left[entry] >= 0:
            halves = max(made[left[entry]], made[right[entry]])
            made[entry] = max(rank[entry], halves)


@jit
def _place(
    left: np.ndarray,
    first_child: np.ndarray,
    children: np.ndarray,
    place: np.ndarray,
    entry: np.ndarray,
    end: np.ndarray,
) -> None:
    """Number the forest, each tree's parents before their children, and these in order."""
    count = left.size
    stack = np.empty(count + 1, np.int32)
    at = 0
    for root in range(count):
        if left[root] >= 0:
            continue
        stack[0] = root
        top = 1
        while top > 0:
            top -= 1
            node = stack[top]
            place[node] = at
            entry[at] = node
            at += 1
            end[node] = at
            for k in range(first_child[node + 1] - 1, first_child[node] - 1, -1):
                stack[top] = children[k]
                top += 1
    for k in range(count - 1, -1, -1):
        parent = left[entry[k]]
        if parent >= 0:
            end[parent] = max(end[parent], end[entry[k]])


def _doubts(source: Tokenizer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`ends`, `begins` and `alone` of a :class:`Canonical`.

    - Of a run of spaces, the last is cut off where something else follows.
    - Llama 3 cuts digits by threes, and may cut between a sign and a word.
    - A word after an apostrophe may be a contraction's or its own.
    """
    v = source.vocabulary
    alone = (source.kinds == WHOLE).astype(np.uint8)
    ends = np.zeros(v.order.size, np.uint8)
    begins = np.zeros(v.order.size, np.uint8)
    if source.by_character:  # cut where no merge is possible, so there is no doubt
        return ends, begins, alone
    llama = source.way in (pretokenizer.LLAMA3, pretokenizer.QWEN2)
    spaces = tuple(chr(code).encode() for code in pretokenizer.SPACES)
    contractions = {word.encode() for word in pretokenizer.CONTRACTIONS}
    for k, token in enumerate(entries(v)):
        first, last = token[:1], token[-1:]
        space = next((len(space) for space in spaces if token.startswith(space)), 0)
        if space and (llama or not token.startswith(spaces, space)):
            begins[k] |= _SPACE
        if token.endswith(spaces):
            ends[k] |= _SPACE
        if llama and first.isdigit():
            begins[k] |= _DIGIT
        if llama and last.isdigit():
            ends[k] |= _DIGIT
        if first.isalpha():
            begins[k] |= _WORD
        sign = last < b"\x80" and not last.isalnum() and not last.isspace()
        if last == b"'" or (llama and sign):
            ends[k] |= _WORD
        if (token.lower() if llama else token) in contractions:
            alone[k] = 1
    if source.way == pretokenizer.DEFAULT:
        alone[:] = 1  # made for no model in particular: nothing is known of its merges
    return ends, begins, alone
