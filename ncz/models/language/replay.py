"""Steps of many streams, recorded once and replayed: a GPU waits for nobody in between.

A step of one token is hundreds of small operations, and starting each takes longer than the
operation does. CUDA records them as one graph. Its arrays stay where they are and its shapes are
fixed, so all streams of a cache take part in every step, those that have nothing to say as well,
and keys are looked at up to a multiple of some hundreds, of which those not yet there count for
nothing. The results are the same integers. Devices without graphs run the steps as they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ncz.models.language.plain import Network
from ncz.models.language.plain_attention import Cache, Places
from ncz.models.language.plain_head import Top

_SPAN = 256  # keys: a graph for each so many places of a window
_WARM = 2  # runs before a recording, for what libraries do at their first


class Replay:
    """One token of each of a cache's streams, again and again.

    Args:
        network, top: the model.
        cache: of all streams.
        record: whether to use graphs; where None, on GPUs.
    """

    def __init__(
        self, network: Network, top: Top, cache: Cache, record: bool | None = None
    ) -> None:
        self._network = network
        self._top = top
        self._cache = cache
        self._graphs: dict[int, tuple[torch.cuda.CUDAGraph, Tensor, Tensor]] = {}
        self._pool: Any = None  # memory of all graphs, of which one runs at a time
        self.records = network.device.startswith("cuda") if record is None else record
        count = cache.streams
        self._streams = network.tensor(np.arange(count))
        self._tokens = network.tensor(np.zeros(count, np.int64))
        self._position = network.tensor(np.zeros(count, np.int64))
        self._masks = network.tensor(np.zeros(count, np.int64))

    def step(
        self, streams: np.ndarray, tokens: np.ndarray, position: np.ndarray
    ) -> tuple[Tensor, Tensor]:
        """Take one token of each of some streams.

        Args:
            streams, tokens, position: int64[m], as for :meth:`Network.step`.

        Returns:
            float32[m, width], the residuals, and int64[m, entries + 1], the sums for what comes
            next; on the device, until the next step.
        """
        network = self._network
        if not self.records:
            x = network.step_many(self._cache, streams, tokens, position)
            return x, self._top.sums(x, self._top.places(tokens))
        last = int(position.max())
        if last >= self._cache.capacity:
            raise ValueError(f"position {last} in a cache of {self._cache.capacity}")
        which = network.tensor(streams)
        # A stream that has no part says something in its last place, at which nobody looks before
        # it is written to again.
        self._position.fill_(self._cache.capacity - 1)
        self._tokens[which] = network.tensor(tokens)
        self._position[which] = network.tensor(position)
        self._masks[which] = self._top.places(tokens)
        span = min(-(-(last + 1) // _SPAN) * _SPAN, self._cache.capacity)
        with network.here():
            x, sums = self._run(span)
        if streams.size == self._cache.streams and bool((np.diff(streams) > 0).all()):
            return x, sums
        return x[which], sums[which]

    def _run(self, span: int) -> tuple[Tensor, Tensor]:
        found = self._graphs.get(span)
        if found is None:
            found = self._graphs[span] = self._record(span)
            self._pool = found[0].pool()
        graph, x, sums = found
        graph.replay()
        return x, sums

    def _record(self, span: int) -> tuple[torch.cuda.CUDAGraph, Tensor, Tensor]:
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(_WARM):  # once more is no harm: the same goes to the same places
                self.fixed(span)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            x, sums = self.fixed(span)
        return graph, x, sums

    def fixed(self, span: int) -> tuple[Tensor, Tensor]:
        """What is recorded: a step of all streams, whose shapes `span` alone decides."""
        every = slice(0, self._cache.streams)
        at = Places(self._streams, every, self._position[:, None], 0, span - 1)
        sizes = self._network.sizes
        x = self._network.run(self._cache, at, self._tokens[:, None], sizes.scores)[:, 0]
        return x, self._top.sums(x, self._masks)
