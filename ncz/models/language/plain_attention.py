"""Keys, values and attention in plain array operations: what :mod:`attention` is, on any device.

Scores and weights of all queries of a batch are held at once, so whoever calls takes few enough
queries at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ncz.models.language import attention, products, steps
from ncz.models.language.arithmetic import LOWEST
from ncz.models.language.exact import Exact

_TERMS = 1024  # of a float32 product of 7-bit numbers: their sum stays below 2^24
_SUM_ONE = float(1 << 20)  # of the weights' sum, as in attention


class Cache:
    """Keys and values of some streams' tokens; see :class:`ncz.models.language.network.Cache`."""

    def __init__(self, model: Exact, streams: int, capacity: int, device: str = "cpu") -> None:
        shape = model.shape
        if capacity > shape.context:
            raise ValueError(f"{capacity} positions, and the model knows {shape.context}")
        place = (shape.layers, streams, shape.kv_heads, capacity)
        self.streams = streams
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


@dataclass(frozen=True)
class Places:
    """Where tokens stand: as many of each of some streams, following each other.

    Attributes:
        streams: int64[streams].
        some: the same as a slice, where they follow each other: what is kept is not copied then.
        position: int64[streams, tokens of each].
        first, last: of these. Asked of the device, it would wait.
    """

    streams: Tensor
    some: slice | None
    position: Tensor
    first: int
    last: int

    @property
    def index(self) -> slice | Tensor:
        """The streams, for arrays of all of them."""
        return self.streams if self.some is None else self.some


def keep(
    cache: Cache,
    layer: int,
    at: Places,
    keys: Tensor,
    key_scale: Tensor,
    values: Tensor,
    value_scale: Tensor,
) -> None:
    """Put int8[streams, tokens, kv_heads, width] and their scales into the cache."""
    place = (at.streams[:, None], slice(None), at.position)
    cache.keys[layer][place] = keys
    cache.values[layer][place] = values
    cache.key_scale[layer][place] = key_scale
    cache.value_scale[layer][place] = value_scale
    first = at.position[:, 0]
    before = cache.most[layer][at.streams, :, (first - 1).clamp(min=0)]  # [streams, kv_heads]
    before = torch.where((first > 0)[:, None], before, 0.0)
    most = torch.cat([before[:, None], value_scale], dim=1).cummax(dim=1).values[:, 1:]
    cache.most[layer][place] = most


def attend(
    queries: Tensor,
    query_unit: Tensor,
    cache: Cache,
    layer: int,
    at: Places,
    sliding: int,
) -> Tensor:
    """float32[streams, tokens, heads, width].

    Args:
        queries: int8[streams, tokens, heads, width].
        query_unit: float32[streams, tokens, heads], what a score's unit is worth, key aside.
        cache: holds the tokens themselves already.
        layer: its number.
        at: the tokens.
        sliding: how many places before it each one sees, itself included, or 0 for all.
    """
    count, each, heads, width = queries.shape
    begin = max(0, at.first + 1 - sliding) if sliding else 0
    seen = slice(begin, at.last + 1)
    multiply = products.batched(str(queries.device))

    def kept(all_layers: Tensor) -> Tensor:
        return all_layers[layer][at.index][:, :, seen]

    kv = cache.keys.shape[2]
    group = heads // kv

    def by_key_head(of_heads: Tensor) -> Tensor:  # [streams, kv_heads, group, tokens, ...]
        split = of_heads.reshape(count, each, kv, group, *of_heads.shape[3:])
        return split.permute(0, 2, 3, 1, *range(4, split.dim()))

    q = by_key_head(queries).reshape(count * kv, group * each, width)
    k = kept(cache.keys).reshape(count * kv, -1, width)
    # Below 2^24, as a head is narrower than 1,024: exact in floats.
    scores = multiply(q, k.transpose(1, 2)).reshape(count, kv, group, each, -1)
    exponents = scores * kept(cache.key_scale)[:, :, None, None]
    exponents = exponents * by_key_head(query_unit)[..., None]

    position = at.position
    places = torch.arange(begin, at.last + 1, device=queries.device)
    seeing = places <= position[..., None]
    if sliding:
        seeing &= places > position[..., None] - sliding
    seeing = seeing[:, None, None]  # [streams, 1, 1, tokens, keys]
    exponents = exponents.masked_fill(~seeing, -torch.inf)
    top = exponents.amax(dim=-1, keepdim=True)
    p = steps.exp2((exponents - top).clamp(min=float(LOWEST))).masked_fill(~seeing, 0.0)
    total = steps.nearest(p * _SUM_ONE).to(torch.int64).sum(dim=-1)
    share = steps.quotient(total.double().float(), _SUM_ONE)
    most = cache.most[layer][at.index].gather(2, position[:, None].expand(count, kv, each))
    most = most[:, :, None]  # [streams, kv_heads, 1, tokens]
    turn = torch.where(most > 0, steps.quotient(float(attention.WEIGHT), most), 0.0)
    weights = p * (kept(cache.value_scale)[:, :, None, None] * turn[..., None])
    whole = steps.nearest(weights).to(torch.int32).reshape(count * kv, group * each, -1)
    both = _weighted(whole, kept(cache.values).reshape(count * kv, -1, width))
    both = both.reshape(count, kv, group, each, width)
    unit = steps.quotient(steps.quotient(most, float(attention.WEIGHT)), share)
    result = both.double().float() * unit[..., None]
    return result.permute(0, 3, 1, 2, 4).reshape(count, each, heads, width)


def _weighted(weights: Tensor, values: Tensor) -> Tensor:
    """int64[n, rows, width]: int32[n, rows, keys] of 14 bits times int8[n, keys, width]."""
    multiply = products.batched(str(weights.device))
    total: Tensor | None = None
    for at in range(0, values.shape[1], _TERMS):
        piece = weights[..., at : at + _TERMS]
        some = values[:, at : at + _TERMS]
        high = multiply(piece >> 7, some).to(torch.int64)
        part = high * 128 + multiply(piece & 127, some).to(torch.int64)
        total = part if total is None else total + part
    assert total is not None  # a token sees itself
    return total
