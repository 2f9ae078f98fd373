"""A language model at work on streams of text: probabilities for what comes next.

The encoder knows all tokens, so it reads whole windows and keeps, of each token, only the
probabilities along its path. The decoder goes token by token, all streams side by side, and
gets the cumulative sums that these probabilities come from. Both are the same integers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from ncz.codec.jit import jit
from ncz.models.language import head
from ncz.models.language.canonical import Mask
from ncz.models.language.head import BATCH, Head
from ncz.models.language.sharing import Sharing
from ncz.models.language.vocabulary import STEPS, Vocabulary, side
from ncz.models.text import kernel
from ncz.models.text.second import Beside, Second, share_first
from ncz.models.text.windows import Windows


@dataclass(frozen=True)
class Coded:
    """What one window of all streams brings, in the order of coding.

    Attributes:
        rounds: int64[m]: the tokens' index in their streams, the prefix counted.
        streams: int64[m].
        entries: int32[m].
        trace: uint32[...], the tokens' probabilities end to end.
        counts: int64[m]: how many each token has.
        second: uint32[...]: a second model's opinions on the same decisions, or none at all.
    """

    rounds: np.ndarray
    streams: np.ndarray
    entries: np.ndarray
    trace: np.ndarray
    counts: np.ndarray
    second: np.ndarray


class Predictor:
    """One model, ready for both directions. For one thread at a time.

    Attributes:
        read_ahead: tokens whose probabilities the encoder knows, for whoever shows how far it is.
    """

    def __init__(self, top: Head, mask: Mask, threads: int = 1) -> None:
        self.read_ahead = 0
        self.network = top.network
        self.head = top
        self.mask = mask
        self.share = Sharing(threads, least=4)
        self.begin = top.network.model.shape.begin
        self._longest_path = STEPS * (int(top.vocabulary.length.max()) + 1)

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens, sorted."""
        return self.head.vocabulary

    def tokens(self, entries: np.ndarray) -> np.ndarray:
        """int64: what to feed for `entries`: an escape, which no token says, is the beginning."""
        tokens = self.vocabulary.order[entries].astype(np.int64)
        return np.where(tokens >= 0, tokens, self.begin)

    def encode(
        self, streams: list[np.ndarray], windows: Windows, second: Second | None = None
    ) -> Iterator[Coded]:
        """What coding takes, window after window.

        Args:
            streams: the entries of each stream, int32[any].
            windows: how to cut them.
            second: a second model to ask, too.
        """
        prefix = streams[0][: windows.prefix] if len(streams) > 1 else streams[0][:0]
        whole = [streams[0], *(np.concatenate([prefix, own]) for own in streams[1:])]
        skip = [0, *(prefix.size for _ in streams[1:])]
        longest = max(entries.size for entries in whole)
        cache = self.network.cache(1, min(windows.window, longest))
        beside = second.cache(1, windows) if second else None
        last_of_prefix = np.empty(0, np.float32)
        for span in windows.spans():
            if span.first >= longest:
                return
            parts: list[_Part] = []
            for s, entries in enumerate(whole):
                last = min(span.last, entries.size)
                first = max(span.first, skip[s])
                if first >= last:
                    continue
                seen = self.tokens(entries[span.context : last - 1])
                if s > 0 and span.first == 0:
                    # What the first stream read of the prefix is still there.
                    x = self.network.read(cache, 0, seen[prefix.size :], prefix.size + 1)
                    x = np.concatenate([last_of_prefix, x])
                else:
                    x = self.network.read(cache, 0, np.concatenate([[self.begin], seen]))
                    if span.first == 0:
                        last_of_prefix = x[prefix.size : prefix.size + 1].copy()
                    x = x[first - span.context :]
                before = np.concatenate([[self.begin], seen])[first - span.context :]
                part = self._part(s, first, x, before, entries[first:last])
                if second and beside:
                    seconds = second.read(beside, entries[:last], span, first)
                    part = replace(part, second=seconds)
                parts.append(part)
            yield _interleave(parts)

    def never(self, before: np.ndarray) -> np.ndarray:
        """uint8[m, entries]: what cannot follow each of these tokens, int64[m]."""
        out = np.empty((before.size, self.vocabulary.order.size), np.uint8)
        for row, token in zip(out, before.tolist(), strict=True):
            row[:] = self.mask.after(token)
        return out

    def bits(self, x: np.ndarray, entries: np.ndarray, before: np.ndarray) -> np.ndarray:
        """float64[m]: what the model alone takes for `entries`. For reports and estimates.

        Args:
            x: float32[m, width], rows of :meth:`Network.read`.
            entries: int32[m], what came after each.
            before: int64[m], the tokens before them.
        """
        part = self._part(0, 0, x, before, entries)
        taken = np.empty(part.trace.size, np.uint8)
        _sides(self.vocabulary, entries, taken)
        p1 = part.trace / float(1 << 24)
        costs = -np.log2(np.where(taken == 1, p1, 1 - p1))
        return np.add.reduceat(costs, np.cumsum(part.counts) - part.counts)

    def _part(
        self, stream: int, first: int, x: np.ndarray, before: np.ndarray, entries: np.ndarray
    ) -> _Part:
        traces, counts = [], []
        for at in range(0, entries.size, BATCH):
            product, units = self.head.logits(x[at : at + BATCH])
            some = np.ascontiguousarray(entries[at : at + BATCH])
            out = np.empty((some.size, self._longest_path), np.uint32)
            count = np.empty(some.size, np.int64)
            self.share(
                _trace,
                some.size,
                product,
                units,
                self.head.linear.scale,
                self.head.said,
                self.never(before[at : at + BATCH]),
                self.vocabulary,
                some,
                out,
                count,
            )
            traces.append(out[np.arange(self._longest_path) < count[:, None]])
            counts.append(count)
            self.read_ahead += some.size
        return _Part(stream, first, entries, np.concatenate(traces), np.concatenate(counts))

    def decoder(
        self, windows: Windows, streams: int, capacity: int, second: Second | None = None
    ) -> Decoding:
        """The other direction, for so many streams of up to `capacity` tokens each."""
        return Decoding(self, windows, streams, capacity, second)


