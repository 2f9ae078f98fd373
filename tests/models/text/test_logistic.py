"""The wide logistic domain: what it is, and that it is the same for ever."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ncz.models.text import logistic
from ncz.models.text.logistic import SQUASH_WIDE, STRETCH24, WIDE, squash, stretch24

# Files depend on every entry.
GOLDEN = {
    "SQUASH_WIDE": "b01e92821b656c3317925c81f26e94a453c5c1ca0c4afe6b818585589a315e60",
    "STRETCH24": "c8d956b13213d9d70f14374ba0ba8032fe2fe6b89ce8162ee4a86092d74dfdff",
}


@pytest.mark.parametrize(("name", "digest"), GOLDEN.items())
def test_golden(name: str, digest: str) -> None:
    table = getattr(logistic, name)
    packed = table.astype(table.dtype.newbyteorder("<")).tobytes()
    assert hashlib.sha256(packed).hexdigest() == digest


def test_squash_is_the_logistic_function_and_never_certain() -> None:
    x = np.arange(-WIDE, WIDE + 1)
    assert np.abs(SQUASH_WIDE[1:] - 2**24 / (1 + np.exp(-x / 256))).max() <= 1
    assert SQUASH_WIDE.min() > 0
    assert SQUASH_WIDE.max() < 2**24
    assert STRETCH24.max() <= 0


@given(st.integers(1, 2**24 - 1))
@example(1)
@example(4095)
@example(4096)
@example(2**18 - 1)
@example(2**18)
@example(2**23)
@example(2**24 - 1)
def test_stretch_is_its_inverse(p: int) -> None:
    exact = 256 * math.log(p / (2**24 - p))
    found = int(stretch24(np.int64(p)))
    assert abs(found - min(max(exact, -WIDE), WIDE)) <= 3
    assert found == -int(stretch24(np.int64(2**24 - p)))


@given(st.integers(-(2**40), 2**40))
def test_squash_clamps(x: int) -> None:
    p = int(squash(np.int64(x)))
    assert p == int(squash(np.int64(min(max(x, -WIDE), WIDE))))
