"""The encoder's reading: which tokens a piece of work reads, and what coding takes of it.

A piece is one window of one stream. The CPU's threads compute one each; a device computes as many
as its memory holds in one batch. Both give the same probabilities.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ncz.models.language.sharing import Sharing
from ncz.models.text.parts import Part
from ncz.models.text.second import Beside, Second
from ncz.models.text.windows import Span, Windows

if TYPE_CHECKING:
    from ncz.models.language.plain_head import Top
    from ncz.models.text.predictor import Predictor

Piece = tuple[int, Span, int]
"""A window's number, the window, and the stream."""


class Reading:
    """Piece by piece, in whatever thread.

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

    @property
    def places(self) -> int:
        """Tokens of the longest window."""
        return min(self._windows.window, self._longest)

    def pieces(self) -> Iterator[Piece]:
        """Windows, numbered, with each of the streams that have something in them."""
        for at, span in enumerate(self._windows.spans()):
            if span.first >= self._longest:
                return
            for s, entries in enumerate(self._whole):
                if self._first(span, s) < min(span.last, entries.size):
                    yield at, span, s

    def part(self, piece: Piece) -> tuple[int, Part]:
        """The number of a piece's window, and what coding takes."""
        at, span, s = piece
        seen, entries, first = self.tokens(piece)
        if s > 0 and span.first == 0:
            x = self._after_prefix(seen)
        else:
            x = self._read(seen)
            x = x[first - span.context :]
        before = seen[first - span.context :]
        part = self._predictor.part(s, first, x, before, entries)
        if self._second:
            part = replace(part, second=self.opinions(piece))
        return at, part

    def tokens(self, piece: Piece) -> tuple[np.ndarray, np.ndarray, int]:
        """What is read, int64[n]; what is coded, int32[m]; and the index of the first of these."""
        _, span, s = piece
        predictor = self._predictor
        entries = self._whole[s][: span.last]
        first = self._first(span, s)
        begin = np.array([predictor.begin])
        seen = np.concatenate([begin, predictor.tokens(entries[span.context : -1])])
        return seen, entries[first:], first

    def opinions(self, piece: Piece) -> np.ndarray:
        """uint32[...]: the second model's, of a piece."""
        _, span, s = piece
        assert self._second
        beside = getattr(self._of_thread, "beside", None)
        if beside is None:
            beside = self._of_thread.beside = Beside(self._second, self._windows, 1)
        entries = self._whole[s][: span.last]
        return self._second.read(beside, entries, span, self._first(span, s))

    def _first(self, span: Span, s: int) -> int:
        """The first token of stream `s` that is coded in the window."""
        return max(span.first, self._prefix.size if s else 0)

    def _cache(self) -> Any:
        found = getattr(self._of_thread, "cache", None)
        if found is None:
            found = self._of_thread.cache = self._predictor.network.cache(1, self.places)
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


class Together:
    """A device's reading: many pieces in one batch, of which only what coding takes comes back.

    A second model has the CPU's threads, a piece for each.
    """

    def __init__(self, reading: Reading, top: Top, second: Second | None) -> None:
        self._reading = reading
        self._top = top
        self._sizes = top.network.room(reading.places)
        self._cache: Any = None
        self._aside = Sharing(second.network.threads) if second else None

    def batches(self) -> Iterator[list[Piece]]:
        """The pieces in their order, as many together as the device has room for."""
        pieces = self._reading.pieces()
        while some := list(itertools.islice(pieces, self._sizes.windows)):
            yield some

    def parts(self, pieces: list[Piece]) -> list[tuple[int, Part]]:
        """As :meth:`Reading.part`, of each of some pieces."""
        import torch

        given = [self._reading.tokens(piece) for piece in pieces]
        if self._cache is None:  # the first batch is the largest
            self._cache = self._top.network.cache(len(pieces), self._reading.places)
        x = self._top.network.read_many(
            self._cache, [seen for seen, _, _ in given], np.arange(len(pieces)), 0, self._sizes
        )
        own = [x[k, n.size - c.size : n.size] for k, (n, c, _) in enumerate(given)]
        before = [seen[-entries.size :] for seen, entries, _ in given]
        trace, counts = self._top.paths(
            torch.cat(own),
            np.concatenate(before),
            np.concatenate([entries for _, entries, _ in given]),
            self._sizes.outputs,
        )
        seconds = self._opinions(pieces)
        parts, at, trace_at = [], 0, 0
        for k, (_, entries, first) in enumerate(given):
            mine = counts[at : at + entries.size]
            end = trace_at + int(mine.sum())
            number, _, stream = pieces[k]
            part = Part(stream, first, entries, trace[trace_at:end], mine, seconds[k])
            parts.append((number, part))
            at, trace_at = at + entries.size, end
        return parts

    def _opinions(self, pieces: list[Piece]) -> list[np.ndarray]:
        if self._aside is None:
            return [np.empty(0, np.uint32) for _ in pieces]
        return self._aside.all(self._reading.opinions, pieces)