class Decoding:
    """The state of a block that is being decoded: what each stream has said."""

    def __init__(
        self,
        predictor: Predictor,
        windows: Windows,
        streams: int,
        capacity: int,
        second: Second | None,
    ) -> None:
        self._predictor = predictor
        places = min(windows.window, capacity + windows.prefix + 1)
        self._cache = predictor.network.cache(streams, places)
        self._said: list[list[int]] = [[] for _ in range(streams)]  # entries
        self._beside = Beside(second, windows, streams) if second else None
        self._spans = windows.spans()
        self._span = next(self._spans)
        self._prefix = windows.prefix if streams > 1 else 0
        self._x = np.zeros((streams, predictor.network.model.shape.width), np.float32)
        self._fresh = True
        count = predictor.vocabulary.order.size
        self._sums = np.empty((streams, count + 1), np.int64)
        self.round = 0

    def turn(self, active: np.ndarray) -> np.ndarray:
        """The streams, of those that go on, that have a token coded in this round; int64[m]."""
        if self.round < self._prefix:
            return active[active == 0]
        return active

    def sums(self, streams: np.ndarray) -> np.ndarray:
        """int64[m, entries + 1]: cumulative sums for the next token of each of `streams`."""
        network, top = self._predictor.network, self._predictor.head
        if self.round == self._span.last:
            self._span = next(self._spans)
            self._fresh = True
        if self._fresh:
            for s in streams.tolist():
                seen = np.array(self._said[s][self._span.context : self.round], np.int64)
                fed = self._predictor.tokens(seen)
                tokens = np.concatenate([np.array([self._predictor.begin]), fed])
                self._x[s] = network.read(self._cache, s, tokens)[-1]
                if self._beside:
                    self._beside.start(s, seen)
            self._fresh = False
        elif self.round == self._prefix and self._prefix:
            self._share_prefix()
        out = self._sums[: streams.size]
        before = np.full(streams.size, self._predictor.begin)
        if self.round:
            last = np.array([self._said[s][-1] for s in streams.tolist()])
            before = self._predictor.tokens(last)
        for at in range(0, streams.size, BATCH):
            product, units = top.logits(self._x[streams[at : at + BATCH]])
            self._predictor.share(
                _cumulate,
                units.size,
                product,
                units,
                top.linear.scale,
                top.said,
                self._predictor.never(before[at : at + BATCH]),
                out[at : at + BATCH],
            )
        return out

    def take(self, streams: np.ndarray, entries: np.ndarray) -> None:
        """Go on by the decoded `entries` of `streams`; ends the round."""
        tokens = self._predictor.tokens(entries)
        for s, entry in zip(streams.tolist(), entries.tolist(), strict=True):
            self._said[s].append(entry)
        self.round += 1
        if self.round == self._span.last:
            return
        position = np.full(streams.size, self.round - self._span.context, np.int64)
        self._x[streams] = self._predictor.network.step(self._cache, streams, tokens, position)
        if self._beside:
            for s, entry in zip(streams.tolist(), entries.tolist(), strict=True):
                self._beside.take(s, entry)

    def opinions(self, streams: np.ndarray) -> np.ndarray:
        """int64[m, second's entries + 1]: the second model's sums, all 0 where it has none."""
        assert self._beside is not None
        return self._beside.sums(streams)

    def _share_prefix(self) -> None:
        """All streams begin with what the first has said by now."""
        share_first(self._cache, self._prefix + 1)
        self._x[1:] = self._x[0]
        if self._beside:
            self._beside.share()
        for said in self._said[1:]:
            said.extend(self._said[0])


