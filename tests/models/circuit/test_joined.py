"""A circuit asked in any order, and beside context mixing."""

import numpy as np
import pytest
import torch

import ncz
from ncz.models.circuit import exact, joined
from ncz.models.circuit.network import Network, restored
from ncz.models.circuit.tree import Tree
from tests import circuits

CODES = exact.parse(circuits.of_pixels())
IMAGES = np.frombuffer(circuits.pixels(40, seed=2), np.uint8).reshape(-1, 6)
TREE = Tree(np.array([2, 0, 1, 4, 3, 5]), np.array([-1, 0, 1, 1, 0, 4]))


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5], [5, 2, 3, 0, 4, 1], [3, 5, 1, 4, 2, 0]])
def test_in_any_order_the_whole_is_as_likely(order):
    symbols, _ = CODES.leaves.symbols(IMAGES.astype(np.int64))
    rows, parameters = torch.from_numpy(symbols).long(), restored(CODES)
    total = torch.zeros(len(rows), dtype=torch.float64)
    places = []
    for place, belief in joined.beliefs(TREE, parameters, rows, order):
        places.append(place)
        symbol = parameters.leaves[parameters.start[place] + rows[:, place]]
        total += (belief * symbol).sum(1).double().log()
    assert places == order
    expected = Network(TREE, "cpu").likelihood(parameters, rows)
    assert torch.allclose(total, expected, atol=1e-4)
    assert expected.std() > 0.1


def test_bits_cost_what_the_circuit_says():
    told = joined.circuit_bits(CODES, IMAGES)
    values = IMAGES.reshape(-1)
    found = joined.cost(told.reshape(-1, 8), values)
    symbols, _ = CODES.leaves.symbols(IMAGES[:, CODES.tree.order].astype(np.int64))
    rows = torch.from_numpy(symbols).long()
    bits = -Network(CODES.tree, "cpu").likelihood(restored(CODES), rows) / np.log(2)
    bits += torch.from_numpy(CODES.leaves.bits_beyond(symbols)).sum(dim=1)
    # Bytes alone can come, and what the escape stands for is less than the coder has it for.
    whole = float(bits.sum())
    assert 0.97 * whole < found.sum() <= whole * 1.0001


def test_both_are_worth_what_either_knows():
    chance = np.random.default_rng(1)
    values = chance.integers(0, 256, 3000).astype(np.uint8)
    bits = np.unpackbits(values[:, None], axis=1)
    knowing = np.where(bits == 1, 3.0, -3.0)
    one = np.where(np.arange(8) < 4, knowing, 0).astype(np.float32)
    other = np.where(np.arange(8) < 4, 0, knowing).astype(np.float32)
    both = joined.mixed.py_func(np.stack([one, other], axis=2), values, 10, 0.02)
    assert joined.cost(one, values).mean() > 4
    assert both[2000:].mean() < 0.5


@pytest.mark.slow
def test_context_mixing_is_heard_as_it_codes():
    raw = circuits.pixels(2000, seed=3)
    bits = joined.cost(joined.mixing_bits(raw), np.frombuffer(raw, np.uint8)).sum()
    assert abs(len(ncz.compress(raw, 6)) - bits / 8) < 120
