"""A language model at work on streams of text: probabilities for what comes next.

The encoder knows all tokens, so it reads whole windows and keeps, of each token, only the
probabilities along its path. The decoder goes token by token, all streams side by side, and
gets the cumulative sums that these probabilities come from. Both are the same integers.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ncz.codec.jit import jit
from ncz.models.language import head
from ncz.models.language.canonical import Mask
from ncz.models.language.head import BATCH, Head
from ncz.models.language.sharing import Sharing
from ncz.models.language.vocabulary import Vocabulary, longest_path, side
from ncz.models.text import kernel
from ncz.models.text.second import Beside, Second
from ncz.models.text.windows import Span, Windows


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
    """One model, ready for both directions. For one caller at a time; it has threads of its own.

    Attributes:
        read_ahead: tokens whose probabilities the encoder knows, for whoever shows how far it is.
    """

    def __init__(self, top: Head, mask: Mask) -> None:
        self.read_ahead = 0
        self.network = top.network
        self.head = top
        self.mask = mask
        self.share = Sharing(top.network.threads)
        self.begin = top.network.model.shape.begin
        self._longest_path = longest_path(top.vocabulary)

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens, sorted."""
        return self.head.vocabulary

    def tokens(self, entries: np.ndarray) -> np.ndarray:
        """See :meth:`ncz.models.language.head.Head.tokens`."""
        return self.head.tokens(entries)

    def encode(
        self, streams: list[np.ndarray], windows: Windows, second: Second | None = None
    ) -> Iterator[Coded]:
        """What coding takes, window after window.

        Args:
            streams: the entries of each stream, int32[any].
            windows: how to cut them.
            second: a second model to ask, too.
        """
        reading = _Reading(self, streams, windows, second)
        parts: list[Part] = []
        now = 0
        for at, part in self.share.ahead(reading.part, reading.pieces()):
            if at != now:
                yield _interleave(parts)
                parts, now = [], at
            parts.append(part)
            self.read_ahead += part.entries.size
        if parts:
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
        part = self.part(0, 0, x, before, entries)
        taken = np.empty(part.trace.size, np.uint8)
        _sides(self.vocabulary, entries, taken)
        p1 = part.trace / float(1 << 24)
        costs = -np.log2(np.where(taken == 1, p1, 1 - p1))
        return np.add.reduceat(costs, np.cumsum(part.counts) - part.counts)

    def part(
        self, stream: int, first: int, x: np.ndarray, before: np.ndarray, entries: np.ndarray
    ) -> Part:
        """Probabilities along the paths to `entries`; arguments as in :meth:`bits`."""
        traces, counts = [], []
        for at in range(0, entries.size, BATCH):
            product, units = self.head.logits(x[at : at + BATCH])
            some = np.ascontiguousarray(entries[at : at + BATCH])
            never = self.never(before[at : at + BATCH])
            self.look(first + at, product, units, never)
            out = np.empty((some.size, self._longest_path), np.uint32)
            count = np.empty(some.size, np.int64)
            _trace(
                product,
                units,
                self.head.scale,
                self.head.said,
                never,
                self.vocabulary,
                some,
                out,
                count,
            )
            traces.append(out[np.arange(self._longest_path) < count[:, None]])
            counts.append(count)
        return Part(stream, first, entries, np.concatenate(traces), np.concatenate(counts))

    def look(self, first: int, product: np.ndarray, units: np.ndarray, never: np.ndarray) -> None:
        """What :meth:`part` knows of the tokens from `first` on; for whoever wants to see it."""

    def sums(self, x: np.ndarray, before: np.ndarray, out: np.ndarray) -> None:
        """Cumulative sums of all entries for rows of residuals.

        Args:
            x: float32[m, width].
            before: int64[m], the tokens before those that are to come.
            out: int64[m, entries + 1], written.
        """
        for at in range(0, before.size, BATCH):
            product, units = self.head.logits(x[at : at + BATCH])
            _cumulate(
                product,
                units,
                self.head.scale,
                self.head.said,
                self.never(before[at : at + BATCH]),
                out[at : at + BATCH],
            )

    def decoder(
        self, windows: Windows, streams: int, capacity: int, second: Second | None = None
    ) -> Decoding:
        """The other direction, for so many streams of up to `capacity` tokens each."""
        return Decoding(self, windows, streams, capacity, second)


