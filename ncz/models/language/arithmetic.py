"""The float32 arithmetic that the exact engine allows itself, for compiled code.

Only operations that IEEE 754 defines to the last bit: + − × ÷ √, comparison, conversion,
rounding to the nearest with ties to even; each as a step of its own, none fused. So an
exponential is a polynomial, and the compiler is not allowed to contract anything. The same
steps in plain array operations stand in :mod:`ncz.models.language.steps`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from ncz.codec.jit import jit

ROUND = np.float32(12582912.0)
"""1.5 · 2²³: adding and then subtracting it rounds any |x| < 2²² to a whole number."""

LOG2_E = np.float32(1.4426950408889634)
LOWEST = np.float32(-126.0)
"""Smallest exponent that :func:`exp2` takes: 2⁻¹²⁶ is the smallest normal float32."""

EXP2 = tuple(
    np.float32(c)
    for c in (1.0, 0.6931471805599453, 0.2402265069591007, 0.05550410866482158,
              0.009618129107628477, 0.0013333558146428443)
)  # fmt: skip
"""Taylor coefficients of 2^f = exp(f ln 2); for |f| ≤ 1/2 the relative error is below 3.4·10⁻⁶."""

_C0, _C1, _C2, _C3, _C4, _C5 = EXP2

SMALLEST = np.float32(1e-30)
"""What is smaller counts as zero where it is divided by: the quotient would be infinite."""

LARGEST = np.float32(2032)  # of a 12-bit activation: 127 · 16, so that it splits into two bytes
WIDE = np.float32(32767)  # of the 16-bit values whose squares a norm sums
BYTE = np.float32(127)  # of queries, keys and values


@intrinsic
def _float_of_bits_of(typing_context: Any, bits: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(types.float32))

    return types.float32(types.int32), generate


_float_of_bits: Any = _float_of_bits_of


@jit
def nearest(x: float) -> float:
    """The whole number nearest to x, |x| < 2²², ties to even."""
    return (x + ROUND) - ROUND


@jit
def exp2(x: float) -> float:
    """2^x for -126 ≤ x ≤ 126."""
    whole = nearest(x)
    f = x - whole
    p = _C5 * f
    p = p + _C4
    p = p * f
    p = p + _C3
    p = p * f
    p = p + _C2
    p = p * f
    p = p + _C1
    p = p * f
    p = p + _C0
    return p * _float_of_bits(np.int32((np.int32(whole) + np.int32(127)) << np.int32(23)))


@jit
def sigmoid(x: float) -> float:
    """1 / (1 + exp(-x))."""
    t = -x * LOG2_E
    t = min(max(t, LOWEST), np.float32(60))
    return np.float32(1) / (np.float32(1) + exp2(t))


@jit
def gelu(x: float) -> float:
    """x times sigmoid(1.5958 (x + 0.044715 x³)), the usual form of GELU by tanh."""
    cube = x * x
    cube = cube * x
    inner = cube * np.float32(0.044715)
    inner = inner + x
    return x * sigmoid(inner * np.float32(1.5957691216057308))
