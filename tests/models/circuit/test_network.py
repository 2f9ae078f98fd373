from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from ncz.models.circuit.network import Network, Parameters, finished, normalized
from ncz.models.circuit.tree import Tree
from tests.models.circuit import making

SIZES = [3, 2, 4, 2, 3]
SHAPES = {
    "chain": making.chain(5),
    "star": making.star(5),
    "both": Tree(np.arange(5), np.array([-1, 0, 1, 1, 0])),
}


def drawn(shape: str, latents: int = 2) -> tuple[Tree, Parameters]:
    return SHAPES[shape], making.parameters(SIZES, latents, np.random.default_rng(4), 2.0)


def every_row() -> torch.Tensor:
    return torch.tensor(list(itertools.product(*map(range, SIZES))))


def weights(tree: Tree, of: Parameters, row: list[int]) -> dict[tuple[int, ...], float]:
    """Of each way the latent variables can be, the probability of that and the row."""
    out = {}
    root, edges, leaves = of.root.tolist(), of.edges.tolist(), of.leaves.tolist()
    for states in itertools.product(range(of.latents), repeat=len(row)):
        chance = root[states[0]]
        for place, state in enumerate(states):
            if place:
                chance *= edges[place][states[tree.parent[place]]][state]
            chance *= leaves[int(of.start[place]) + row[place]][state]
        out[states] = chance
    return out


@pytest.mark.parametrize("shape", SHAPES)
def test_the_likelihood_is_the_sum_over_all_states(shape: str) -> None:
    tree, made = drawn(shape)
    rows = every_row()[::7]
    found = Network(tree).likelihood(made, rows)
    for row, likelihood in zip(rows.tolist(), found.tolist(), strict=True):
        assert likelihood == pytest.approx(math.log(sum(weights(tree, made, row).values())))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("latents", [1, 3])
def test_all_rows_together_are_certain(shape: str, latents: int) -> None:
    tree, made = drawn(shape, latents)
    whole = Network(tree).likelihood(made, every_row()).exp().sum()
    assert float(whole) == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_counts_are_what_enumeration_expects(shape: str) -> None:
    tree, made = drawn(shape)
    rows = every_row()[::29]
    into = made.empty()
    Network(tree).counts(made, rows, into)
    found = finished(into, made)
    expected = made.empty()
    for row in rows.tolist():
        chances = weights(tree, made, row)
        whole = sum(chances.values())
        for states, chance in chances.items():
            expected.root[states[0]] += chance / whole
            for place, state in enumerate(states):
                expected.leaves[int(made.start[place]) + row[place], state] += chance / whole
                if place:
                    above = states[tree.parent[place]]
                    expected.edges[place, above, state] += chance / whole
    for part in ("root", "edges", "leaves"):
        assert torch.allclose(getattr(found, part), getattr(expected, part), atol=1e-4), part


def test_a_variable_with_many_children() -> None:
    """Whose messages, multiplied, are beyond what float32 holds."""
    places = 120
    dice = np.random.default_rng(1)
    made = making.parameters([2] * places, 2, dice)
    # What was seen speaks for a state that hardly ever is.
    made.edges[:] = torch.tensor([[0.001, 0.999], [0.002, 0.998]])
    made.leaves[:] = torch.tensor([[0.9, 0.002], [0.1, 0.998]]).repeat(places, 1)
    row = torch.zeros(1, places, dtype=torch.int64)
    first = made.leaves[::2].double()  # of each place's first symbol
    given = (first[1:, None, :] * made.edges[1:].double()).sum(-1).log().sum(0)
    expected = (made.root.double().log() + first[0].log() + given).logsumexp(0)
    assert float(expected) < -300
    network = Network(making.star(places))
    assert float(network.likelihood(made, row)) == pytest.approx(float(expected), rel=1e-4)
    into = made.empty()
    network.counts(made, row, into)
    posterior = (made.root.double().log() + first[0].log() + given - expected).exp()
    assert into.root.tolist() == pytest.approx(posterior.tolist(), abs=1e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_full_steps_never_lower_the_likelihood(shape: str) -> None:
    tree, made = drawn(shape, 3)
    dice = np.random.default_rng(2)
    rows = torch.from_numpy(np.stack([dice.integers(0, size, 60) for size in SIZES], 1))
    network = Network(tree)
    before = -math.inf
    nothing = torch.zeros(len(made.leaves), 1)
    for _ in range(12):
        into = made.empty()
        after = float(network.counts(made, rows, into).sum())
        assert after >= before - 1e-3
        before = after
        made = normalized(finished(into, made), 0.0, nothing)
    assert before > -60 * sum(map(math.log, SIZES))  # better than nothing
