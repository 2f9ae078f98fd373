"""Compiled float32 arithmetic: the same bits as plain steps, and close to the true functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ncz.codec.jit import jit
from ncz.models.language import arithmetic, steps
from ncz.models.language.arithmetic import EXP2, ROUND

F = np.float32
SMALL = st.floats(-126, 126, width=32)


@jit
def _each_nearest(x: np.ndarray, out: np.ndarray) -> None:
    for i in range(x.size):
        out[i] = arithmetic.nearest(x[i])


@jit
def _each_exp2(x: np.ndarray, out: np.ndarray) -> None:
    for i in range(x.size):
        out[i] = arithmetic.exp2(x[i])


@jit
def _each_sigmoid(x: np.ndarray, out: np.ndarray) -> None:
    for i in range(x.size):
        out[i] = arithmetic.sigmoid(x[i])


@jit
def _each_gelu(x: np.ndarray, out: np.ndarray) -> None:
    for i in range(x.size):
        out[i] = arithmetic.gelu(x[i])


def compiled(function: Any, x: np.ndarray) -> np.ndarray:
    out = np.empty_like(x)
    function(x, out)
    return out


def everywhere(low: float, high: float, count: int = 200_001) -> np.ndarray:
    """Evenly spaced, with whole numbers, halves and what lies beside them."""
    marks = np.arange(math.ceil(2 * low), math.floor(2 * high) + 1).astype(F) / F(2)
    beside = [np.nextafter(marks, F(s)) for s in (-1000, 1000)]
    spaced = np.linspace(low, high, count).astype(F)
    return np.clip(np.concatenate([spaced, marks, *beside]), F(low), F(high))


def exp2_in_numpy(x: np.ndarray) -> np.ndarray:
    whole = np.rint(x)
    f = x - whole
    p = EXP2[5] * f
    for c in (EXP2[4], EXP2[3], EXP2[2], EXP2[1]):
        p = (p + c) * f
    p = p + EXP2[0]
    return p * ((whole.astype(np.int32) + np.int32(127)) << np.int32(23)).view(F)


def test_nearest_rounds_ties_to_even() -> None:
    x = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 0.49999997, 32766.5, -2031.5, 4194303.5], F)
    assert compiled(_each_nearest, x).tolist() == np.rint(x).tolist()
    x = everywhere(-3000, 3000)
    assert np.array_equal(compiled(_each_nearest, x), np.rint(x))


def test_exp2_is_within_its_bound() -> None:
    x = everywhere(-126, 126)
    error = compiled(_each_exp2, x) / np.exp2(x.astype(np.float64)) - 1
    assert np.abs(error).max() < 3.4e-6
    assert compiled(_each_exp2, np.arange(-126, 127).astype(F)).tolist() == [
        2.0**n for n in range(-126, 127)
    ]


def test_exp2_is_the_same_bits_in_numpy_and_plain() -> None:
    x = everywhere(-126, 126)
    got = compiled(_each_exp2, x)
    assert got.tobytes() == exp2_in_numpy(x).tobytes()
    assert got.tobytes() == steps.exp2(torch.from_numpy(x)).numpy().tobytes()


@given(SMALL)
def test_exp2_alone_as_in_a_loop(x: float) -> None:
    alone = F(arithmetic.exp2(F(x)))
    assert alone.tobytes() == exp2_in_numpy(np.full(17, x, F))[3].tobytes()


@pytest.mark.parametrize(
    ("function", "same"), [(_each_sigmoid, steps.sigmoid), (_each_gelu, steps.gelu)]
)
def test_the_other_functions_are_the_same_bits(function: Any, same: Any) -> None:
    x = np.concatenate([everywhere(-150, 150), F([0, -0.0, 1e-38, -1e-42, 1e10, -1e10])])
    assert compiled(function, x).tobytes() == same(torch.from_numpy(x)).numpy().tobytes()


def test_sigmoid_is_close() -> None:
    x = everywhere(-30, 40)
    true = 1 / (1 + np.exp(-x.astype(np.float64)))
    assert np.abs(compiled(_each_sigmoid, x) / true - 1).max() < 1e-5  # -x · log2(e) is rounded
    far = compiled(_each_sigmoid, F([-1e30, 1e30]))
    assert 0 < far[0] < 1e-18
    assert far[1] == 1


def test_gelu_is_close() -> None:
    x = everywhere(-8, 8)
    wide = x.astype(np.float64)
    true = 0.5 * wide * (1 + np.tanh((2 / np.pi) ** 0.5 * (wide + 0.044715 * wide**3)))
    assert np.abs(compiled(_each_gelu, x) - true).max() < 1e-5


def test_the_rounding_constant() -> None:
    assert float(ROUND) == 1.5 * 2**23


def test_a_quotient_is_rounded_once() -> None:
    draw = np.random.Generator(np.random.PCG64(1))
    x = draw.integers(1, 1 << 24, 100_000).astype(F)
    for number in (2032.0, 32767.0, 127.0, 1.0):
        tensor = torch.from_numpy(x)
        over, under = steps.quotient(number, tensor), steps.quotient(tensor, number)
        assert over.numpy().tobytes() == (F(number) / x).tobytes()
        assert under.numpy().tobytes() == (x / F(number)).tobytes()
