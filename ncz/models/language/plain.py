"""The network in plain array operations: what the compiled one must equal, and the one for GPUs.

Every step is one elementwise operation of torch (:mod:`ncz.models.language.steps`) or a sum of
integers, in the order that :mod:`ncz.models.language.network` has. So the results are the same
bits on any device, and the tests hold the compiled code to them. On the CPU it is a few times
slower than the compiled code, because each step passes through the memory.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ncz.models.language import attention, products, steps
from ncz.models.language.arithmetic import LOWEST
from ncz.models.language.exact import Exact, Layer, Linear

CHUNK = 1024  # rows that are read at once
_SCORES = 1 << 25  # of attention that are held at once
_TERMS = 1024  # of a float32 product of 7-bit numbers: their sum stays below 2^24
_SUM_ONE = float(1 << 20)  # of the weights' sum, as in attention

_Places = tuple[Tensor, Tensor, tuple[int, int]]
"""Streams, positions int64[streams, tokens of each], and the first and last of these."""

Prepared = tuple[object, Tensor]
"""A matrix in the form of the way to multiply, and its rows' scale."""


class Cache:
    """Keys and values of some streams' tokens; see :class:`ncz.models.language.network.Cache`."""

    def __init__(self, model: Exact, streams: int, capacity: int, device: str = "cpu") -> None:
        shape = model.shape
        if capacity > shape.context:
            raise ValueError(f"{capacity} positions, and the model knows {shape.context}")
        place = (shape.layers, streams, shape.kv_heads, capacity)
        self.capacity = capacity
        self.keys = torch.zeros((*place, shape.head_width), dtype=torch.int8, device=device)
        self.values = torch.zeros_like(self.keys)
        self.key_scale = torch.zeros(place, device=device)
        self.value_scale = torch.zeros_like(self.key_scale)
        self.most = torch.zeros_like(self.key_scale)

    def share_first(self, seen: int) -> None:
        """Give all streams the first `seen` places of the first one."""
        for kept in (self.keys, self.values, self.key_scale, self.value_scale, self.most):
            kept[:, 1:, :, :seen] = kept[:, :1, :, :seen]


