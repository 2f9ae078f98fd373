"""The network in plain array operations: what the compiled one must equal, and the one for GPUs.

Every step is one elementwise operation of torch (:mod:`ncz.models.language.steps`) or a sum of
integers, in the order that :mod:`ncz.models.language.network` has. So the results are the same
bits on any device, and the tests hold the compiled code to them. A GPU is filled by batches:
windows are read side by side, and all streams of a decoder go on together. On the CPU it is a
few times slower than the compiled code, because each step passes through the memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ncz.models.language import attention, products, room, steps
from ncz.models.language.exact import Exact, Layer, Linear
from ncz.models.language.plain_attention import Cache, Places, attend, keep
from ncz.models.language.room import Room


@dataclass(frozen=True)
class Matrix:
    """A matrix in the form of the way to multiply, and its rows' scale."""

    prepared: object
    scale: Tensor


@dataclass(frozen=True)
class _Layer:
    """A layer on the device; :class:`ncz.models.language.exact.Layer` says what is in it.

    Attributes:
        norm_heads: float32[heads + kv_heads, head_width], or None.
        rotary: int16[2, positions, head_width / 2].
    """

    qkv: Matrix
    out: Matrix
    gate_up: Matrix
    down: Matrix
    norm_in: Tensor
    norm_mid: Tensor
    norm_heads: Tensor | None
    norm_attention: Tensor | None
    norm_feed: Tensor | None
    rotary: Tensor
    sliding: int


