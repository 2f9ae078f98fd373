"""Attention: the same bits query by query, in chunks and in plain operations; close to floats."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ncz.models.language import attention, plain_attention
from ncz.models.language.forward import Past as Layer
from ncz.models.language.network import Cache
from tests.models.language import tiny

F = np.float32
KV, GROUP, WIDTH = 2, 2, 16  # of the tiny Llama model
FACTOR = attention.query_factor(WIDTH)


@dataclass
class Past:
    """Keys and values of one stream, and one query per position and head."""

    queries: np.ndarray  # int8[heads, n, width]
    query_scale: np.ndarray
    keys: np.ndarray  # int8[1, kv, n, width]
    key_scale: np.ndarray
    values: np.ndarray
    value_scale: np.ndarray
    most: np.ndarray


def past(n: int, seed: int, kind: str = "random") -> Past:
    draw = np.random.Generator(np.random.PCG64(seed))

    def numbers(*shape: int) -> np.ndarray:
        if kind == "largest":
            return np.full(shape, 127, np.int8)
        return draw.integers(-127, 128, shape).astype(np.int8)

    def scales(*shape: int) -> np.ndarray:
        if kind == "random":
            return (draw.random(shape) * 0.02).astype(F)
        if kind == "largest":
            return np.full(shape, 0.01, F)
        return draw.choice(F([0, 1e-12, 1e-3, 0.1, 30]), shape)

    value_scale = scales(1, KV, n)
    return Past(
        numbers(KV * GROUP, n, WIDTH),
        scales(KV * GROUP, n),
        numbers(1, KV, n, WIDTH),
        scales(1, KV, n),
        numbers(1, KV, n, WIDTH),
        value_scale,
        np.maximum.accumulate(value_scale, axis=2),
    )


def compiled(it: Past, sliding: int, rows: np.ndarray) -> np.ndarray:
    n = it.keys.shape[2]
    model = tiny.model("llama")
    model = replace(model, shape=replace(model.shape, context=n))
    cache = Cache(model, 2, n)  # of which the second stream is used
    past = Layer(*(array[0] for array in cache.past))
    attention.keep(
        it.keys[0],
        it.key_scale[0],
        it.values[0],
        it.value_scale[0],
        np.ones(n, np.int64),
        np.arange(n),
        past.keys,
        past.key_scale,
        past.values,
        past.value_scale,
        past.most,
    )
    assert np.array_equal(past.most[1, :, :n], it.most[0])

    def by_key_head(of_heads: np.ndarray) -> np.ndarray:
        split = of_heads[:, rows].reshape(KV, GROUP, rows.size, *of_heads.shape[2:])
        return np.ascontiguousarray(split.swapaxes(1, 2))

    out = np.empty((rows.size, KV * GROUP * WIDTH), F)
    attention.attend(
        by_key_head(it.queries).astype(np.int16),
        by_key_head(it.query_scale),
        past.keys,
        past.key_scale,
        past.values,
        past.value_scale,
        past.most,
        past.shared,
        np.ones(rows.size, np.int64),
        rows,
        FACTOR,
        sliding,
        out,
    )
    return out


def one_by_one(it: Past, sliding: int, rows: np.ndarray) -> np.ndarray:
    """Each row in a call of its own."""
    return np.concatenate([compiled(it, sliding, rows[k : k + 1]) for k in range(rows.size)])


def plainly(it: Past, sliding: int, rows: np.ndarray) -> np.ndarray:
    n = it.keys.shape[2]
    cache = plain_attention.Cache(tiny.model("llama"), 1, 1)
    for name in ("keys", "values", "key_scale", "value_scale", "most"):
        setattr(cache, name, torch.from_numpy(getattr(it, name))[None])
    queries = torch.from_numpy(it.queries[:, rows]).transpose(0, 1)[None]
    units = torch.from_numpy(it.query_scale[:, rows] * FACTOR).t()[None]
    first = torch.zeros(1, dtype=torch.int64)
    places = torch.from_numpy(rows)[None]
    for some in (None, slice(0, 1)):
        at = plain_attention.Places(first, some, places, int(rows.min()), n - 1)
        out = plain_attention.attend(queries, units, cache, 0, at, sliding)
    return np.asarray(out.reshape(rows.size, -1).numpy())


@settings(max_examples=40)
@given(
    n=st.integers(1, 60),
    start=st.integers(0, 59),
    sliding=st.sampled_from([0, 1, 7, 100]),
    kind=st.sampled_from(["random", "largest", "uneven"]),
    seed=st.integers(0, 2**32),
)
def test_together_one_by_one_and_plainly(
    n: int, start: int, sliding: int, kind: str, seed: int
) -> None:
    it, start = past(n, seed, kind), min(start, n - 1)
    rows = np.arange(start, n)
    wanted = plainly(it, sliding, rows)
    assert np.array_equal(compiled(it, sliding, rows), wanted)
    assert np.array_equal(compiled(it, sliding, rows[::2]), wanted[::2])
    some = np.unique([0, rows.size // 2, rows.size - 1])
    assert np.array_equal(one_by_one(it, sliding, rows[some]), wanted[some])


@pytest.mark.parametrize("n", [511, 512, 513, 1025, 5000])
def test_long_pasts_of_the_largest_numbers(n: int) -> None:
    it, rows = past(n, 1, "largest"), np.array([n - 1])
    got = compiled(it, 0, rows)
    assert np.array_equal(got, plainly(it, 0, rows))
    # All keys are alike, so each has weight 1/n, and all values say the same.
    assert np.abs(got / (127 * 0.01) - 1).max() < 1e-4


@pytest.mark.parametrize("sliding", [0, 9])
def test_close_to_floats(sliding: int) -> None:
    it = past(50, 4)
    rows = np.arange(50)
    got = compiled(it, sliding, rows).reshape(50, KV * GROUP, WIDTH)
    keys = it.keys[0] * it.key_scale[0][..., None].astype(np.float64)
    values = it.values[0] * it.value_scale[0][..., None].astype(np.float64)
    queries = it.queries * it.query_scale[..., None].astype(np.float64)
    for h in range(KV * GROUP):
        for at in rows:
            seen = slice(max(0, at + 1 - sliding) if sliding else 0, at + 1)
            scores = keys[h // GROUP, seen] @ queries[h, at] / WIDTH**0.5
            weights = np.exp(scores - scores.max())
            wanted = weights / weights.sum() @ values[h // GROUP, seen]
            assert np.abs(got[at, h] - wanted).max() < 3e-4 * np.abs(values).max()


def test_values_of_nothing_give_nothing() -> None:
    it = past(8, 1)
    it.value_scale[:] = 0
    it.most[:] = 0
    rows = np.arange(8)
    assert not compiled(it, 0, rows).any()
    assert not plainly(it, 0, rows).any()


def test_keep_knows_the_largest_scale_so_far() -> None:
    model = tiny.model("llama")
    draw = np.random.Generator(np.random.PCG64(7))
    scales = draw.random((KV, 9)).astype(F)
    numbers = draw.integers(-127, 128, (KV, 9, WIDTH)).astype(np.int8)
    cache = Cache(model, 3, 20)
    cache.past.most[:] = 99  # of what was there before
    past = Layer(*(array[1] for array in cache.past))
    plainly_kept = plain_attention.Cache(model, 3, 20)
    plainly_kept.most[:] = 99
    for first, last in ((0, 4), (4, 5), (5, 9)):
        some = slice(first, last)
        streams, position = np.full(last - first, 2), np.arange(first, last)
        attention.keep(
            numbers[:, some],
            scales[:, some],
            numbers[:, some],
            scales[:, some],
            streams,
            position,
            past.keys,
            past.key_scale,
            past.values,
            past.value_scale,
            past.most,
        )
        new = torch.from_numpy(numbers[:, some]).transpose(0, 1)[None]
        scale = torch.from_numpy(scales[:, some]).t()[None]
        places = torch.from_numpy(position)[None]
        at = plain_attention.Places(torch.tensor([2]), None, places, first, last - 1)
        plain_attention.keep(plainly_kept, 1, at, new, scale, new, scale)
    wanted = np.maximum.accumulate(scales, axis=1)
    assert np.array_equal(past.most[2, :, :9], wanted)
    for name in ("key_scale", "value_scale", "most"):
        a, b = getattr(past, name)[2, :, :9], getattr(plainly_kept, name)[1, 2, :, :9]
        assert np.array_equal(a, b.numpy())
    by_position = past.keys[2].transpose(0, 1, 3, 2, 4).reshape(KV, -1, WIDTH)
    assert np.array_equal(by_position[:, :9], numbers)
    by_position = past.values[2].transpose(0, 1, 3, 2).reshape(KV, -1, WIDTH)
    assert np.array_equal(by_position[:, :9], numbers)
