"""A language model at work on streams of text: probabilities for what comes next.

The encoder knows all tokens, so it reads whole windows and keeps, of each token, only the
probabilities along its path. The decoder goes token by token, all streams side by side, and
gets the cumulative sums that these probabilities come from. Both are the same integers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from ncz.codec.jit import jit
from ncz.models.language import head
from ncz.models.language.canonical import Mask
from ncz.models.language.head import BATCH, Head
from ncz.models.language.sharing import Sharing
from ncz.models.language.vocabulary import Vocabulary, longest_path, side
from ncz.models.text import kernel
from ncz.models.text.decoding import Decoding
from ncz.models.text.parts import Coded, Part, interleave
from ncz.models.text.second import Second
from ncz.models.text.windowed import Reading, Together
from ncz.models.text.windows import Windows

if TYPE_CHECKING:
    from ncz.models.language.plain_head import Top


class Predictor:
    """One model, ready for both directions. For one caller at a time; it has threads of its own.

    Args:
        head: the network, and its output over the sorted vocabulary.
        mask: what cannot follow a token.
        top: the head once more where the network is on a device, and there.

    Attributes:
        read_ahead: tokens whose probabilities the encoder knows, for whoever shows how far it is.
    """

    def __init__(self, head: Head, mask: Mask, top: Top | None = None) -> None:
        self.read_ahead = 0
        self.network = head.network
        self.head = head
        self.mask = mask
        self.top = top
        self.share = Sharing(head.network.threads)
        self.begin = head.network.model.shape.begin
        self._longest_path = longest_path(head.vocabulary)

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
        reading = Reading(self, streams, windows, second)
        parts: list[Part] = []
        now = 0
        for at, part in self._read(reading, second):
            if at != now:
                yield interleave(parts)
                parts, now = [], at
            parts.append(part)
            self.read_ahead += part.entries.size
        if parts:
            yield interleave(parts)

    def _read(self, reading: Reading, second: Second | None) -> Iterable[tuple[int, Part]]:
        """All pieces in their order, while some of the following are being computed."""
        if self.top is None:
            yield from self.share.ahead(reading.part, reading.pieces())
            return
        together = Together(reading, self.top, second)
        for some in self.share.ahead(together.parts, together.batches()):
            yield from some

    def check(self, windows: Windows) -> None:
        """Whether there is the memory to read such windows.

        Raises:
            NczError: the device that the model is on lacks it.
        """
        if self.top is not None:
            self.top.network.room(windows.window)

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
