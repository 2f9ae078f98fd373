"""Steps between products: rows alone or together, compiled or plain, and within their ranges."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from ncz.models.language import rows, steps

F = np.float32
EPSILON = 1e-5
ROWS, N = 9, 24

NUMBERS = st.one_of(
    st.floats(-4, 4, width=32),
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e15, -3e14, 1e-31, -1e-30, 1e-40, 1e-45]),
)
MATRICES = nps.arrays(F, (ROWS, N), elements=NUMBERS)
PRODUCTS = nps.arrays(
    np.int32,
    (ROWS, N),
    elements=st.one_of(st.integers(-(2**30), 2**30), st.sampled_from([0, 2**30, -(2**30)])),
)
SCALES = nps.arrays(F, N, elements=st.sampled_from([0.0, 1e-6, 0.01, 1.5, 1e5]).map(F))
UNITS = nps.arrays(F, ROWS, elements=st.sampled_from([0.0, 1e-9, 0.003, 2.5]).map(F))


def same(a: np.ndarray, b: Any) -> bool:
    """Equal bits, zeros of either sign aside, which no later step tells apart."""
    b = b.numpy() if isinstance(b, torch.Tensor) else b
    return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b)


def compiled_norm(x: np.ndarray, weight: np.ndarray, cuts: tuple[int, ...] = ()) -> Any:
    out, scale = np.empty(x.shape, np.int16), np.empty(len(x), F)
    edges = [0, *cuts, len(x)]
    for first, last in itertools.pairwise(edges):
        rows.norm(x, weight, EPSILON, out, scale, first, last)
    return out, scale


@given(MATRICES, nps.arrays(F, N, elements=st.floats(-3, 3, width=32)))
def test_norm(x: np.ndarray, weight: np.ndarray) -> None:
    out, scale = compiled_norm(x, weight)
    for a, b in zip(
        (out, scale), steps.normed(*map(torch.from_numpy, (x, weight)), EPSILON), strict=True
    ):
        assert same(a, b)
    for a, b in zip((out, scale), compiled_norm(x, weight, (1, 4, 5)), strict=True):
        assert same(a, b)
    alone = compiled_norm(np.ascontiguousarray(x[4:5]), weight)
    assert same(alone[0], out[4:5])
    assert same(alone[1], scale[4:5])


def test_norm_is_close_to_floats() -> None:
    draw = np.random.Generator(np.random.PCG64(3))
    x, weight = draw.standard_normal((50, 200)).astype(F) * 7, draw.random(200).astype(F)
    out, scale = compiled_norm(x, weight)
    wide = x.astype(np.float64)
    true = wide / np.sqrt((wide * wide).mean(axis=1, keepdims=True) + EPSILON) * weight
    error = np.abs(out * scale[:, None] - true)
    assert (error <= scale[:, None] * 0.52).all()


@given(MATRICES)
def test_twelve_bits_say_what_they_should(x: np.ndarray) -> None:
    out, unit = np.empty((ROWS, N), np.int16), np.empty(ROWS, F)
    rows.short(x, out, unit, 0, ROWS)
    for a, b in zip((out, unit), steps.to_short(torch.from_numpy(x)), strict=True):
        assert same(a, b)
    assert np.abs(out).max() <= 2032
    most = np.abs(x).max(axis=1)
    error = np.abs(out * unit.astype(np.float64)[:, None] - x)
    assert (error.max(axis=1) <= np.maximum(most / 2032 * 0.51, 1e-30)).all()


@pytest.mark.parametrize("number", [1.0, -1.0, 3e-30, 1e38])
def test_twelve_bits_of_equal_numbers(number: float) -> None:
    x = np.full((1, 40), number, F)
    out, unit = np.empty((1, 40), np.int16), np.empty(1, F)
    rows.short(x, out, unit, 0, 1)
    assert set(out.ravel()) == {2032 if number > 0 else -2032}


@given(MATRICES, PRODUCTS, UNITS, SCALES, st.booleans())
def test_add(
    x: np.ndarray, product: np.ndarray, units: np.ndarray, scale: np.ndarray, normed: bool
) -> None:
    after = np.linspace(-1, 2, N).astype(F) if normed else np.empty(0, F)
    y = steps.values(*map(torch.from_numpy, (product, units, scale)))
    if normed:
        y = steps.scaled(y, torch.from_numpy(after), EPSILON)
    wanted = torch.from_numpy(x.copy()) + y
    rows.add(x, product, units, scale, after, EPSILON, 0, 5)
    rows.add(x, product, units, scale, after, EPSILON, 5, ROWS)
    assert same(x, wanted)


@given(PRODUCTS, UNITS, SCALES, st.booleans())
def test_gated(product: np.ndarray, units: np.ndarray, scale: np.ndarray, gelu: bool) -> None:
    short, out = np.empty((ROWS, N // 2), np.int16), np.empty(ROWS, F)
    rows.gated(product, units, scale, gelu, short, out, 0, ROWS)
    both = steps.values(*map(torch.from_numpy, (product, units, scale)))
    gate, up = both.chunk(2, dim=1)
    wanted = steps.to_short((steps.gelu if gelu else steps.silu)(gate) * up)
    assert same(short, wanted[0])
    assert same(out, wanted[1])


def run_heads(
    product: np.ndarray,
    units: np.ndarray,
    scale: np.ndarray,
    rotary: np.ndarray,
    position: np.ndarray,
    norms: tuple[np.ndarray, np.ndarray],
) -> list[np.ndarray]:
    """3 query heads, 1 of keys and values, 4 or 8 numbers wide."""
    width, count = product.shape[1] // 5, units.size
    out = [np.empty((1, count, 3, width), np.int16), np.empty((1, count, 3), F)]
    for _ in range(2):
        out += [np.empty((1, count, width), np.int8), np.empty((1, count), F)]
    args = (product, units, scale, width, rotary, position, *norms, EPSILON, *out)
    rows.heads(*args, 0, 4)
    rows.heads(*args, 4, count)
    return out


@settings(max_examples=50)
@given(st.integers(0, 2**32), st.booleans())
def test_heads(seed: int, normed: bool) -> None:
    draw = np.random.Generator(np.random.PCG64(seed))
    width = 8
    product = draw.integers(-(2**20), 2**20, (ROWS, 5 * width)).astype(np.int32)
    product[:, draw.integers(0, 5 * width, 8)] = 0
    units = draw.choice(F([0, 1e-8, 1e-3]), ROWS)
    scale = draw.choice(F([0, 1e-4, 1]), 5 * width)
    rotary = draw.integers(-32767, 32768, (2, 30, width // 2)).astype(np.int16)
    position = draw.integers(0, 30, ROWS)
    none = np.empty(0, F)
    norms = (draw.random(width).astype(F), draw.random(width).astype(F)) if normed else (none, none)
    got = run_heads(product, units, scale, rotary, position, norms)
    values = steps.values(*map(torch.from_numpy, (product, units, scale)))
    parts = values.reshape(ROWS, 5, width)
    turned = parts[:, :4]
    if normed:
        weight = torch.from_numpy(np.stack([norms[0]] * 3 + [norms[1]]))
        turned = steps.scaled(turned, weight, EPSILON)
    tables = torch.from_numpy(rotary)
    turned = steps.rotated(turned, tables[0, position], tables[1, position])
    queries, unit = steps.to_bytes(turned[:, :3])
    wanted = [queries.to(torch.int16)[None], unit[None]]
    for part in (turned[:, 3:], parts[:, 4:]):
        numbers, unit = steps.to_bytes(part)
        wanted += [numbers.transpose(0, 1), unit.t()]
    for a, b in zip(got, wanted, strict=True):
        assert same(a, b)


def test_a_turn_keeps_lengths_and_differences() -> None:
    """Products of a turned query and key depend on how far apart they are, and on no more."""
    width, count = 8, 20
    table = np.arange(count)[:, None] * 0.5 ** np.arange(width // 2)
    rotary = np.clip(np.rint(32768 * np.stack([np.cos(table), np.sin(table)])), -32767, 32767)
    draw = np.random.Generator(np.random.PCG64(2))
    one = draw.integers(-(2**20), 2**20, 5 * width).astype(np.int32)
    product = np.zeros((count, 5 * width), np.int32)
    product[:] = one
    ones = np.ones(count, F)
    none = np.empty(0, F)
    q, q_scale, k, k_scale, *_ = run_heads(
        product,
        ones,
        np.ones(5 * width, F),
        rotary.astype(np.int16),
        np.arange(count),
        (none, none),
    )
    query, key = q[0, :, 0] * q_scale[0, :, :1], k[0] * k_scale[0][:, None]
    dots = query.astype(np.float64) @ key.T
    lengths = np.linalg.norm(query[0]) * np.linalg.norm(key[0])
    for apart in (0, 3, 11):
        along = np.diagonal(dots, apart)
        assert np.ptp(along) < 0.03 * lengths


def test_embed() -> None:
    weight = np.arange(-12, 12, dtype=np.int8).reshape(6, 4)
    scale = np.linspace(0.1, 1, 6).astype(F)
    x = np.empty((3, 4), F)
    rows.embed(np.array([5, 0, 2]), weight, scale, F(3), x, 0, 3)
    assert same(x, weight[[5, 0, 2]].astype(F) * (scale[[5, 0, 2]] * F(3))[:, None])
