"""Running a language model in exact arithmetic, on the CPU.

``tokens ─► embedding ─► (norm ─► q, k, v ─► attention ─► + ─► norm ─► gated unit ─► +) × layers
─► norm ─► output``

Every row is computed from integers that no batch, thread or device can change, so a token's
result is the same whether its window was read at once (:meth:`Network.read`) or it came last
of a sequence, beside those of other streams (:meth:`Network.step`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from ncz.models.language import forward, products, rows
from ncz.models.language.exact import Exact, Linear
from ncz.models.language.forward import Past
from ncz.models.language.panels import LANES, columns, multiply, pack
from ncz.models.language.products import Panels

CHUNK = 96  # rows that are read at once: what belongs to them stays in a core's own cache
_CHUNK_OF_TORCH = 512  # where its products are faster, which they are with many rows


class Engine(Protocol):
    """What runs a model: :class:`Network`, or the plain one on a GPU; each with its own cache.

    Attributes:
        model: what runs.
        size: bytes of its layers' matrices.
        threads: how many may use it at once, each with streams of its own.
    """

    model: Exact
    size: int
    threads: int

    def cache(self, streams: int, capacity: int) -> Any:
        """Room for so many streams of so many tokens."""

    def read(self, cache: Any, stream: int, tokens: np.ndarray, start: int = 0) -> np.ndarray:
        """Take tokens that follow each other: see :meth:`Network.read`."""

    def step(
        self, cache: Any, streams: np.ndarray, tokens: np.ndarray, position: np.ndarray
    ) -> np.ndarray:
        """Take one token of each of several streams: see :meth:`Network.step`."""

    def prepare(self, linear: Linear) -> Any:
        """`linear` in the form that :meth:`product` takes."""

    def product(
        self, x: np.ndarray, prepared: Any, norm: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The last product: see :meth:`Network.product`."""


