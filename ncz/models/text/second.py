"""A second language model beside the first, whatever its vocabulary.

The first model's tokens set the pace. At each of its token boundaries the second model's
probabilities for what comes next are asked at the first one's decisions: its sorted vocabulary
is narrowed byte by byte, bit by bit, along the path that the first vocabulary takes. Where that
path leaves the second vocabulary, the second model has no opinion until the next token.

The first model's tokens end in the midst of the second one's: after "wonder" one may have to say
"ful" where the other has "wonderful". So the second model keeps the end of the text apart, its
*part*: as many bytes as could still be one token. What comes next either goes on with a token
that begins with the part, or the part was said and another token begins. Both are weighed and
joined, as weights of the entries that the rest of the text may begin with. Tokens that the first
model would have said otherwise, "the" and then "n", are no way to go on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from ncz.codec.jit import jit
from ncz.models.language import head, vocabulary
from ncz.models.language.head import Head
from ncz.models.language.merges import Merges, apply
from ncz.models.language.tokenizer import Tokenizer, byte_entries, spell
from ncz.models.language.vocabulary import Vocabulary, agreed, find, side
from ncz.models.text.walk import advance, opinion
from ncz.models.text.windows import Span, Windows

_FINER = 10  # bits by which joined weights are finer than those of one
_LONGEST = 64  # bytes of a part: no longer one is gone on with
_KEPT = 1 << 16  # answers about parts
_UNLIKELY = 6  # bits by which a part weighs less that takes several tokens to say


class Second:
    """The second model at work beside a first one.

    Args:
        top, tokenizer: of the second model.
        first: the first one's tokenizer.
    """

    def __init__(self, top: Head, tokenizer: Tokenizer, first: Tokenizer) -> None:
        self.network = top.network
        self.head = top
        self.begin = top.network.model.shape.begin
        self.first = first.vocabulary
        self._tokenizer = tokenizer
        self._bounds = np.zeros(self.vocabulary.order.size, np.uint64)
        _bound(first.vocabulary, first.merges, first.by_character, self.vocabulary, self._bounds)
        self.grown = lru_cache(maxsize=_KEPT)(self._grow)
        self.part = lru_cache(maxsize=_KEPT)(self._part)

    @property
    def vocabulary(self) -> Vocabulary:
        """The second model's tokens, sorted."""
        return self.head.vocabulary

    def _grow(self, part: bytes, word: bytes) -> tuple[list[int], bytes]:
        """What is certain once `word` follows `part`: entries that are over, and the new part."""
        whole = part + word
        low, high = _under(self.vocabulary, whole)
        if low < high:
            return [], whole
        *over, last = self._tokenizer.entries(whole, whole=True).tolist()
        return over, vocabulary.word(self.vocabulary, last)

    def _part(self, raw: bytes) -> Part:
        """What has to be known of a part."""
        if not raw:
            return Part([], 0, np.empty(0, np.int32))
        low, high = _under(self.vocabulary, raw)
        rests = np.empty(high - low, np.int32)
        _rests(self.vocabulary, self._bounds, len(raw), low, rests)
        return Part(self._tokenizer.entries(raw, whole=True).tolist(), low, rests)

    def read(self, beside: Beside, entries: np.ndarray, span: Span, first: int) -> np.ndarray:
        """The opinions of one window.

        Args:
            beside: of one stream; the window starts afresh.
            entries: int32: the stream's tokens up to the window's last.
            span: the window.
            first: index of the first token to be coded, in the window.

        Returns:
            uint32[...]: an opinion for every decision of the tokens from `first` on.
        """
        own = entries[first:].tolist()
        out = np.zeros(len(own) * vocabulary.longest_path(self.first), np.uint32)
        stream = np.zeros(1, np.int64)
        beside.start(0, entries[span.context : first].tolist())
        at = 0
        for entry in own:
            sums = beside.sums(stream)[0]
            at += follow(self.first, self.vocabulary, sums, entry, out[at:])
            beside.take(0, entry)
        return out[:at].copy()