@dataclass(frozen=True)
class _Part:
    """One stream's share of a window: first index, entries, trace and its count per token."""

    stream: int
    first: int
    entries: np.ndarray
    trace: np.ndarray
    counts: np.ndarray
    second: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint32))


def _interleave(parts: list[_Part]) -> Coded:
    """Round by round, in each round the streams in their order."""
    index = np.concatenate([part.first + np.arange(part.entries.size) for part in parts])
    streams = np.repeat([part.stream for part in parts], [part.entries.size for part in parts])
    order = np.lexsort((streams, index))
    counts = np.concatenate([part.counts for part in parts])
    trace = np.concatenate([part.trace for part in parts])
    starts = np.cumsum(counts) - counts
    out = np.empty_like(trace)
    _gather(trace, starts, counts, order, out)
    second = np.concatenate([part.second for part in parts])
    beside = np.empty_like(second)
    if second.size:
        _gather(second, starts, counts, order, beside)
    entries = np.concatenate([part.entries for part in parts])
    return Coded(
        index[order],
        streams[order].astype(np.int64),
        np.ascontiguousarray(entries[order], np.int32),
        out,
        counts[order],
        beside,
    )


@jit
def _gather(
    trace: np.ndarray, starts: np.ndarray, counts: np.ndarray, order: np.ndarray, out: np.ndarray
) -> None:
    at = 0
    for i in order:
        for k in range(counts[i]):
            out[at + k] = trace[starts[i] + k]
        at += counts[i]


@jit
def _trace(
    product: np.ndarray,
    units: np.ndarray,
    scale: np.ndarray,
    said: np.ndarray,
    never: np.ndarray,
    vocabulary: Vocabulary,
    entries: np.ndarray,
    out: np.ndarray,
    counts: np.ndarray,
    first: int,
    last: int,
) -> None:
    powers = np.empty(said.size, np.float32)
    sums = np.empty(vocabulary.order.size + 1, np.int64)
    for r in range(first, last):
        head.cumulate(product, units, r, scale, said, never[r], powers, sums)
        counts[r] = kernel.trace(vocabulary, sums, entries[r], out[r])


@jit
def _cumulate(
    product: np.ndarray,
    units: np.ndarray,
    scale: np.ndarray,
    said: np.ndarray,
    never: np.ndarray,
    out: np.ndarray,
    first: int,
    last: int,
) -> None:
    powers = np.empty(said.size, np.float32)
    for r in range(first, last):
        head.cumulate(product, units, r, scale, said, never[r], powers, out[r])


@jit
def _sides(vocabulary: Vocabulary, entries: np.ndarray, out: np.ndarray) -> None:
    """The side taken at every decision on the paths to `entries`."""
    at = 0
    for entry in entries:
        node = np.int64(vocabulary.root[0])
        while node >= 0:
            out[at] = side(node, entry)
            node = np.int64(vocabulary.child[node, out[at]])
            at += 1
