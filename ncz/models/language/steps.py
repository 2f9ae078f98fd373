"""Steps of the exact engine in plain array operations, for any device.

Each is one elementwise operation of torch that IEEE 754 defines to the last bit, or a sum of
integers, in the order that :mod:`ncz.models.language.rows`, ``arithmetic`` and ``head`` have.
Nothing here may be compiled or fused by torch.

Two traps: torch divides a number by a tensor through the tensor's inverse, and CUDA divides a
tensor by a number through the number's. Both round twice, so every division goes through
:func:`quotient`. And int64 becomes float32 by way of float64, which holds all the sums here, as
not every vectorized conversion rounds once.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor

from ncz.models.language.arithmetic import (
    BYTE,
    EXP2,
    LARGEST,
    LOG2_E,
    LOWEST,
    ROUND,
    SMALLEST,
    WIDE,
)
from ncz.models.language.head import SOFTENED

_ONE = float(1 << 24)  # of an entry's weight, as in head

# --- the output


def entry_weights(product: Tensor, units: Tensor, scale: Tensor) -> Tensor:
    """int32[m, tokens], 1 to 2^24: weights of the tokens from int32[m, tokens]."""
    powers = values(product, units * float(LOG2_E), scale)
    top = powers.amax(dim=1, keepdim=True)
    p = exp2((powers - top).clamp(min=float(LOWEST)))
    return (p * _ONE).to(torch.int32).clamp(min=1)


def cumulate(weights: Tensor, said: Tensor, never: Tensor) -> Tensor:
    """int64[m, entries + 1]: sums of int32[m, tokens] up to each entry; 1 for each escape.

    Args:
        weights: from :func:`entry_weights`.
        said: int64[tokens]: the entry of each column.
        never: uint8[m, entries]: 1 for those that cannot follow the token before.
    """
    rows, entries = never.shape
    out = torch.ones((rows, entries + 1), dtype=torch.int64, device=weights.device)
    out[:, 0] = 0
    out[:, said + 1] = (weights >> (never[:, said].int() * SOFTENED)).clamp(min=1).long()
    return out.cumsum(dim=1)


# --- rows: each by itself, along the last axis


def to_short(x: Tensor) -> tuple[Tensor, Tensor]:
    """float32[rows, n] as int16[rows, n] of 12 bits and float32[rows], what a unit is worth."""
    most = x.abs().amax(dim=-1)
    return _whole(x, most, float(LARGEST)).to(torch.int16), _unit(most, float(LARGEST))


def to_bytes(x: Tensor) -> tuple[Tensor, Tensor]:
    """float32[..., n] as int8[..., n] and float32[...], what a unit is worth."""
    most = x.abs().amax(dim=-1)
    return _whole(x, most, float(BYTE)).to(torch.int8), _unit(most, float(BYTE))


def normed(x: Tensor, weight: Tensor | None, epsilon: float) -> tuple[Tensor, Tensor]:
    """The RMS norm of float32[rows, n], as int16."""
    assert weight is not None
    short, units = to_short(x * weight)
    return short, units * _inverse_rms(x, epsilon)


def scaled(x: Tensor, weight: Tensor | None, epsilon: float) -> Tensor:
    """The RMS norm of float32[..., n], as floats."""
    assert weight is not None
    return x * _inverse_rms(x, epsilon)[..., None] * weight


def values(product: Tensor, units: Tensor, scale: Tensor) -> Tensor:
    """float32[rows, n] of a product int32[rows, n]."""
    return product.float() * units[:, None] * scale


def rotated(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """float32[..., heads, n] turned by int16[..., n / 2] in 1/32768, the same for all heads."""
    cos = cosine.float()[..., None, :] * (1 / 32768)
    sin = sine.float()[..., None, :] * (1 / 32768)
    low, high = x.chunk(2, dim=-1)
    return torch.cat([low * cos - high * sin, high * cos + low * sin], dim=-1)


def _whole(x: Tensor, most: Tensor, largest: float) -> Tensor:
    """Rows of x, whose largest magnitude is `most`, as whole numbers up to `largest`."""
    turn = torch.where(most < float(SMALLEST), 0.0, quotient(largest, most))
    return nearest(x * turn[..., None])


def _unit(most: Tensor, largest: float) -> Tensor:
    """What a unit of those whole numbers is worth."""
    return torch.where(most < float(SMALLEST), 0.0, quotient(most, largest))


def _inverse_rms(x: Tensor, epsilon: float) -> Tensor:
    most = x.abs().amax(dim=-1)
    q = _whole(x, most, float(WIDE)).to(torch.int64)
    unit = quotient(most, float(WIDE)).double()
    mean = quotient((q * q).sum(dim=-1).double(), float(x.shape[-1]))
    square = mean * (unit * unit) + epsilon
    return quotient(1.0, square.sqrt()).float()


# --- numbers; see arithmetic


def nearest(x: Tensor) -> Tensor:
    """See :func:`ncz.models.language.arithmetic.nearest`."""
    return (x + float(ROUND)) - float(ROUND)


def exp2(x: Tensor) -> Tensor:
    """See :func:`ncz.models.language.arithmetic.exp2`."""
    whole = nearest(x)
    f = x - whole
    p = f * float(EXP2[5])
    for coefficient in EXP2[4:0:-1]:
        p = (p + float(coefficient)) * f
    p = p + float(EXP2[0])
    return p * ((whole.to(torch.int32) + 127) << 23).view(torch.float32)


def sigmoid(x: Tensor) -> Tensor:
    """See :func:`ncz.models.language.arithmetic.sigmoid`."""
    t = (-x * float(LOG2_E)).clamp(float(LOWEST), 60.0)
    return quotient(1.0, exp2(t) + 1.0)


def silu(x: Tensor) -> Tensor:
    """x times its sigmoid."""
    return x * sigmoid(x)


def gelu(x: Tensor) -> Tensor:
    """See :func:`ncz.models.language.arithmetic.gelu`."""
    inner = x * x * x * float(np.float32(0.044715)) + x
    return x * sigmoid(inner * float(np.float32(1.5957691216057308)))


@functools.cache
def _constant(value: float, kind: torch.dtype, device: torch.device) -> Tensor:
    return torch.full((), value, dtype=kind, device=device)


def quotient(a: Tensor | float, b: Tensor | float) -> Tensor:
    """a / b, rounded once: both as tensors of one device."""
    if not isinstance(a, Tensor):
        assert isinstance(b, Tensor)
        a = _constant(a, b.dtype, b.device)
    if not isinstance(b, Tensor):
        b = _constant(b, a.dtype, a.device)
    return torch.div(a, b)
