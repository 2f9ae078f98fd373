"""Running a language model in exact arithmetic.

``tokens ─► embedding ─► (norm ─► q, k, v ─► attention ─► + ─► norm ─► gated unit ─► +) × layers
─► norm ─► output``

Every row is computed from integers that no batch, thread or device can change, so a token's
result is the same whether its window was read at once (:meth:`Network.read`) or it came last
of a sequence, beside those of other streams (:meth:`Network.step`).
"""

from __future__ import annotations

import math
import threading
from typing import Any, Protocol

import numpy as np

from ncz.models.language import attention, products, rows
from ncz.models.language.exact import Exact, Layer, Linear
from ncz.models.language.sharing import Sharing

CHUNK = 512  # rows that are read at once: enough for fast products, few enough for the caches
_MANY = 128  # rows of limbs, from which on they are shared out instead of outputs
_ATTENTION_ROWS = 128  # of them whose scores are held at once
_NOTHING = np.empty(0, np.float32)


class Engine(Protocol):
    """What runs a model: :class:`Network`, or the plain one on a GPU; each with its own cache."""

    model: Exact

    def cache(self, streams: int, capacity: int) -> Any:
        """Room for so many streams of so many tokens."""

    def read(self, cache: Any, stream: int, tokens: np.ndarray, start: int = 0) -> np.ndarray:
        """Take tokens that follow each other: see :meth:`Network.read`."""

    def step(
        self, cache: Any, streams: np.ndarray, tokens: np.ndarray, position: np.ndarray
    ) -> np.ndarray:
        """Take one token of each of several streams: see :meth:`Network.step`."""

    def product(self, x: np.ndarray, linear: Linear, norm: np.ndarray) -> tuple[Any, np.ndarray]:
        """The last product: see :meth:`Network.product`."""

    def prepare(self, linear: Linear) -> None:
        """Make `linear` ready for :meth:`product`."""


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
        place = (shape.layers, streams, shape.kv_heads, capacity)
        self.capacity = capacity
        self.keys = np.zeros((*place, shape.head_width), np.int8)
        self.values = np.zeros((*place, shape.head_width), np.int8)
        self.key_scale = np.zeros(place, np.float32)
        self.value_scale = np.zeros(place, np.float32)
        self.most = np.zeros(place, np.float32)

    @staticmethod
    def memory(model: Exact, streams: int, capacity: int) -> int:
        """Bytes that such a cache takes."""
        shape = model.shape
        return shape.layers * streams * shape.kv_heads * capacity * (2 * shape.head_width + 12)


