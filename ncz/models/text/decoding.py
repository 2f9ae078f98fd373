"""The decoder's side of a language model: token by token, all streams of a block side by side.

Where the model runs decides how streams go on: on the CPU its threads share them out among
themselves (:class:`OnHost`), on a device all make one batch, and of what is computed there the
cumulative sums alone come back (:class:`OnDevice`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from ncz.models.text.second import Beside, Second
from ncz.models.text.windows import Windows

if TYPE_CHECKING:
    from ncz.models.language.plain_head import Top
    from ncz.models.text.predictor import Predictor


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
        top = predictor.top
        self._going: Going = (
            OnHost(predictor, streams, places) if top is None else OnDevice(top, streams, places)
        )
        self._said: list[list[int]] = [[] for _ in range(streams)]  # entries
        self._beside = Beside(second, windows, streams) if second else None
        self._spans = windows.spans()
        self._span = next(self._spans)
        self._prefix = windows.prefix if streams > 1 else 0
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
            it has no opinion, or None without such a model. Until the next call.
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
        out = self._going.room[: streams.size]

        def some(mine: np.ndarray | None) -> np.ndarray | None:
            if mine is None:
                assert self._beside is not None
                return self._beside.sums(streams)
            own = streams[mine]
            if advance:
                self._advance(own, fresh)
            self._going.sums(own, self._before(own), out[mine[0] : mine[-1] + 1])
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
        if not fresh:
            position = np.full(streams.size, self.round - self._span.context, np.int64)
            self._going.step(streams, self._before(streams), position)
            return
        begin = np.array([self._predictor.begin])
        tokens = [
            np.concatenate(
                [begin, self._predictor.tokens(np.array(self._said[s][self._span.context :], int))]
            )
            for s in streams.tolist()
        ]
        self._going.read(streams, tokens)

    def _share_prefix(self) -> None:
        """All streams begin with what the first has said by now."""
        self._going.share_first(self._prefix + 1)
        if self._beside:
            self._beside.share()
        for said in self._said[1:]:
            said.extend(self._said[0])


class Going(Protocol):
    """Streams that a model goes on with.

    Attributes:
        room: int64[streams, entries + 1], where :meth:`sums` are to be written.
    """

    room: np.ndarray

    def read(self, streams: np.ndarray, tokens: list[np.ndarray]) -> None:
        """Start afresh: int64[any] for each of the streams int64[m]."""

    def step(self, streams: np.ndarray, tokens: np.ndarray, position: np.ndarray) -> None:
        """Take int64[m], a token of each, at int64[m]."""

    def share_first(self, seen: int) -> None:
        """All streams have read the first one's `seen` tokens."""

    def sums(self, streams: np.ndarray, before: np.ndarray, out: np.ndarray) -> None:
        """What comes next; `before` is the last token of each; `out` a part of :attr:`room`."""


class OnHost:
    """Streams on the CPU. Threads may call at once, each for streams of its own."""

    def __init__(self, predictor: Predictor, streams: int, places: int) -> None:
        self._predictor = predictor
        self._network = predictor.network
        self._cache = self._network.cache(streams, places)
        self._x = np.zeros((streams, self._network.model.shape.width), np.float32)
        self.room = np.empty((streams, predictor.vocabulary.order.size + 1), np.int64)

    def read(self, streams: np.ndarray, tokens: list[np.ndarray]) -> None:
        """See :class:`Going`."""
        for s, own in zip(streams.tolist(), tokens, strict=True):
            self._x[s] = self._network.read(self._cache, s, own)[-1]

    def step(self, streams: np.ndarray, tokens: np.ndarray, position: np.ndarray) -> None:
        """See :class:`Going`."""
        self._x[streams] = self._network.step(self._cache, streams, tokens, position)

    def share_first(self, seen: int) -> None:
        """See :class:`Going`."""
        self._cache.share_first(seen)
        self._x[1:] = self._x[0]

    def sums(self, streams: np.ndarray, before: np.ndarray, out: np.ndarray) -> None:
        """See :class:`Going`."""
        self._predictor.sums(self._x[streams], before, out)


class OnDevice:
    """Streams on a device, for one thread."""

    def __init__(self, top: Top, streams: int, places: int) -> None:
        import torch

        from ncz.models.language.replay import Replay

        self._top = top
        self._network = top.network
        self._sizes = self._network.room(places)
        self._cache = self._network.cache(streams, places)
        self._replay = Replay(self._network, top, self._cache)
        self._x = torch.zeros(
            (streams, self._network.model.shape.width), device=self._network.device
        )
        self._ready: torch.Tensor | None = None  # sums, where a step has brought them already
        # Where the device may write by itself, half the time is saved.
        self.room = torch.empty(
            (streams, top.entries + 1), dtype=torch.int64, pin_memory=self._replay.records
        ).numpy()

    def read(self, streams: np.ndarray, tokens: list[np.ndarray]) -> None:
        """See :class:`Going`."""
        self._ready = None
        for at in range(0, streams.size, self._sizes.windows):
            some = streams[at : at + self._sizes.windows]
            own = tokens[at : at + some.size]
            x = self._network.read_many(self._cache, own, some, sizes=self._sizes)
            for k, s in enumerate(some.tolist()):
                self._x[s] = x[k, own[k].size - 1]

    def step(self, streams: np.ndarray, tokens: np.ndarray, position: np.ndarray) -> None:
        """See :class:`Going`."""
        x, self._ready = self._replay.step(streams, tokens, position)
        self._x[self._network.tensor(streams)] = x

    def share_first(self, seen: int) -> None:
        """See :class:`Going`."""
        self._ready = None
        self._cache.share_first(seen)
        self._x[1:] = self._x[0]

    def sums(self, streams: np.ndarray, before: np.ndarray, out: np.ndarray) -> None:
        """See :class:`Going`. After a step, `streams` are those that took it."""
        import torch

        found = self._ready
        if found is None:
            x = self._x[self._network.tensor(streams)]
            found = self._top.sums(x, self._top.places(before))
        torch.from_numpy(out).copy_(found)
