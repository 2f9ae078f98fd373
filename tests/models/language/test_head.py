"""Weights of the whole vocabulary from the last row: exact, never 0, in the sorted order."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ncz.models.language import head, plain, steps, vocabulary
from ncz.models.language.exact import Linear
from ncz.models.language.head import Head
from ncz.models.language.network import Network
from tests.models.language import tiny
from tests.models.language.test_arithmetic import exp2_in_numpy

F = np.float32


def cumulated(
    product: np.ndarray, units: np.ndarray, scale: np.ndarray, said: np.ndarray, never: np.ndarray
) -> np.ndarray:
    out = np.full((units.size, never.shape[1] + 1), -1, np.int64)
    powers = np.empty(said.size, F)
    for row in range(units.size):
        head.cumulate(product, units, row, scale, said, never[row], powers, out[row])
    return out


@given(
    columns=st.integers(1, 40),
    escapes=st.integers(0, 9),
    rows=st.integers(1, 4),
    size=st.sampled_from([0, 1, 1000, 2**26]),
    seed=st.integers(0, 2**32),
)
def test_cumulate(columns: int, escapes: int, rows: int, size: int, seed: int) -> None:
    draw = np.random.Generator(np.random.PCG64(seed))
    entries = columns + escapes
    said = np.sort(draw.permutation(entries)[:columns])
    product = draw.integers(-16 * size, 16 * size + 1, (rows, columns)).astype(np.int32)
    units = draw.choice(F([0, 1e-6, 1e-3]), rows)
    scale = draw.choice(F([1e-5, 1e-3, 0.1]), columns)
    never = (draw.random((rows, entries)) < 0.3).astype(np.uint8)
    got = cumulated(product, units, scale, said, never)

    powers = product.astype(F) * (units * F(1.4426950408889634))[:, None] * scale
    p = exp2_in_numpy(np.maximum(powers - powers.max(axis=1, keepdims=True), F(-126)))
    weights = np.maximum((p * F(2**24)).astype(np.int64), 1)
    wanted = np.ones((rows, entries), np.int64)
    wanted[:, said] = np.where(never[:, said], np.maximum(weights >> 10, 1), weights)
    assert np.array_equal(np.diff(got, axis=1), wanted)
    assert not got[:, 0].any()
    assert weights.max(axis=1).tolist() == [2**24] * rows
    plainly = steps.entry_weights(*map(torch.from_numpy, (product, units, scale)))
    assert np.array_equal(plainly.numpy(), weights)
    sums = steps.cumulate(plainly, torch.from_numpy(said), torch.from_numpy(never))
    assert np.array_equal(sums.numpy(), got)


@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("architecture", ["llama", "gemma3"])
def test_the_head_of_a_model(architecture: str, separate: bool) -> None:
    model = tiny.model(architecture, head=separate)
    compiled, plainly = Head(Network(model)), plain.Network(model)
    network = Network(model)
    x = network.read(network.cache(1, 5), 0, np.array([0, 70, 3, 9, 120]))
    product, units = compiled.logits(x)
    never = np.zeros((5, compiled.vocabulary.order.size), np.uint8)
    sums = cumulated(product, units, compiled.scale, compiled.said, never)
    columns = compiled.vocabulary.order[compiled.said]
    table = model.head or model.embedding
    prepared = plainly.prepare(Linear(table.weight[columns], table.scale[columns]))
    same, same_units = plainly.product_of(torch.from_numpy(x), prepared)
    weights = steps.entry_weights(same, same_units, prepared.scale)
    plain_sums = steps.cumulate(weights, torch.from_numpy(compiled.said), torch.from_numpy(never))
    assert np.array_equal(plain_sums.numpy(), sums)
    others, other_units = Head(plain.Network(model)).logits(x)
    assert np.array_equal(others, product[:, : columns.size])
    assert np.array_equal(other_units, units)

    # Probabilities by token, beside those of float64 from the same int8 rows.
    y = x / np.sqrt((x.astype(np.float64) ** 2).mean(axis=1, keepdims=True) + model.shape.epsilon)
    logits = y * model.norm @ (table.weight * table.scale[:, None].astype(np.float64)).T
    tokens = compiled.vocabulary.order[compiled.said]
    wanted = np.exp(logits[:, tokens])
    wanted /= wanted.sum(axis=1, keepdims=True)
    got = np.diff(sums, axis=1)[:, compiled.said] / sums[:, -1:]
    assert np.abs(got - wanted).max() < 2e-3


def test_every_byte_is_possible() -> None:
    top = Head(Network(tiny.model()))
    order = top.vocabulary.order
    assert sorted(-1 - order[order < 0]) == sorted(tiny.MUTE)
    says = set(vocabulary.entries(top.vocabulary))
    assert says >= {bytes([byte]) for byte in range(256)}
    assert b"<|user|>" in says
    assert b"<|begin|>" not in says