@dataclass(frozen=True)
class Part:
    """A part, by the entries of the second vocabulary.

    Attributes:
        entries: those that say it.
        low: the first one that begins with it.
        rests: int32[n]: for each of these, the longest entry that what comes after the part begins
            with, or -1 where nothing comes, or the first model would not have cut there.
    """

    entries: list[int]
    low: int
    rests: np.ndarray


@dataclass
class _Stream:
    """What the second model has read of a stream: `size` places, and then the part."""

    unread: list[bytes]
    size: int = 0
    part: bytes = b""
    held: list[int] = field(default_factory=list)  # the part's entries
    before: np.ndarray | None = None  # sums where the part begins, None where there is none
    after: np.ndarray | None = None  # sums after it; None where the window is full


class Beside:
    """The second model's reading: what it has read of each stream."""

    def __init__(self, second: Second, windows: Windows, streams: int) -> None:
        self._second = second
        network = second.network
        # Few tokens are spelt with two, so twice the window is plenty.
        places = min(2 * windows.window, network.model.shape.context)
        self._cache = network.cache(streams, places)
        self._streams = [_Stream([]) for _ in range(streams)]
        count = second.vocabulary.order.size
        self._sums = np.empty((streams, count + 1), np.int64)
        self._never = np.zeros(count, np.uint8)

    def start(self, stream: int, entries: list[int]) -> None:
        """Begin a window in which `entries` of the first vocabulary came before."""
        self._streams[stream] = _Stream(
            [vocabulary.word(self._second.first, entry) for entry in entries]
        )

    def take(self, stream: int, entry: int) -> None:
        """Go on by one token of the first model."""
        self._streams[stream].unread.append(vocabulary.word(self._second.first, entry))

    def share(self) -> None:
        """All streams have read what the first one has."""
        self._read(0)
        first = self._streams[0]
        self._cache.share_first(min(first.size + len(first.held), self._cache.capacity))
        for k in range(1, len(self._streams)):
            self._streams[k] = _Stream(
                [], first.size, first.part, first.held, first.before, first.after
            )

    def sums(self, streams: np.ndarray) -> np.ndarray:
        """int64[m, entries + 1]: cumulative sums, all 0 where a window has become too long."""
        out = self._sums[: streams.size]
        for row, stream in zip(out, streams.tolist(), strict=True):
            self._read(stream)
            said = self._streams[stream]
            if said.after is None:
                row[:] = 0
            elif said.before is None:
                row[:] = said.after
            else:
                part = self._second.part(said.part)
                _join(said.before, said.after, part.low, part.rests, *_own(part), row)
        return out

    def _read(self, stream: int) -> None:
        """Have the model read what it has not."""
        said, second = self._streams[stream], self._second
        if said.size and not said.unread:
            return
        over: list[int] = []
        for word in said.unread:
            some, said.part = second.grown(said.part, word)
            over += some
        said.unread = []
        entries = second.part(said.part).entries
        tokens = second.head.tokens(np.array([*over, *entries], np.int64))
        begins = not said.size
        if begins:
            tokens = np.concatenate([np.array([second.begin]), tokens])
        at = said.size
        said.size += len(over) + begins
        if said.size + len(entries) > self._cache.capacity:
            said.before = said.after = None
        elif not begins and over == said.held:
            # The part before is over, and all of it was read: what came after it comes before now.
            said.before = said.after
            x = second.network.read(self._cache, stream, tokens[len(over) :], said.size)
            (said.after,) = self._weighed(x[-1:])
        else:
            x = second.network.read(self._cache, stream, tokens, at)
            if not entries or said.size == at:
                (said.after,) = self._weighed(x[-1:])
            else:
                said.before, said.after = self._weighed(x[[said.size - at - 1, -1]])
        said.held = entries

    def _weighed(self, x: np.ndarray) -> list[np.ndarray]:
        """Cumulative sums after some rows."""
        top = self._second.head
        product, units = top.logits(np.ascontiguousarray(x))
        powers = np.empty(top.said.size, np.float32)
        out = []
        for row in range(units.size):
            sums = np.empty(self._never.size + 1, np.int64)
            head.cumulate(product, units, row, top.scale, top.said, self._never, powers, sums)
            out.append(sums)
        return out


