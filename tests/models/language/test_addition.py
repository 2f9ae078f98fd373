import dataclasses
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ncz.codec.errors import ModelError
from ncz.models.language import addition
from ncz.models.language.source import Shape, Source

NAME = "model.layers.0.mlp.up_proj.weight"
SHAPE = Shape("llama", 1, 4, 4, 1, 1, 4, 16, 1e-5, 1e4)
bytes8 = st.integers(-127, 127)


def source() -> Source:
    known = {NAME: np.ones((3, 4), np.float32), "model.norm.weight": np.ones(4, np.float32)}
    return Source(SHAPE, {}, known.__getitem__, frozenset(known))


@given(
    arrays.arrays(np.int8, (3, 2), elements=bytes8),
    arrays.arrays(np.int8, (2, 4), elements=bytes8),
    arrays.arrays(np.int8, 2, elements=st.integers(-24, 0)),
)
def test_the_sum_is_exact(up: np.ndarray, down: np.ndarray, shift: np.ndarray) -> None:
    got = addition.product(up, down, shift)
    for i in range(3):
        for j in range(4):
            terms = (
                int(up[i, r]) * int(down[r, j]) * Fraction(2) ** int(shift[r]) for r in range(2)
            )
            assert Fraction(float(got[i, j])) == sum(terms)


@settings(max_examples=20)
@given(st.integers(1, 9))
def test_the_order_of_the_ranks_does_not_matter(seed: int) -> None:
    draw = np.random.Generator(np.random.PCG64(seed))
    up = draw.integers(-127, 128, (64, 16)).astype(np.int8)
    down = draw.integers(-127, 128, (16, 48)).astype(np.int8)
    shift = draw.integers(-24, 0, 16).astype(np.int8)
    order = draw.permutation(16)
    one = addition.product(up, down, shift)
    assert np.array_equal(one, addition.product(up[:, order], down[order], shift[order]))


def test_adds_to_matrices_and_replaces_norms() -> None:
    made = addition.add(
        source(),
        {
            "layers.0.mlp.up_proj.up": np.full((3, 1), 2, np.int8),
            "layers.0.mlp.up_proj.down": np.arange(4, dtype=np.int8)[None],
            "layers.0.mlp.up_proj.shift": np.array([-2], np.int8),
            "norm": np.full(4, 7, np.float32),
        },
    )
    assert made.tensor(NAME).tolist() == [[1, 1.5, 2, 2.5]] * 3
    assert made.tensor(NAME).dtype == np.float32
    assert made.tensor("model.norm.weight").tolist() == [7] * 4


def test_what_does_not_fit_is_refused() -> None:
    part = {"up": np.ones((3, 1), np.int8), "down": np.ones((1, 4), np.int8)}
    shift = np.zeros(1, np.int8)
    whole = {f"layers.0.mlp.up_proj.{k}": v for k, v in (part | {"shift": shift}).items()}
    other = {name.replace("up_proj", "no_proj"): tensor for name, tensor in whole.items()}
    with pytest.raises(ModelError, match=r"no layers\.0\.mlp\.no_proj"):
        addition.add(source(), other)
    wide = whole | {"layers.0.mlp.up_proj.down": np.ones((1, 5), np.int8)}
    with pytest.raises(ModelError, match=r"is \(3, 4\), and what belongs to it is \(3, 5\)"):
        addition.add(source(), wide).tensor(NAME)
    with pytest.raises(ModelError, match="too far apart"):
        addition.product(part["up"], np.ones((1, 4), np.int8).repeat(2, 0), np.array([-40, 0]))


def test_what_comes_with_ncz_is_what_is_named() -> None:
    for name in addition.FILES:
        tensors = addition.load(name)
        assert tensors is not None
        assert {tensor.dtype for tensor in tensors.values()} <= {
            np.dtype(t) for t in (np.int8, np.float32)
        }
    assert addition.load("another") is None


def test_adding_leaves_the_rest_of_a_model_alone() -> None:
    before = source()
    after = addition.add(before, {})
    assert dataclasses.replace(after, tensor=before.tensor) == before
    assert np.array_equal(after.tensor(NAME), before.tensor(NAME))