class Network:
    """A model on a device; :class:`ncz.models.language.network.Network` says what methods do.

    For one thread at a time.

    Args:
        model: the weights.
        device: of torch.
        way: how to multiply; the fastest exact one of the device where None.
        budget: bytes of the device's memory that it may take, or None for as many as there are.

    Attributes:
        held: bytes of the weights there.
        sizes: what is computed at once where nobody says otherwise.
    """

    def __init__(
        self,
        model: Exact,
        device: str = "cpu",
        way: products.Product | None = None,
        budget: int | None = None,
    ) -> None:
        self.model = model
        self.size = model.size
        self.threads = 1
        self.device = device
        self.held = 0
        self.sizes = Room()
        self._budget = budget
        if device.startswith("cuda"):
            # Factors are exact in TF32 and bfloat16, but sums have to be kept to the last bit.
            torch.backends.cuda.matmul.allow_tf32 = False
            torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
        self._tables: dict[int, Tensor] = {}
        with self.here():
            self._way = way or products.best(device)
            self._layers = [self._on_device(layer) for layer in model.layers]
            self._norm = self.tensor(model.norm)
            self._embedding = self.tensor(model.embedding.weight)
            self._embedding_scale = self.tensor(model.embedding.scale)
        self.held = model.size + model.embedding.weight.nbytes
        self._factor = float(attention.query_factor(model.shape.head_width))
        gemma = model.shape.architecture == "gemma3"
        self._input_factor = float(np.float32(model.shape.width**0.5)) if gemma else 1.0
        self._gated = steps.gelu if gemma else steps.silu

    def here(self) -> AbstractContextManager[object]:
        """While this holds, its GPU is the one that is meant."""
        return torch.cuda.device(self.device) if self.device.startswith("cuda") else nullcontext()

    def room(self, places: int) -> Room:
        """How much is read at once in windows of so many tokens.

        Raises:
            NczError: the device's memory does not even hold one.
        """
        if self._budget is None:
            return self.sizes
        # Its rows in the order of the vocabulary, for the output, are weights as well.
        free = self._budget - self.held - self.model.embedding.weight.nbytes
        return room.find(self.model, self.device, free, places)

    def cache(self, streams: int, capacity: int) -> Cache:
        """Room for so many streams of so many tokens.

        Raises:
            NczError: the device's memory does not hold them.
        """
        if self._budget is not None:
            free = self._budget - self.held
            room.check(self.model, self.device, free, streams, capacity)
        return Cache(self.model, streams, capacity, self.device)

    def read(self, cache: Cache, stream: int, tokens: np.ndarray, start: int = 0) -> np.ndarray:
        """Take tokens that follow each other; float32[n, width]."""
        x: np.ndarray = self.read_many(cache, [tokens], np.array([stream]), start)[0].cpu().numpy()
        return x

    def read_many(
        self,
        cache: Cache,
        tokens: Sequence[np.ndarray],
        streams: np.ndarray,
        start: int = 0,
        sizes: Room | None = None,
    ) -> Tensor:
        """Take tokens that follow each other, of several streams.

        Args:
            cache: holds each stream's first `start` tokens, and these afterwards. What it holds
                after the tokens of those that have fewer than others means nothing.
            tokens: for each stream int64[any].
            streams: int64[m]: which; no one twice.
            start: position of the first one.
            sizes: how many rows and scores are computed at once.

        Returns:
            float32[m, longest, width], on the device; rows beyond a stream's tokens mean nothing.
        """
        sizes = sizes or self.sizes
        longest = max(own.size for own in tokens)
        _check(cache, start + longest - 1)
        ids = np.zeros((len(tokens), longest), np.int64)
        for row, own in zip(ids, tokens, strict=True):
            row[: own.size] = own
        given, which = self.tensor(ids), self.tensor(streams)
        some = _slice_of(streams)
        x = torch.empty((*ids.shape, self.model.shape.width), device=self.device)
        step = max(1, sizes.rows // len(tokens))
        with self.here():
            for at in range(0, longest, step):
                piece = given[:, at : at + step]
                first, last = start + at, start + at + piece.shape[1] - 1
                position = torch.arange(first, last + 1, device=self.device).expand(*piece.shape)
                places = Places(which, some, position, first, last)
                x[:, at : at + step] = self.run(cache, places, piece, sizes.scores)
        return x

    def step(
        self, cache: Cache, streams: np.ndarray, tokens: np.ndarray, position: np.ndarray
    ) -> np.ndarray:
        """Take one token of each of several streams; float32[m, width]."""
        x: np.ndarray = self.step_many(cache, streams, tokens, position).cpu().numpy()
        return x

    def step_many(
        self, cache: Cache, streams: np.ndarray, tokens: np.ndarray, position: np.ndarray
    ) -> Tensor:
        """The same, left on the device."""
        if not streams.size:
            return torch.empty((0, self.model.shape.width), device=self.device)
        first, last = int(position.min()), int(position.max())
        _check(cache, last)
        where = self.tensor(position)[:, None]
        places = Places(self.tensor(streams), _slice_of(streams), where, first, last)
        with self.here():
            return self.run(cache, places, self.tensor(tokens)[:, None], self.sizes.scores)[:, 0]

    def prepare(self, linear: Linear) -> Matrix:
        """`linear` in the form that :meth:`product` takes."""
        return Matrix(self._way.prepare(self.tensor(linear.weight)), self.tensor(linear.scale))

    def product(
        self, x: np.ndarray, prepared: Matrix, norm: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The last product: int32[m, outputs] and float32[m]."""
        product, units = self.product_of(self.tensor(x), prepared, self.tensor(norm))
        return product.cpu().numpy(), units.cpu().numpy()

    def product_of(
        self, x: Tensor, prepared: Matrix, norm: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The same, on the device, with the model's last norm where none is given."""
        given = self._norm if norm is None else norm
        short, units = steps.normed(x, given, self.model.shape.epsilon)
        return self._way.by(short, prepared.prepared), units

    def tensor(self, array: np.ndarray) -> Tensor:
        """`array` on the device."""
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def run(self, cache: Cache, at: Places, tokens: Tensor, scores: int) -> Tensor:
        """float32[streams, tokens of each, width], the residuals of int64[streams, of each].

        Args:
            cache: as for :meth:`read_many`; long enough.
            at: where the tokens stand.
            tokens: which.
            scores: of attention, held at once.
        """
        ids = tokens.reshape(-1)
        unit = self._embedding_scale[ids] * self._input_factor
        x = self._embedding[ids].float() * unit[:, None]
        for i, layer in enumerate(self._layers):
            x = self._through(i, layer, x, cache, at, scores)
        return x.reshape(*tokens.shape, -1)

    def _through(
        self, i: int, layer: _Layer, x: Tensor, cache: Cache, at: Places, scores: int
    ) -> Tensor:
        epsilon = self.model.shape.epsilon
        mixed = self._linear(*steps.normed(x, layer.norm_in, epsilon), layer.qkv)
        mixed = self._attention(i, layer, mixed, cache, at, scores)
        y = self._linear(*steps.to_short(mixed), layer.out)
        x = x + self._after(y, layer.norm_attention)
        both = self._linear(*steps.normed(x, layer.norm_mid, epsilon), layer.gate_up)
        gate, up = both.chunk(2, dim=1)
        y = self._linear(*steps.to_short(self._gated(gate) * up), layer.down)
        return x + self._after(y, layer.norm_feed)

    def _linear(self, short: Tensor, units: Tensor, matrix: Matrix) -> Tensor:
        return steps.values(self._way.by(short, matrix.prepared), units, matrix.scale)

    def _after(self, y: Tensor, norm: Tensor | None) -> Tensor:
        return y if norm is None else steps.scaled(y, norm, self.model.shape.epsilon)

    def _attention(
        self, i: int, layer: _Layer, mixed: Tensor, cache: Cache, at: Places, scores: int
    ) -> Tensor:
        """float32[rows, heads · width] from the queries, keys and values of each row."""
        shape = self.model.shape
        count, each = at.position.shape
        heads, kv = shape.heads, shape.kv_heads
        parts = mixed.reshape(count, each, heads + 2 * kv, shape.head_width)
        turned = parts[:, :, : heads + kv]
        if layer.norm_heads is not None:
            turned = steps.scaled(turned, layer.norm_heads, shape.epsilon)
        turned = steps.rotated(turned, layer.rotary[0, at.position], layer.rotary[1, at.position])
        q, q_scale = steps.to_bytes(turned[:, :, :heads])
        k, k_scale = steps.to_bytes(turned[:, :, heads:])
        v, v_scale = steps.to_bytes(parts[:, :, heads + kv :])
        keep(cache, i, at, k, k_scale, v, v_scale)
        unit = q_scale * self._factor
        rows = max(1, scores // (count * heads * (at.last + 1)))
        if rows >= each:
            out = attend(q, unit, cache, i, at, layer.sliding)
        else:  # there are several tokens of each stream, one after the other
            pieces = [(a, min(a + rows, each)) for a in range(0, each, rows)]
            out = torch.cat(
                [
                    attend(q[:, a:b], unit[:, a:b], cache, i, _part(at, a, b), layer.sliding)
                    for a, b in pieces
                ],
                dim=1,
            )
        return out.reshape(count * each, heads * shape.head_width)

    def _on_device(self, layer: Layer) -> _Layer:
        model = self.model
        local = model.rotary if model.rotary_local is None else model.rotary_local
        heads = None
        if layer.norm_q is not None and layer.norm_k is not None:
            times = [layer.norm_q] * model.shape.heads + [layer.norm_k] * model.shape.kv_heads
            heads = self.tensor(np.stack(times))

        def norm(array: np.ndarray | None) -> Tensor | None:
            return None if array is None else self.tensor(array)

        return _Layer(
            qkv=self.prepare(layer.qkv),
            out=self.prepare(layer.out),
            gate_up=self.prepare(layer.gate_up),
            down=self.prepare(layer.down),
            norm_in=self.tensor(layer.norm_in),
            norm_mid=self.tensor(layer.norm_mid),
            norm_heads=heads,
            norm_attention=norm(layer.norm_attention),
            norm_feed=norm(layer.norm_feed),
            rotary=self._rotary(local if layer.sliding else model.rotary),
            sliding=layer.sliding,
        )

    def _rotary(self, table: np.ndarray) -> Tensor:
        """One tensor for all layers that share it."""
        if id(table) not in self._tables:
            self._tables[id(table)] = self.tensor(table)
        return self._tables[id(table)]


def _part(at: Places, first: int, last: int) -> Places:
    """Some of several tokens that follow each other in each stream, all at the same positions."""
    position = at.position[:, first:last]
    return Places(at.streams, at.some, position, at.first + first, at.first + last - 1)


def _slice_of(streams: np.ndarray) -> slice | None:
    """The same streams as a slice, where they are one."""
    first = int(streams[0])
    whole = bool((streams == np.arange(first, first + streams.size)).all())
    return slice(first, first + streams.size) if whole else None


def _check(cache: Cache, last: int) -> None:
    """The device would write past the end, or stop with no word of why."""
    if last >= cache.capacity:
        raise ValueError(f"position {last} in a cache of {cache.capacity}")