class Cache:
    """Keys and values of some streams' tokens, as int8.

    Args:
        model: whose.
        streams: how many.
        capacity: positions of each, at most the model's context.
    """

    def __init__(self, model: Exact, streams: int, capacity: int) -> None:
        shape = model.shape
        if capacity > shape.context:
            raise ValueError(f"{capacity} positions, and the model knows {shape.context}")
        self.capacity = capacity
        place = (shape.layers, streams, shape.kv_heads)
        panels, numbers = -(-capacity // LANES), -(-shape.head_width // LANES)
        scales = (*place, panels * LANES)
        self.past = Past(
            keys=np.zeros((*place, panels, shape.head_width // 2, LANES, 2), np.int8),
            values=np.zeros((*place, panels * LANES // 2, numbers * LANES, 2), np.int8),
            key_scale=np.zeros(scales, np.float32),
            value_scale=np.zeros(scales, np.float32),
            most=np.zeros(scales, np.float32),
            shared=np.zeros(place[:2], np.int64),
        )
        self._sees_all = [not shape.slides(i) for i in range(shape.layers)]

    def share_first(self, seen: int) -> None:
        """Give all streams the first `seen` places of the first one.

        Where a layer sees them all, whole panels of them stay where they are. So when the first
        one is read anew from its beginning, all others have to be before they go on.
        """
        past = self.past
        panels = -(-seen // LANES)
        for i, sees_all in enumerate(self._sees_all):
            first = seen // LANES if sees_all else 0
            past.shared[i] = first * LANES
            past.keys[i, 1:, :, first:panels] = past.keys[i, :1, :, first:panels]
            pairs = slice(first * LANES // 2, panels * LANES // 2)
            past.values[i, 1:, :, pairs] = past.values[i, :1, :, pairs]
        for scale in (past.key_scale, past.value_scale, past.most):
            scale[:, 1:, :, :seen] = scale[:, :1, :, :seen]

    def leave(self, stream: int, start: int) -> None:
        """Have `stream` keep all places from `start` on by itself: 0, or behind what it shares."""
        shared = self.past.shared[:, stream]
        if start == 0:
            shared[:] = 0
        elif start < shared.max():
            raise ValueError(f"place {start} of a stream that shares {shared.max()}")

    @staticmethod
    def memory(model: Exact, streams: int, capacity: int) -> int:
        """Bytes that such a cache takes."""
        shape = model.shape
        places = -(-capacity // LANES) * LANES
        wide = shape.head_width + -(-shape.head_width // LANES) * LANES
        return shape.layers * streams * (shape.kv_heads * places * (wide + 12) + 8)


class Network:
    """A model with its weights prepared for products.

    Args:
        model: the weights; :attr:`model` has all but the layers, which are kept packed.
        threads: how many may use it at once; each call is one thread's work.
        way: how to multiply the rows that :meth:`read` takes; the fastest exact one where None.
    """

    def __init__(self, model: Exact, threads: int = 1, way: products.Product | None = None) -> None:
        self.model = replace(model, layers=())
        self.size = model.size
        self.threads = threads
        self._weights = forward.weights_of(model)
        self._way = way or products.on_cpu()
        self._of_torch: list[dict[str, Any]] = []
        if not isinstance(self._way, Panels):
            self._of_torch = [
                {name: self._prepare(getattr(layer, name)) for name in forward.MATRICES}
                for layer in model.layers
            ]
        shape = model.shape
        # Gemma's inputs are scaled up; its widths' roots are rounded to float32 like all else.
        self._input_factor = (
            np.float32(float(shape.width) ** 0.5)
            if shape.architecture == "gemma3"
            else np.float32(1)
        )

    def cache(self, streams: int, capacity: int) -> Cache:
        """Room for so many streams of so many tokens."""
        return Cache(self.model, streams, capacity)

    def read(self, cache: Cache, stream: int, tokens: np.ndarray, start: int = 0) -> np.ndarray:
        """Take tokens that follow each other.

        Args:
            cache: holds the stream's first `start` tokens, and these afterwards.
            stream: of the cache.
            tokens: int64[n].
            start: position of the first one.

        Returns:
            float32[n, width]: the residual after the last layer, for :meth:`product`.
        """
        _check(cache, start + tokens.size - 1)
        cache.leave(stream, start)
        x = self._embed(tokens)
        many = bool(self._of_torch) and tokens.size > CHUNK
        chunk = _CHUNK_OF_TORCH if many else CHUNK
        for at in range(0, tokens.size, chunk):
            some = x[at : at + chunk]
            streams = np.full(len(some), stream)
            position = np.arange(start + at, start + at + len(some))
            if many:
                self._forward_by_torch(cache.past, streams, position, some)
            else:
                forward.forward(self._weights, cache.past, streams, position, some)
        return x

    def step(
        self, cache: Cache, streams: np.ndarray, tokens: np.ndarray, position: np.ndarray
    ) -> np.ndarray:
        """Take one token of each of several streams.

        Args:
            cache: holds what precedes them, and these afterwards.
            streams, tokens, position: int64[m]; no stream twice.

        Returns:
            float32[m, width], as :meth:`read`.
        """
        _check(cache, int(position.max(initial=0)))
        x = self._embed(tokens)
        forward.forward(self._weights, cache.past, streams, position, x)
        return x

    def prepare(self, linear: Linear) -> Any:
        """`linear` in the form that :meth:`product` takes."""
        return pack(linear.weight), columns(len(linear.weight))

    def product(
        self, x: np.ndarray, prepared: Any, norm: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The last product: of the normed residual float32[m, width].

        Returns:
            int32[m, outputs or more], and float32[m], what a unit of each row is worth.
        """
        inner = np.empty(x.shape, np.int16)
        units = np.empty(x.shape[0], np.float32)
        rows.norm(x, norm, self.model.shape.epsilon, inner, units, 0, x.shape[0])
        right, wide = prepared
        out = np.empty((x.shape[0], wide), np.int32)
        multiply(inner, right, out)
        return out, units

    def _embed(self, tokens: np.ndarray) -> np.ndarray:
        table = self.model.embedding
        x = np.empty((tokens.size, self.model.shape.width), np.float32)
        rows.embed(tokens, table.weight, table.scale, self._input_factor, x, 0, tokens.size)
        return x

    def _prepare(self, linear: Linear) -> Any:
        import torch

        return self._way.prepare(torch.from_numpy(linear.weight))

    def _forward_by_torch(
        self, past: Past, streams: np.ndarray, position: np.ndarray, x: np.ndarray
    ) -> None:
        """As :func:`forward.forward`, with products of the library's."""
        import torch

        def product(left: np.ndarray, matrix: str, layer: int, out: np.ndarray) -> None:
            found = self._way.by(torch.from_numpy(left), self._of_torch[layer][matrix])
            out[:, : found.shape[1]] = found.numpy()

        forward.step_by_step(self._weights, past, streams, position, x, product)


def _check(cache: Cache, last: int) -> None:
    """Compiled code would write past the end, and say nothing."""
    if last >= cache.capacity:
        raise ValueError(f"position {last} in a cache of {cache.capacity}")