class Network:
    """A model on a device; :class:`ncz.models.language.network.Network` says what methods do.

    Args:
        model: the weights.
        device: of torch.
        way: how to multiply; the fastest exact one of the device where None.
    """

    def __init__(
        self, model: Exact, device: str = "cpu", way: products.Product | None = None
    ) -> None:
        self.model = model
        self.size = model.size
        self.threads = 1
        self.device = device
        if device.startswith("cuda"):
            # Int8 values fit TF32, but nothing is gained by it: sums are kept to the last bit.
            torch.backends.cuda.matmul.allow_tf32 = False
        self._way = way or products.best(device)
        self._weights = {
            id(linear): self.prepare(linear)
            for layer in model.layers
            for linear in (layer.qkv, layer.out, layer.gate_up, layer.down)
        }
        self._norms = {
            id(norm): self._tensor(norm)
            for layer in model.layers
            for norm in vars(layer).values()
            if isinstance(norm, np.ndarray)
        }
        self._norms[id(model.norm)] = self._tensor(model.norm)
        self._embedding = self._tensor(model.embedding.weight)
        self._embedding_scale = self._tensor(model.embedding.scale)
        self._rotary = self._tensor(model.rotary)
        local = model.rotary_local
        self._rotary_local = self._rotary if local is None else self._tensor(local)
        self._factor = float(attention.query_factor(model.shape.head_width))
        gemma = model.shape.architecture == "gemma3"
        self._input_factor = float(np.float32(model.shape.width**0.5)) if gemma else 1.0
        self._gated = steps.gelu if gemma else steps.silu

    def cache(self, streams: int, capacity: int) -> Cache:
        """Room for so many streams of so many tokens."""
        return Cache(self.model, streams, capacity, self.device)

    def read(self, cache: Cache, stream: int, tokens: np.ndarray, start: int = 0) -> np.ndarray:
        """Take tokens that follow each other; float32[n, width]."""
        out = np.empty((tokens.size, self.model.shape.width), np.float32)
        for at in range(0, tokens.size, CHUNK):
            piece = tokens[at : at + CHUNK]
            position = np.arange(start + at, start + at + piece.size)[None, :]
            x = self._run(cache, np.array([stream]), piece, position)
            out[at : at + piece.size] = x.cpu().numpy()
        return out

    def step(
        self, cache: Cache, streams: np.ndarray, tokens: np.ndarray, position: np.ndarray
    ) -> np.ndarray:
        """Take one token of each of several streams; float32[m, width]."""
        if not streams.size:
            return np.empty((0, self.model.shape.width), np.float32)
        x: np.ndarray = self._run(cache, streams, tokens, position[:, None]).cpu().numpy()
        return x

    def prepare(self, linear: Linear) -> Prepared:
        """`linear` in the form that :meth:`product` takes."""
        return self._way.prepare(self._tensor(linear.weight)), self._tensor(linear.scale)

    def product(
        self, x: np.ndarray, prepared: Prepared, norm: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The last product: int32[m, outputs] and float32[m]."""
        product, units = self._product(x, prepared, norm)
        return product.cpu().numpy(), units.cpu().numpy()

    def sums(
        self,
        x: np.ndarray,
        prepared: Prepared,
        norm: np.ndarray,
        said: np.ndarray,
        never: np.ndarray,
    ) -> Tensor:
        """Cumulative weights of the vocabulary's entries, left on the device.

        Args:
            x: float32[m, width], from :meth:`read` or :meth:`step`.
            prepared: one column per token.
            norm: before it.
            said: int64[tokens]: the entry of each column.
            never: uint8[m, entries]: 1 for those that cannot follow the token before.

        Returns:
            int64[m, entries + 1], as :func:`ncz.models.language.head.cumulate` has them.
        """
        product, units = self._product(x, prepared, norm)
        weights = steps.entry_weights(product, units, prepared[1])
        return steps.cumulate(weights, self._tensor(said), self._tensor(never))

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def _product(
        self, x: np.ndarray, prepared: Prepared, norm: np.ndarray
    ) -> tuple[Tensor, Tensor]:
        known = self._norms.get(id(norm))
        short, units = steps.normed(
            self._tensor(x),
            self._tensor(norm) if known is None else known,
            self.model.shape.epsilon,
        )
        return self._way.by(short, prepared[0]), units

    def _linear(self, short: Tensor, units: Tensor, linear: Linear) -> Tensor:
        prepared, scale = self._weights[id(linear)]
        return steps.values(self._way.by(short, prepared), units, scale)

    def _run(
        self, cache: Cache, streams: np.ndarray, tokens: np.ndarray, position: np.ndarray
    ) -> Tensor:
        """Rows of `streams` × following tokens; `position` is int64[streams, tokens of each]."""
        last = int(position.max())
        if last >= cache.capacity:
            raise ValueError(f"position {last} in a cache of {cache.capacity}")
        ids = self._tensor(tokens)
        unit = self._embedding_scale[ids] * self._input_factor
        x = self._embedding[ids].float() * unit[:, None]
        extent = (int(position.min()), last)  # asked of the device, it would wait
        places = (self._tensor(streams), self._tensor(position), extent)
        for i, layer in enumerate(self.model.layers):
            x = self._layer(i, layer, x, cache, places)
        return x

    def _layer(self, i: int, layer: Layer, x: Tensor, cache: Cache, places: _Places) -> Tensor:
        epsilon = self.model.shape.epsilon
        norm = {name: self._norms.get(id(value)) for name, value in vars(layer).items()}
        short, units = steps.normed(x, norm["norm_in"], epsilon)
        mixed = self._linear(short, units, layer.qkv)
        mixed = self._attention(i, layer, mixed, cache, places)
        y = self._linear(*steps.to_short(mixed), layer.out)
        x = x + self._after(y, norm["norm_attention"])
        short, units = steps.normed(x, norm["norm_mid"], epsilon)
        both = self._linear(short, units, layer.gate_up)
        gate, up = both.chunk(2, dim=1)
        y = self._linear(*steps.to_short(self._gated(gate) * up), layer.down)
        return x + self._after(y, norm["norm_feed"])

    def _after(self, y: Tensor, norm: Tensor | None) -> Tensor:
        return y if norm is None else steps.scaled(y, norm, self.model.shape.epsilon)

    def _attention(
        self, i: int, layer: Layer, mixed: Tensor, cache: Cache, places: _Places
    ) -> Tensor:
        """float32[rows, heads · width] from the queries, keys and values of each row."""
        shape = self.model.shape
        streams, position, (first, last) = places
        count, each = position.shape
        heads, kv = shape.heads, shape.kv_heads
        parts = mixed.reshape(count, each, heads + 2 * kv, shape.head_width)
        turned = parts[:, :, : heads + kv]
        if layer.norm_q is not None:
            weights = [self._norms[id(layer.norm_q)]] * heads + [self._norms[id(layer.norm_k)]] * kv
            turned = steps.scaled(turned, torch.stack(weights), shape.epsilon)
        rotary = self._rotary_local if layer.sliding else self._rotary
        turned = steps.rotated(turned, rotary[0, position], rotary[1, position])
        q, q_scale = steps.to_bytes(turned[:, :, :heads])
        k, k_scale = steps.to_bytes(turned[:, :, heads:])
        v, v_scale = steps.to_bytes(parts[:, :, heads + kv :])
        keep(cache, i, streams, position, k, k_scale, v, v_scale)
        begin = max(0, first + 1 - layer.sliding) if layer.sliding else 0
        rows = max(1, _SCORES // (count * heads * (last + 1 - begin)))
        out = [
            attend(
                q[:, at : at + rows],
                q_scale[:, at : at + rows] * self._factor,
                cache,
                i,
                streams,
                position[:, at : at + rows],
                (begin, last + 1),
                layer.sliding,
            )
            for at in range(0, each, rows)
        ]
        return torch.cat(out, dim=1).reshape(count * each, heads * shape.head_width)


# --- attention


def keep(
    cache: Cache,
    layer: int,
    streams: Tensor,
    position: Tensor,
    keys: Tensor,
    key_scale: Tensor,
    values: Tensor,
    value_scale: Tensor,
) -> None:
    """Put int8[streams, tokens, kv_heads, width] and their scales into the cache."""
    at = (streams[:, None], slice(None), position)
    cache.keys[layer][at] = keys
    cache.values[layer][at] = values
    cache.key_scale[layer][at] = key_scale
    cache.value_scale[layer][at] = value_scale
    first = position[:, 0]
    before = cache.most[layer][streams, :, (first - 1).clamp(min=0)]  # [streams, kv_heads]
    before = torch.where((first > 0)[:, None], before, 0.0)
    most = torch.cat([before[:, None], value_scale], dim=1).cummax(dim=1).values[:, 1:]
    cache.most[layer][at] = most


def attend(
    queries: Tensor,
    query_unit: Tensor,
    cache: Cache,
    layer: int,
    streams: Tensor,
    position: Tensor,
    span: tuple[int, int],
    sliding: int,
) -> Tensor:
    """float32[streams, tokens, heads, width].

    Args:
        queries: int8[streams, tokens, heads, width].
        query_unit: float32[streams, tokens, heads], what a score's unit is worth, key aside.
        cache: holds the tokens themselves already.
        layer: its number.
        streams: int64[streams].
        position: int64[streams, tokens].
        span: positions that any of them sees.
        sliding: how many of them each one sees, or 0 for all.
    """
    count, each, heads, width = queries.shape
    seen = slice(*span)

    def kept(all_layers: Tensor) -> Tensor:
        return all_layers[layer][streams, :, seen]

    kv = cache.keys.shape[2]
    group = heads // kv

    def by_key_head(of_heads: Tensor) -> Tensor:  # [streams, kv_heads, group, tokens, ...]
        split = of_heads.reshape(count, each, kv, group, *of_heads.shape[3:])
        return split.permute(0, 2, 3, 1, *range(4, split.dim()))

    q = by_key_head(queries).reshape(count, kv, group * each, width)
    # Below 2^24, as a head is narrower than 1,024: exact in float32.
    scores = q.float() @ kept(cache.keys).float().transpose(2, 3)
    exponents = scores.reshape(count, kv, group, each, -1) * kept(cache.key_scale)[:, :, None, None]
    exponents = exponents * by_key_head(query_unit)[..., None]

    at = torch.arange(*span, device=queries.device)
    seeing = at <= position[..., None]
    if sliding:
        seeing &= at > position[..., None] - sliding
    seeing = seeing[:, None, None]  # [streams, 1, 1, tokens, keys]
    exponents = exponents.masked_fill(~seeing, -torch.inf)
    top = exponents.amax(dim=-1, keepdim=True)
    p = steps.exp2((exponents - top).clamp(min=float(LOWEST))).masked_fill(~seeing, 0.0)
    total = steps.nearest(p * _SUM_ONE).to(torch.int64).sum(dim=-1)
    share = steps.quotient(total.double().float(), _SUM_ONE)
    # [streams, kv_heads, 1, tokens]
    most = cache.most[layer][streams[:, None], :, position].permute(0, 2, 1)[:, :, None]
    turn = torch.where(most > 0, steps.quotient(float(attention.WEIGHT), most), 0.0)
    weights = p * (kept(cache.value_scale)[:, :, None, None] * turn[..., None])
    whole = steps.nearest(weights).to(torch.int32).reshape(count, kv, group * each, -1)
    sums = _weighted(torch.stack([whole >> 7, whole & 127]), kept(cache.values))
    both = (sums[0] * 128 + sums[1]).reshape(count, kv, group, each, width)
    unit = steps.quotient(steps.quotient(most, float(attention.WEIGHT)), share)
    result = both.double().float() * unit[..., None]
    return result.permute(0, 3, 1, 2, 4).reshape(count, each, heads, width)


def _weighted(limbs: Tensor, values: Tensor) -> Tensor:
    """int64[2, ..., rows, width]: limbs int32[2, ..., rows, keys] times int8[..., keys, width]."""
    total: Tensor | None = None
    for at in range(0, values.shape[-2], _TERMS):
        some = slice(at, at + _TERMS)
        part = (limbs[..., some].float() @ values[..., some, :].float()).to(torch.int64)
        total = part if total is None else total + part
    assert total is not None  # a token sees itself
    return total