class Network:
    """A model with its weights prepared for products.

    Args:
        model: the weights.
        threads: how many may work at once; results do not depend on it.
        way: how to multiply; the fastest exact one where None.
    """

    def __init__(self, model: Exact, threads: int = 1, way: products.Product | None = None) -> None:
        self.model = model
        self._threads = threads
        self._share = Sharing(threads)
        self._share_few = Sharing(threads, least=2)
        self._way = way or products.best()
        self._weights = {id(linear): self._prepare(linear) for linear in self._linears()}
        self._factor = attention.query_factor(model.shape.head_width)
        self._buffers: dict[str, np.ndarray] = {}
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
        out = np.empty((tokens.size, self.model.shape.width), np.float32)
        for at in range(0, tokens.size, CHUNK):
            piece = tokens[at : at + CHUNK]
            x = out[at : at + piece.size]
            self._embed(piece, x)
            position = np.arange(start + at, start + at + piece.size)
            streams = np.full(piece.size, stream)
            for i, layer in enumerate(self.model.layers):
                self._layer(i, layer, x, cache, streams, position, True)
        return out

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
        x = np.empty((tokens.size, self.model.shape.width), np.float32)
        self._embed(tokens, x)
        for i, layer in enumerate(self.model.layers):
            self._layer(i, layer, x, cache, streams, position, False)
        return x

    def product(self, x: np.ndarray, linear: Linear, norm: np.ndarray) -> tuple[Any, np.ndarray]:
        """The last product: of the normed residual float32[m, width].

        Returns:
            int32[2 m, outputs], as limbs, and float32[m], what a unit of each row is worth.
        """
        return self._normed(x, norm, linear)

    def prepare(self, linear: Linear) -> None:
        """Make `linear` ready for :meth:`product`."""
        self._weights[id(linear)] = self._prepare(linear)

    def _linears(self) -> list[Linear]:
        return [
            linear
            for layer in self.model.layers
            for linear in (layer.qkv, layer.out, layer.gate_up, layer.down)
        ]

    def _prepare(self, linear: Linear) -> Any:
        import torch

        whole = torch.from_numpy(linear.weight)
        if self._threads == 1 or not self._way.splits:
            return self._way.prepare(whole), ()
        size = -(-whole.shape[0] // self._threads)
        parts = [whole[at : at + size] for at in range(0, whole.shape[0], size)]
        return self._way.prepare(whole), tuple(self._way.prepare(part) for part in parts)

    def _buffer(self, name: str, shape: tuple[int, ...], kind: Any) -> np.ndarray:
        """Memory that is used again: fresh pages cost as much as the work on them."""
        size = math.prod(shape) * np.dtype(kind).itemsize
        kept = self._buffers.get(name)
        if kept is None or kept.size < size:
            kept = self._buffers[name] = np.empty(size, np.uint8)
        return kept[:size].view(kind).reshape(shape)

    def _embed(self, tokens: np.ndarray, x: np.ndarray) -> None:
        table = self.model.embedding
        rows.embed(tokens, table.weight, table.scale, self._input_factor, x, 0, tokens.size)

    def _multiply(self, limbs: np.ndarray, linear: Linear) -> np.ndarray:
        import torch

        left = torch.from_numpy(limbs)
        whole, parts = self._weights[id(linear)]
        if not parts:
            return self._way.by(left, whole).numpy()
        out = np.empty((limbs.shape[0], linear.scale.size), np.int32)
        if limbs.shape[0] >= _MANY:

            def some_rows(first: int, last: int) -> None:
                self._way.by(left[first:last], whole, torch.from_numpy(out[first:last]))

            self._share_few(some_rows, limbs.shape[0])
        else:
            cuts = [part.shape[1] for part in parts]
            starts = [sum(cuts[:k]) for k in range(len(cuts))]

            def some_outputs(first: int, last: int) -> None:
                for k in range(first, last):
                    columns = slice(starts[k], starts[k] + cuts[k])
                    out[:, columns] = self._way.by(left, parts[k]).numpy()

            self._share_few(some_outputs, len(parts))
        return out

    def _normed(
        self, x: np.ndarray, norm: np.ndarray, linear: Linear
    ) -> tuple[np.ndarray, np.ndarray]:
        limbs = self._buffer("limbs", (2 * x.shape[0], x.shape[1]), np.int8)
        units = np.empty(x.shape[0], np.float32)
        self._share(rows.norm, x.shape[0], x, norm, self.model.shape.epsilon, limbs, units)
        return self._multiply(limbs, linear), units

    def _layer(
        self,
        number: int,
        layer: Layer,
        x: np.ndarray,
        cache: Cache,
        streams: np.ndarray,
        position: np.ndarray,
        chunk: bool,
    ) -> None:
        shape = self.model.shape
        count = x.shape[0]
        product, units = self._normed(x, layer.norm_in, layer.qkv)
        heads = self._heads(layer, product, units, position)
        self._keep(number, cache, heads, streams, position)
        attended = self._buffer("attended", (count, shape.heads * shape.head_width), np.float32)
        if chunk:
            at, first = int(streams[0]), int(position[0])
            self._attend_chunk(number, layer, cache, heads, at, first, attended)
        else:
            self._share(
                attention.attend,
                count * shape.kv_heads,
                heads[0],
                heads[1],
                cache.keys[number],
                cache.key_scale[number],
                cache.values[number],
                cache.value_scale[number],
                cache.most[number],
                streams,
                position,
                self._factor,
                layer.sliding,
                attended,
            )
        limbs = self._buffer("limbs", (2 * count, attended.shape[1]), np.int8)
        self._share(rows.plain_limbs, count, attended, limbs, units)
        product = self._multiply(limbs, layer.out)
        self._add(x, product, units, layer.out, layer.norm_attention)
        product, units = self._normed(x, layer.norm_mid, layer.gate_up)
        limbs = self._buffer("limbs", (2 * count, shape.hidden), np.int8)
        down_units = np.empty(count, np.float32)
        self._share(
            rows.gated,
            count,
            product,
            units,
            layer.gate_up.scale,
            shape.architecture == "gemma3",
            limbs,
            down_units,
        )
        product = self._multiply(limbs, layer.down)
        self._add(x, product, down_units, layer.down, layer.norm_feed)

    def _add(
        self,
        x: np.ndarray,
        product: np.ndarray,
        units: np.ndarray,
        linear: Linear,
        after: np.ndarray | None,
    ) -> None:
        norm = _NOTHING if after is None else after
        self._share(
            rows.add, x.shape[0], x, product, units, linear.scale, norm, self.model.shape.epsilon
        )

    def _heads(
        self, layer: Layer, product: np.ndarray, units: np.ndarray, position: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        shape = self.model.shape
        count = units.size
        width = shape.head_width
        queries = self._buffer("queries", (shape.heads, count, width), np.int8)
        query_scale = np.empty((shape.heads, count), np.float32)
        keys = self._buffer("keys", (shape.kv_heads, count, width), np.int8)
        key_scale = np.empty((shape.kv_heads, count), np.float32)
        values = self._buffer("values", (shape.kv_heads, count, width), np.int8)
        value_scale = np.empty((shape.kv_heads, count), np.float32)
        rotary = self.model.rotary
        if layer.sliding and self.model.rotary_local is not None:
            rotary = self.model.rotary_local
        self._share(
            rows.heads,
            count,
            product,
            units,
            layer.qkv.scale,
            width,
            rotary,
            position,
            _NOTHING if layer.norm_q is None else layer.norm_q,
            _NOTHING if layer.norm_k is None else layer.norm_k,
            shape.epsilon,
            queries,
            query_scale,
            keys,
            key_scale,
            values,
            value_scale,
        )
        return queries, query_scale, keys, key_scale, values, value_scale

    def _keep(
        self,
        number: int,
        cache: Cache,
        heads: tuple[np.ndarray, ...],
        streams: np.ndarray,
        position: np.ndarray,
    ) -> None:
        _, _, keys, key_scale, values, value_scale = heads
        attention.keep(
            keys,
            key_scale,
            values,
            value_scale,
            streams,
            position,
            cache.keys[number],
            cache.key_scale[number],
            cache.values[number],
            cache.value_scale[number],
            cache.most[number],
        )

    def _attend_chunk(
        self,
        number: int,
        layer: Layer,
        cache: Cache,
        heads: tuple[np.ndarray, ...],
        stream: int,
        start: int,
        out: np.ndarray,
    ) -> None:
        """Attention of rows that follow each other, by products, a few rows at a time."""
        kv_heads = self.model.shape.kv_heads
        pieces = [
            (at, h) for at in range(0, out.shape[0], _ATTENTION_ROWS) for h in range(kv_heads)
        ]
        # Later rows see more keys: each thread gets some of all.
        pieces = [piece for k in range(self._threads) for piece in pieces[k :: self._threads]]

        def some(first: int, last: int) -> None:
            for at, h in pieces[first:last]:
                self._attend_piece(number, layer, cache, heads, stream, start, out, at, h)

        self._share_few(some, len(pieces))

    def _attend_piece(
        self,
        number: int,
        layer: Layer,
        cache: Cache,
        heads: tuple[np.ndarray, ...],
        stream: int,
        start: int,
        out: np.ndarray,
        at: int,
        h: int,
    ) -> None:
        """The rows from `at` on of the group of heads with the keys and values `h`."""
        import torch

        shape, way = self.model.shape, self._way
        queries, query_scale = heads[0], heads[1]
        group = shape.heads // shape.kv_heads
        width = shape.head_width
        count = min(_ATTENTION_ROWS, out.shape[0] - at)
        seen = start + at + count
        low = max(0, start + at + 1 - layer.sliding) if layer.sliding else 0
        of = slice(h * group, (h + 1) * group)
        q = np.ascontiguousarray(queries[of, at : at + count]).reshape(-1, width)
        keys = torch.from_numpy(cache.keys[number, stream, h, low:seen])
        scores = way.by(torch.from_numpy(q), way.prepare(keys)).numpy()
        mine = f"weights of thread {threading.get_ident()}"
        limbs = self._buffer(mine, (2, group, count, seen - low), np.int8)
        units = np.empty((group, count), np.float32)
        attention.weigh(
            scores.reshape(group, count, seen - low),
            cache.key_scale[number, stream, h, low:seen],
            cache.value_scale[number, stream, h, low:seen],
            cache.most[number, stream, h, low:seen],
            np.ascontiguousarray(query_scale[of, at : at + count]),
            self._factor,
            start + at - low,
            layer.sliding,
            limbs,
            units,
            0,
            count,
        )
        values = torch.from_numpy(cache.values[number, stream, h, low:seen])
        weights = torch.from_numpy(limbs.reshape(-1, seen - low))
        total = way.by(weights, way.prepare(values.t())).numpy()
        columns = slice(h * group * width, (h + 1) * group * width)
        attention.gather(
            total.reshape(2, group, count, width), units, out[at : at + count, columns], 0, count
        )


def _check(cache: Cache, last: int) -> None:
    """Compiled code would write past the end, and say nothing."""
    if last >= cache.capacity:
        raise ValueError(f"position {last} in a cache of {cache.capacity}")