class _Reading:
    """The encoder's reading, piece by piece: one window of one stream, in whatever thread.

    Each thread has a cache of its own. While it holds the first stream's prefix, pieces that
    begin with it go on from there.
    """

    def __init__(
        self,
        predictor: Predictor,
        streams: list[np.ndarray],
        windows: Windows,
        second: Second | None,
    ) -> None:
        self._predictor = predictor
        self._windows = windows
        self._second = second
        self._prefix = streams[0][: windows.prefix] if len(streams) > 1 else streams[0][:0]
        self._whole = [streams[0], *(np.concatenate([self._prefix, own]) for own in streams[1:])]
        self._longest = max(entries.size for entries in self._whole)
        self._of_thread = threading.local()

    def pieces(self) -> Iterator[tuple[int, Span, int]]:
        """Windows, numbered, with each of the streams that have something in them."""
        for at, span in enumerate(self._windows.spans()):
            if span.first >= self._longest:
                return
            for s, entries in enumerate(self._whole):
                if self._first(span, s) < min(span.last, entries.size):
                    yield at, span, s

    def part(self, piece: tuple[int, Span, int]) -> tuple[int, Part]:
        """The number of a piece's window, and what coding takes."""
        at, span, s = piece
        predictor = self._predictor
        entries = self._whole[s][: span.last]
        first = self._first(span, s)
        begin = np.array([predictor.begin])
        seen = np.concatenate([begin, predictor.tokens(entries[span.context : -1])])
        if s > 0 and span.first == 0:
            x = self._after_prefix(seen)
        else:
            x = self._read(seen)
            x = x[first - span.context :]
        before = seen[first - span.context :]
        part = predictor.part(s, first, x, before, entries[first:])
        if self._second:
            seconds = self._second.read(self._beside(self._second), entries, span, first)
            part = replace(part, second=seconds)
        return at, part

    def _first(self, span: Span, s: int) -> int:
        """The first token of stream `s` that is coded in the window."""
        return max(span.first, self._prefix.size if s else 0)

    def _cache(self) -> Any:
        found = getattr(self._of_thread, "cache", None)
        if found is None:
            room = min(self._windows.window, self._longest)
            found = self._of_thread.cache = self._predictor.network.cache(1, room)
        return found

    def _beside(self, second: Second) -> Beside:
        found = getattr(self._of_thread, "beside", None)
        if found is None:
            found = self._of_thread.beside = Beside(second, self._windows, 1)
        return found

    def _read(self, tokens: np.ndarray) -> np.ndarray:
        self._of_thread.after_prefix = None
        return self._predictor.network.read(self._cache(), 0, tokens)

    def _after_prefix(self, tokens: np.ndarray) -> np.ndarray:
        """Residuals from the last token of the prefix on, which others than the first share."""
        size = self._prefix.size + 1
        last = getattr(self._of_thread, "after_prefix", None)
        if last is None:
            last = self._read(tokens[:size])[-1:]
            self._of_thread.after_prefix = last
        x = self._predictor.network.read(self._cache(), 0, tokens[size:], size)
        return np.concatenate([last, x])


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
        count = predictor.vocabulary.order.size
        self._sums = np.empty((streams, count + 1), np.int64)
        self.round = 0

    def turn(self, active: np.ndarray) -> np.ndarray:
        """The streams, of those that go on, that have a token coded in this round; int64[m]."""
        if self.round < self._prefix:
            return active[active == 0]
        return active

    def sums(self, streams: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Cumulative sums for the next token of each of `streams`.

        Returns:
            int64[m, entries + 1], and the second model's int64[m, its entries + 1], all 0 where
            it has no opinion, or None without such a model.
        """
        fresh = self.round == 0
        if self.round == self._span.last:
            self._span, fresh = next(self._spans), True
        if self._beside and fresh:
            for s in streams.tolist():
                self._beside.start(s, self._said[s][self._span.context :])
        advance = True
        if self.round == self._prefix and self._prefix:
            self._advance(np.zeros(1, np.int64), False)
            self._share_prefix()
            advance = False
        out = self._sums[: streams.size]

        def some(mine: np.ndarray | None) -> np.ndarray | None:
            if mine is None:
                assert self._beside is not None
                return self._beside.sums(streams)
            own = streams[mine]
            if advance:
                self._advance(own, fresh)
            self._predictor.sums(self._x[own], self._before(own), out[mine[0] : mine[-1] + 1])
            return None

        share = self._predictor.share
        groups = np.array_split(np.arange(streams.size), min(share.threads, streams.size))
        opinions = share.all(some, [*groups, *([None] if self._beside else [])])[-1]
        return out, opinions

    def take(self, streams: np.ndarray, entries: np.ndarray) -> None:
        """Note the decoded `entries` of `streams`; ends the round."""
        for s, entry in zip(streams.tolist(), entries.tolist(), strict=True):
            self._said[s].append(entry)
            if self._beside:
                self._beside.take(s, entry)
        self.round += 1

    def _before(self, streams: np.ndarray) -> np.ndarray:
        """int64[m]: the last token of each stream."""
        if self.round == 0:
            return np.full(streams.size, self._predictor.begin)
        return self._predictor.tokens(np.array([self._said[s][-1] for s in streams.tolist()]))

    def _advance(self, streams: np.ndarray, fresh: bool) -> None:
        """Have the model read what it has not read of some streams."""
        predictor = self._predictor
        if not fresh:
            position = np.full(streams.size, self.round - self._span.context, np.int64)
            self._x[streams] = predictor.network.step(
                self._cache, streams, self._before(streams), position
            )
            return
        for s in streams.tolist():
            seen = predictor.tokens(np.array(self._said[s][self._span.context :], np.int64))
            tokens = np.concatenate([np.array([predictor.begin]), seen])
            self._x[s] = predictor.network.read(self._cache, s, tokens)[-1]

    def _share_prefix(self) -> None:
        """All streams begin with what the first has said by now."""
        self._cache.share_first(self._prefix + 1)
        self._x[1:] = self._x[0]
        if self._beside:
            self._beside.share()
        for said in self._said[1:]:
            said.extend(self._said[0])


@dataclass(frozen=True)
class Part:
    """One stream's share of a window: first index, entries, trace and its count per token."""

    stream: int
    first: int
    entries: np.ndarray
    trace: np.ndarray
    counts: np.ndarray
    second: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint32))


def _interleave(parts: list[Part]) -> Coded:
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
) -> None:
    powers = np.empty(said.size, np.float32)
    sums = np.empty(vocabulary.order.size + 1, np.int64)
    for r in range(units.size):
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
) -> None:
    powers = np.empty(said.size, np.float32)
    for r in range(units.size):
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
