"""Absolute branch targets, and back."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from ncz.models.contextmix.branches import to_absolute, to_relative

rich = st.lists(st.sampled_from([0xE8, 0xE9, 0x00, 0xFF, 0xFE, 0x01, 0x7F, 0x80]), max_size=300)


def array(raw: bytes) -> np.ndarray:
    return np.frombuffer(bytearray(raw), np.uint8)


@given(st.one_of(st.binary(max_size=300), rich.map(bytes)))
@example(b"")
@example(b"\xe8\0\0\0")
@example(b"\xe8" * 50)
@example(b"\xe8\0\0\0\0" * 20)
@example(b"\xe9\xff\xff\xff\xff" * 20)
def test_it_undoes_itself(raw: bytes) -> None:
    data = array(raw)
    to_absolute(data)
    to_relative(data)
    assert data.tobytes() == raw


@given(rich.map(bytes))
def test_any_bytes_can_be_made_relative(raw: bytes) -> None:
    """Coded data may be anything; the step is one to one, so this too can be undone."""
    data = array(raw)
    to_relative(data)
    to_absolute(data)
    assert data.tobytes() == raw


def test_calls_to_one_place_become_equal() -> None:
    """Each call is `target - own place`; only the far ends of a block are out of reach."""
    code = bytearray()
    for place in range(0, 600, 6):
        code += b"\xe8" + (100_000 - place).to_bytes(4, "little") + b"\x90"
    data = array(bytes(code))
    to_absolute(data)
    assert data.tobytes() == (b"\xe8" + (100_000).to_bytes(4, "little") + b"\x90") * 100


def test_what_is_no_near_branch_stays() -> None:
    raw = b"\xe8\x01\x02\x03\x04\xe9\x01\x02\x03\x80\x0f\x84\x01\x02\x00\x00"
    data = array(raw)
    to_absolute(data)
    assert data.tobytes() == raw
