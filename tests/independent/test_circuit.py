"""What circuits write, the decoder written from docs/circuits.md reads."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from ncz.models.circuit import exact, rows
from tests.independent import circuit as independent
from tests.models.circuit import making

LEAST, MOST = -(1 << 63), (1 << 63) - 1


def same(codes: exact.Codes, values: np.ndarray, group: int) -> None:
    data = exact.to_bytes(codes)
    coded = rows.encode(exact.from_bytes(data), values, group)
    found = independent.decode(independent.Circuit(data), coded, len(values), group)
    assert found == values.tolist()


@pytest.mark.parametrize("latents", [1, 2, 5])
@pytest.mark.parametrize("power", [1.0, 40.0])
def test_any_rows(latents: int, power: float) -> None:
    dice = np.random.default_rng(latents)
    known = dice.integers(0, 9, (30, 12)) * dice.integers(0, 3, 12)
    values = np.concatenate([known[:6], dice.integers(0, 30, (8, 12))])
    same(making.codes(known, latents, 3, power), values, 5)


def test_ranges_and_far_values() -> None:
    dice = np.random.default_rng(7)
    known = np.stack(
        [
            dice.integers(LEAST, MOST, 40),
            dice.integers(0, 100_000, 40),
            dice.integers(0, 1 << 34, 40),
            np.full(40, 5),
        ],
        1,
    )
    values = np.concatenate([known[:9], [[LEAST, 0, 99_999, 5], [MOST, 100_000, 0, 6]]])
    domains = [(0, 0), (0, 100_001), (0, 1 << 35), (5, 2)]
    same(making.codes(known, 3, 5, 4.0, domains, most=8), values, 4)


def test_where_nothing_can_be() -> None:
    """Rows that a circuit holds for impossible, at every turn."""
    dice = np.random.default_rng(2)
    known = dice.integers(0, 4, (20, 8))
    codes = making.codes(known, 3, 4)
    values = np.concatenate([known[:5], dice.integers(0, 6, (5, 8))])
    for share in (0.5, 0.9, 1.0):
        parts = {}
        for name in ("root", "edges", "symbols"):
            part = getattr(codes, name).copy()
            part[dice.random(part.shape) < share] = exact.NOTHING
            parts[name] = part
        same(dataclasses.replace(codes, **parts), values, 4)


def test_a_chain_and_a_star() -> None:
    dice = np.random.default_rng(3)
    known = dice.integers(0, 4, (20, 9))
    codes = making.codes(known, 4, 4)
    for shape in (making.chain(9), making.star(9)):
        parent = dataclasses.replace(codes.tree, parent=shape.parent)
        same(dataclasses.replace(codes, tree=parent), known, 20)
