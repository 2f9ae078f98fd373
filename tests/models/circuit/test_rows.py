from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncz.codec import varint
from ncz.codec.errors import FormatError
from ncz.models.circuit import exact, rows
from tests.models.circuit import making

Ints = npt.NDArray[np.int64]
LEAST, MOST = -(1 << 63), (1 << 63) - 1

numbers = st.one_of(
    st.integers(0, 3),
    st.integers(LEAST, MOST),
    st.sampled_from([LEAST, LEAST + 1, -1, 1 << 62, MOST - 1, MOST]),
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[Ints, Ints]:
    """Rows that are known, and others."""
    width = draw(st.integers(1, 6))
    constant = draw(st.lists(st.booleans(), min_size=width, max_size=width))
    row = st.lists(numbers, min_size=width, max_size=width)
    known = np.array(draw(st.lists(row, min_size=1, max_size=12)), np.int64)
    known[:, constant] = known[0, constant]
    more = np.array(draw(st.lists(row, max_size=8)), np.int64).reshape(-1, width)
    return known, more


@given(tables(), st.integers(1, 5), st.integers(1, 30), st.integers(0, 99), st.booleans())
def test_any_rows_round_trip(
    both: tuple[Ints, Ints], latents: int, group: int, seed: int, ranges: bool
) -> None:
    known, more = both
    circuit = making.circuit(known, latents, seed, power=8.0, most=3 if ranges else 256)
    values = np.concatenate([known, more, known[:3]])
    coded = rows.encode(circuit, values, group)
    found = rows.opened(circuit, coded, len(values), group)
    assert np.array_equal(found.read(0, len(values)), values)
    for row in range(0, len(values), 5):
        assert np.array_equal(found.read(row, row + 1), values[row : row + 1])
    half = len(values) // 2
    assert np.array_equal(found.read(half, len(values)), values[half:])
    assert found.read(half, half).shape == (0, values.shape[1])


@given(tables(), st.integers(1, 9), st.binary(max_size=60), st.integers(0, 99))
def test_damage_is_noticed_or_gives_rows(
    both: tuple[Ints, Ints], group: int, noise: bytes, seed: int
) -> None:
    known, _ = both
    # A type just above 2^16 and one just above 2^32, so that numbers may go beyond them.
    domains = [(0, (1 << 16) + 1), (-5, (1 << 32) + 1)] * 3
    known &= 0xFFFF
    circuit = making.circuit(known, 3, seed, domains=domains[: known.shape[1]], most=3)
    count = 3 * group
    sizes = [len(noise[:9]), len(noise[9:20]), len(noise[20:])]
    for coded in (noise, rows._sizes(sizes) + noise):
        try:
            values = rows.opened(circuit, coded, count, group).read(0, count)
        except FormatError:
            continue
        assert values.shape == (count, known.shape[1])
        for column, (least, width) in zip(values.T, domains, strict=False):
            assert column.min() >= least
            assert column.max() < least + width
        circuit.codes.leaves.symbols(values[:, circuit.codes.tree.order])


@settings(max_examples=200)
@given(st.lists(st.integers(0, 300) | st.integers(0, 1 << 39), max_size=40))
def test_the_list_of_sizes(sizes: list[int]) -> None:
    coded = rows._sizes(sizes)
    # What follows is as long as the sizes say, for whoever asks how long that is.
    found, at = rows._read_sizes(_Long(coded, at_least=max(sizes, default=0)), len(sizes))
    assert at == len(coded)
    assert found.tolist() == sizes


class _Long(bytes):
    """Bytes that say they are more."""

    def __new__(cls, data: bytes, at_least: int) -> _Long:
        made = super().__new__(cls, data)
        made.said = max(len(data), at_least)
        return made

    said: int

    def __len__(self) -> int:
        return self.said


def listed(least: int, bits: int, packed: bytes) -> bytes:
    return varint.encode(least) + varint.encode(bits) + packed


@pytest.mark.parametrize(
    ("coded", "count"),
    [
        (b"", 4),
        (b"\x80", 4),
        (b"\x01", 4),
        (b"\x81\x00\x00", 4),  # longer than it need be
        (listed(1 << 63, 0, b""), 4),
        (listed(0, 41, bytes(100)), 4),
        (listed(0, (1 << 64) - 1, bytes(100)), 4),
        (listed(0, 8, b"\x01"), 4),
        (listed(0, 8, b"\x01\x01\x01\xff" + bytes(4)), 4),
        (listed(0, 40, b"\xff" * 20), 4),  # as many of these would add up beyond 64 bits
        (listed(0, 0, b"rest"), 4),
        (b"rest", 0),
    ],
)
def test_a_damaged_list(coded: bytes, count: int) -> None:
    with pytest.raises(FormatError, match="damaged"):
        rows.opened(making.circuit(np.array([[1, 2]]), 2, 1), coded, count, 1)


def test_no_rows() -> None:
    circuit = making.circuit(np.array([[1, 2]]), 2, 1)
    coded = rows.encode(circuit, np.zeros((0, 2), np.int64), 8)
    assert coded == b""
    assert rows.opened(circuit, coded, 0, 8).read(0, 0).shape == (0, 2)


def test_what_is_not_there_is_not_read() -> None:
    circuit = making.circuit(np.array([[1, 2]]), 2, 1)
    found = rows.opened(circuit, rows.encode(circuit, np.array([[1, 2]]), 1), 1, 1)
    for first, stop in ((0, 2), (-1, 1), (1, 0)):
        with pytest.raises(ValueError, match="no rows"):
            found.read(first, stop)


@pytest.mark.parametrize("width", [1, 3])
def test_rows_of_another_shape(width: int) -> None:
    with pytest.raises(ValueError, match="variables"):
        rows.encode(making.circuit(np.array([[1, 2]]), 2, 1), np.zeros((4, width), np.int64), 1)


def test_what_a_type_does_not_hold_is_not_coded() -> None:
    circuit = making.circuit(np.array([[1]]), 2, 1, domains=[(0, 256)])
    for value in (-1, 256, LEAST, MOST):
        with pytest.raises(ValueError, match="outside"):
            rows.encode(circuit, np.array([[value]]), 1)


def test_it_costs_what_the_network_says() -> None:
    import torch

    from ncz.models.circuit.network import Network

    dice = np.random.default_rng(5)
    known = dice.integers(0, 12, (50, 40))
    known[0] = 11
    codes = making.codes(known, 6, 8, power=6.0)
    dice = np.random.default_rng(8)
    shape = making.tree(40, dice)
    sizes = np.diff(codes.leaves.start).tolist()
    network, made = Network(shape), making.parameters(sizes, 6, dice, 6.0)
    assert np.array_equal(shape.order, codes.tree.order)
    values = drawn(made, shape, 400, dice)
    values = codes.leaves.lows[codes.leaves.start[:-1] + values]
    unordered = np.empty_like(values)
    unordered[:, shape.order] = values
    symbols, extra = codes.leaves.symbols(values)
    numbers = 64 * (symbols == np.diff(codes.leaves.start) - 1).sum()  # escapes
    assert not extra[symbols < np.diff(codes.leaves.start) - 1].any()
    likelihood = network.likelihood(made, torch.from_numpy(symbols).long()).sum()
    ideal = (float(-likelihood) / np.log(2) + numbers) / 8
    circuit = exact.compiled(codes, b"")
    for group in (1, 7, 256):
        size = len(rows.encode(circuit, unordered, group))
        assert ideal * 0.999 <= size <= ideal * 1.005 + 3 * -(-400 // group) + 4


def drawn(made: object, shape: object, count: int, dice: np.random.Generator) -> Ints:
    """Symbols of rows that a circuit with these parameters makes; int64[count, D]."""
    from ncz.models.circuit.network import Parameters
    from ncz.models.circuit.tree import Tree

    assert isinstance(made, Parameters)
    assert isinstance(shape, Tree)
    start, out = made.start.tolist(), np.empty((count, len(shape.parent)), np.int64)
    for row in out:
        states: list[int] = []
        for place, above in enumerate(shape.parent.tolist()):
            chances = (made.edges[place, states[above]] if place else made.root).double().numpy()
            states.append(int(dice.choice(len(chances), p=chances / chances.sum())))
            chances = made.leaves[start[place] : start[place + 1], states[-1]].double().numpy()
            row[place] = dice.choice(len(chances), p=chances / chances.sum())
    return out


def test_memory_is_counted() -> None:
    circuit = making.circuit(np.arange(40).reshape(2, 20), 4, 1)
    assert rows.memory(circuit, 8) >= 8 * (int(circuit.depth.max() + 1) * 4 * 8 + 20 * 12)