def _own(part: Part) -> tuple[int, int]:
    """The entry whose weight tells how likely a part is as it is, and by how much less."""
    return part.entries[0], _UNLIKELY if len(part.entries) > 1 else 0


@jit
def _join(
    before: np.ndarray,
    after: np.ndarray,
    low: int,
    rests: np.ndarray,
    own: int,
    less: int,
    out: np.ndarray,
) -> None:
    """Cumulative sums of what may follow a part.

    Args:
        before, after: int64[n + 1]: those where the part begins, and after it.
        low, rests: of the :class:`Part`.
        own, less: see :func:`_own`.
        out: int64[n + 1], written.
    """
    count = out.size - 1
    weight = max((before[own + 1] - before[own]) >> less, 1)
    share = np.float64(weight << _FINER) / np.float64(after[count])
    weights = np.empty(count, np.int64)
    for e in range(count):
        w = np.float64(after[e + 1] - after[e])
        weights[e] = max(np.int64(w * share), 1)
    for k in range(rests.size):
        if rests[k] >= 0:
            weights[rests[k]] += (before[low + k + 1] - before[low + k]) << _FINER
    total = np.int64(0)
    for e in range(count):
        out[e] = total
        total += weights[e]
    out[count] = total


def _under(second: Vocabulary, data: bytes) -> tuple[int, int]:
    """See :func:`vocabulary.under`."""
    return vocabulary.under(second, np.frombuffer(bytearray(data), np.uint8), 0, len(data))


@jit
def _rests(second: Vocabulary, bounds: np.ndarray, size: int, low: int, rests: np.ndarray) -> None:
    """Fill in what :class:`Part` says, for a part of `size` bytes."""
    for k in range(rests.size):
        entry = low + k
        start = second.start[entry] + size
        rests[k] = -1
        if size >= _LONGEST or not bounds[entry] >> np.uint64(size) & np.uint64(1):
            continue
        for length in range(second.length[entry] - size, 0, -1):
            found = find(second, second.bytes, start, length)
            if found >= 0:
                rests[k] = found
                break


@jit
def _bound(
    first: Vocabulary, merges: Merges, by_character: bool, second: Vocabulary, out: np.ndarray
) -> None:
    """Where the first model's tokens end within the second one's: uint64[n], a bit per length."""
    longest = np.int64(second.length.max())
    symbols = np.empty(longest, np.int32)
    room = np.empty(6 * longest, np.int64)
    letters = byte_entries(first)
    for entry in range(out.size):
        start = second.start[entry]
        stop = start + second.length[entry]
        size = spell(first, letters, by_character, second.bytes, start, stop, symbols)
        size = apply(merges, symbols, size, 1, room)
        at = np.int64(0)
        for k in range(size):
            at += first.length[symbols[k]]
            if at < _LONGEST:
                out[entry] |= np.uint64(1) << np.uint64(at)


@jit
def follow(
    first: Vocabulary, second: Vocabulary, sums: np.ndarray, entry: int, out: np.ndarray
) -> int:
    """Opinions at the decisions on the path to `entry` of `first` into `out`; how many."""
    node = np.int64(first.root[0])
    place = np.int64(second.root[0])
    count = 0
    step = 0
    while node >= 0:
        if first.step[node] == step:
            out[count] = opinion(second, sums, place, step)
            count += 1
            taken = side(node, entry)
            node = np.int64(first.child[node, taken])
        else:
            taken = agreed(first, node, step)
        place = advance(second, sums, place, step, taken)
        step += 1
    return count
