"""The logistic tables: what they are, and that they are the same for ever."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest

from ncz.codec import tables
from ncz.codec.tables import LIMIT, RECIPROCAL, SQUASH24, STRETCH12

# Files depend on every entry: a table that differs is another coder, with another number.
GOLDEN = {
    "SQUASH24": "b75473a5327269328fceea6c01b6a0e969eab7e11e5d02a310d9a67f46fedee5",
    "STRETCH12": "ba1e316c74a8caf72f08f945bcfd81707db0eb03a3aa60c2bf805aed686b7a54",
    "RECIPROCAL": "9907bf9ddc225daf26044c2c66639089ce65fa6c8a9ba9debf00cab634637c87",
}


@pytest.mark.parametrize(("name", "digest"), GOLDEN.items())
def test_golden(name: str, digest: str) -> None:
    table = getattr(tables, name)
    packed = table.astype(table.dtype.newbyteorder("<")).tobytes()
    assert hashlib.sha256(packed).hexdigest() == digest


def test_squash_is_the_logistic_function_within_one_step() -> None:
    x = np.arange(-LIMIT, LIMIT + 1)
    exact = 2**24 / (1 + np.exp(-x / 256))
    assert np.abs(SQUASH24[1:] - exact).max() <= 1


def test_squash_is_never_certain_and_rises() -> None:
    assert SQUASH24.min() > 0
    assert SQUASH24.max() < 2**24
    assert (np.diff(SQUASH24) >= 0).all()
    assert (SQUASH24[1:] + SQUASH24[:0:-1] == 2**24).all(), "symmetric"


def test_stretch_is_its_inverse_within_one_step() -> None:
    for p in range(4096):
        middle = (p + 0.5) / 4096
        assert abs(STRETCH12[p] - 256 * math.log(middle / (1 - middle))) <= 1
    assert np.abs(STRETCH12).max() <= LIMIT
    assert (np.diff(STRETCH12) >= 0).all()


def test_reciprocals_are_steps_of_an_average() -> None:
    n = np.arange(1024)
    assert np.abs(RECIPROCAL - 65536 / (n + 1.5)).max() <= 1
    assert (RECIPROCAL > 0).all()
    assert (RECIPROCAL < 65536).all(), "a step never goes past its aim"
