"""A second language model beside the first, whatever its vocabulary.

The first model's tokens set the pace. At each of its token boundaries the second model has
read the same bytes, each token spelt in its own tokens, and its probabilities for what comes
next are asked at the first model's decisions: its sorted vocabulary is narrowed byte by byte,
bit by bit, along the path that the first vocabulary takes. Where that path leaves the second
vocabulary, the second model has no opinion until the next token.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ncz.codec.jit import jit
from ncz.models.language import head
from ncz.models.language.head import BATCH, Head
from ncz.models.language.tokenizer import Tokenizer
from ncz.models.language.vocabulary import STEPS, Vocabulary, agreed, side
from ncz.models.text.walk import advance, opinion
from ncz.models.text.windows import Span, Windows


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
        place = advance(second, place, step, taken)
        step += 1
    return count


class Second:
    """The second model at work beside a first one of vocabulary `first`."""

    def __init__(self, top: Head, tokenizer: Tokenizer, first: Vocabulary) -> None:
        self.network = top.network
        self.head = top
        self.begin = top.network.model.shape.begin
        self._tokenizer = tokenizer
        self._first = first
        self._spelt: dict[int, np.ndarray] = {}
        self._longest_path = STEPS * (int(first.length.max()) + 1)

    @property
    def vocabulary(self) -> Vocabulary:
        """The second model's tokens, sorted."""
        return self.head.vocabulary

    def cache(self, streams: int, windows: Windows) -> Any:
        """For so many streams. Few tokens are spelt with two, so twice the window is plenty."""
        longest = self.network.model.shape.context
        return self.network.cache(streams, min(2 * windows.window, longest))

    def spell(self, entry: int) -> np.ndarray:
        """int64: the second model's tokens for the bytes of an entry of the first vocabulary."""
        found = self._spelt.get(entry)
        if found is None:
            start = self._first.start[entry]
            word = self._first.bytes[start : start + self._first.length[entry]].tobytes()
            tokens = self._tokenizer.encode(word, whole=True).astype(np.int64)
            found = np.where(tokens >= 0, tokens, self.begin)
            self._spelt[entry] = found
        return found

    def read(self, cache: Any, entries: np.ndarray, span: Span, first: int) -> np.ndarray:
        """The opinions of one window.

        Args:
            cache: of one stream; the window starts afresh.
            entries: int32: the stream's tokens up to the window's last.
            span: the window.
            first: index of the first token to be coded, in the window.

        Returns:
            uint32[...]: an opinion for every decision of the tokens from `first` on.
        """
        spelt = [self.spell(int(entry)) for entry in entries[span.context : -1]]
        tokens = np.concatenate([np.array([self.begin]), *spelt]).astype(np.int64)
        rows = np.cumsum([0, *(len(word) for word in spelt)])[first - span.context :]
        room = cache.capacity
        x = self.network.read(cache, 0, tokens[:room])
        out = np.zeros(rows.size * self._longest_path, np.uint32)
        top = self.head
        powers = np.empty(top.said.size, np.float32)
        sums = np.empty(self.vocabulary.order.size + 1, np.int64)
        never = np.zeros(self.vocabulary.order.size, np.uint8)
        own = np.ascontiguousarray(entries[first:])
        seen = rows[rows < room]  # row r has read r + 1 tokens
        at = 0
        for k in range(0, seen.size, BATCH):
            product, units = top.logits(np.ascontiguousarray(x[seen[k : k + BATCH]]))
            at = _follow_all(
                product,
                units,
                top.scale,
                top.said,
                never,
                self._first,
                self.vocabulary,
                own[k : k + BATCH],
                powers,
                sums,
                out,
                at,
            )
        for entry in own[seen.size :]:  # no room for these: no opinion
            at += _decisions(self._first, entry)
        return out[:at].copy()


class Beside:
    """The second model's part in decoding: what it has read of each stream."""

    def __init__(self, second: Second, windows: Windows, streams: int) -> None:
        self._second = second
        self._cache = second.cache(streams, windows)
        self._unread: list[list[np.ndarray]] = [[] for _ in range(streams)]
        self._at = np.zeros(streams, np.int64)  # places taken
        self._x = np.zeros((streams, second.network.model.shape.width), np.float32)
        count = second.vocabulary.order.size
        self._sums = np.empty((streams, count + 1), np.int64)

    def start(self, stream: int, entries: list[int]) -> None:
        """Begin a window in which `entries` came before."""
        spelt = [self._second.spell(entry) for entry in entries]
        self._at[stream] = 0
        self._unread[stream] = [np.array([self._second.begin]), *spelt]

    def take(self, stream: int, entry: int) -> None:
        """Go on by one token of the first model."""
        self._unread[stream].append(self._second.spell(entry))

    def _read(self, stream: int) -> None:
        if not self._unread[stream]:
            return
        tokens = np.concatenate(self._unread[stream])
        self._unread[stream] = []
        at = int(self._at[stream])
        self._at[stream] += tokens.size
        if at + tokens.size <= self._cache.capacity:
            self._x[stream] = self._second.network.read(self._cache, stream, tokens, at)[-1]

    def share(self) -> None:
        """All streams have read what the first one has."""
        self._read(0)
        self._cache.share_first(int(self._at[0]))
        self._x[1:] = self._x[0]
        self._at[1:] = self._at[0]

    def sums(self, streams: np.ndarray) -> np.ndarray:
        """int64[m, entries + 1]: cumulative sums, all 0 where a window has become too long."""
        for stream in streams.tolist():
            self._read(stream)
        out = self._sums[: streams.size]
        top = self._second.head
        product, units = top.logits(self._x[streams])
        powers = np.empty(top.said.size, np.float32)
        never = np.zeros(self._second.vocabulary.order.size, np.uint8)
        for r, stream in enumerate(streams.tolist()):
            if self._at[stream] > self._cache.capacity:
                out[r] = 0
                continue
            head.cumulate(product, units, r, top.scale, top.said, never, powers, out[r])
        return out


@jit
def _decisions(vocabulary: Vocabulary, entry: int) -> int:
    node = np.int64(vocabulary.root[0])
    count = 0
    while node >= 0:
        count += 1
        node = np.int64(vocabulary.child[node, side(node, entry)])
    return count


@jit
def _follow_all(
    product: np.ndarray,
    units: np.ndarray,
    scale: np.ndarray,
    said: np.ndarray,
    never: np.ndarray,
    first: Vocabulary,
    second: Vocabulary,
    entries: np.ndarray,
    powers: np.ndarray,
    sums: np.ndarray,
    out: np.ndarray,
    at: int,
) -> int:
    for r in range(entries.size):
        head.cumulate(product, units, r, scale, said, never, powers, sums)
        at += follow(first, second, sums, entries[r], out[at:])
    return at
