"""The engine: what it codes it decodes, whatever the bytes and the model."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncz.codec.tables import RECIPROCAL
from ncz.models.contextmix import kernel, state
from ncz.models.contextmix.presets import PRESETS
from ncz.models.contextmix.prior import Prior
from tests.models.contextmix.making import (
    SHORT,
    array,
    decode,
    encode,
    machine_code,
    noise,
    records,
    text,
)

kinds = st.sampled_from(kernel.KINDS)
few = settings(max_examples=8)  # a model costs up to a tenth of a second


@pytest.mark.parametrize("preset", PRESETS)
@given(kinds, st.binary(max_size=300), st.integers(1, 30), st.integers(1, 8))
@few
def test_round_trip(preset: int, kind: int, raw: bytes, row: int, cell: int) -> None:
    code = encode(raw, kind, preset, row, cell)
    assert decode(code, len(raw), kind, preset, row, cell) == raw


@pytest.mark.parametrize("preset", PRESETS)
@given(st.one_of(st.binary(max_size=100), st.integers(0, 5000).map(lambda n: text(8000)[n:][:200])))
@few
def test_round_trip_from_a_prior(start: Prior, preset: int, raw: bytes) -> None:
    code = encode(raw, kernel.TEXT, preset, start=start)
    assert decode(code, len(raw), kernel.TEXT, preset, start=start) == raw


@pytest.mark.parametrize("kind", kernel.KINDS)
@pytest.mark.parametrize("raw", SHORT, ids=range(len(SHORT)))
def test_round_trip_of_special_blocks(kind: int, raw: bytes) -> None:
    for preset in (2, 6):
        assert decode(encode(raw, kind, preset), len(raw), kind, preset) == raw


@pytest.mark.parametrize("preset", PRESETS)
def test_round_trip_of_larger_blocks(preset: int) -> None:
    """Long enough for every cell of every table to have been used and replaced."""
    for kind, raw in (
        (kernel.TEXT, text(9000)),
        (kernel.BINARY, records(6000)),
        (kernel.MACHINE32, machine_code(9000)),
        (kernel.MACHINE64, noise(3000) + machine_code(3000)),
    ):
        code = encode(raw, kind, preset, 12, 4)
        assert decode(code, len(raw), kind, preset, 12, 4) == raw


def test_the_same_bytes_each_time() -> None:
    assert encode(text(3000), kernel.TEXT, 5) == encode(text(3000), kernel.TEXT, 5)


def test_what_recurs_is_learned() -> None:
    once = noise(1500)
    assert len(encode(once, kernel.BINARY, 6)) < 1500 * 1.05
    again = len(encode(once * 4, kernel.BINARY, 6)) - len(encode(once, kernel.BINARY, 6))
    assert again < 3 * 1500 // 20, "matches make three more copies nearly free"
    assert len(encode(bytes(20_000), kernel.BINARY, 6)) < 60


def test_slower_presets_code_smaller() -> None:
    sizes = [len(encode(text(20_000), kernel.TEXT, preset)) for preset in sorted(PRESETS)]
    assert max(sizes) == sizes[0]
    assert min(sizes) == sizes[-1] < sizes[0] * 0.97


def test_the_right_kind_codes_smaller() -> None:
    sizes = {kind: len(encode(records(12_000), kind, 4, 12, 4)) for kind in kernel.KINDS}
    assert min(sizes, key=sizes.__getitem__) == kernel.BINARY
    other = len(encode(records(12_000), kernel.BINARY, 4, 13, 3))
    assert sizes[kernel.BINARY] < other * 0.95, "with the right lengths"


def test_a_code_that_does_not_fit_is_counted_and_not_written() -> None:
    raw = noise(400)
    whole = encode(raw, kernel.BINARY, 2)
    room = np.full(500, 7, np.uint8)
    model = state.fresh(PRESETS[2], kernel.BINARY, len(raw), 1, 1, None)
    size = kernel.code_block(model, array(raw), room[:100], False)
    assert 100 < size <= len(whole) + 4
    assert room[:100].tobytes() == whole[:100]
    assert (room[100:] == 7).all()


@given(kinds, st.binary(max_size=60), st.integers(1, 200), st.sampled_from([2, 6]))
@few
def test_any_code_decodes_to_something(kind: int, code: bytes, size: int, preset: int) -> None:
    """And a decoder that reads past the end of the code reads zeros."""
    found = decode(code, size, kind, preset, 5, 2)
    assert len(found) == size
    assert decode(code + bytes(9), size, kind, preset, 5, 2) == found


def test_it_leaves_its_position() -> None:
    model = state.fresh(PRESETS[2], kernel.TEXT, 100, 1, 1, None)
    kernel.code_block(model, array(text(100)), np.empty(200, np.uint8), False)
    assert model.setup[kernel.AT] == 99


@given(st.integers(-(2**40), 2**40))
def test_squash_clamps(x: int) -> None:
    p = int(kernel.squash(np.int64(x)))
    assert abs(p - 2**24 / (1 + np.exp(-min(max(x, -3071), 3071) / 256))) <= 1


@given(st.integers(0, 2**22 - 1), st.integers(0, 1023), st.integers(0, 1), st.integers(1, 1023))
def test_an_adaptive_probability_moves_towards_the_bit(
    p: int, count: int, bit: int, limit: int
) -> None:
    target = bit << 22
    after = int(kernel.learn(np.int64(p << 10 | count), np.int64(target), np.int64(limit)))
    assert 0 <= after < 2**32
    moved = after >> 10
    assert p <= moved < 2**22 if bit else 0 <= moved <= p
    assert abs(moved - (p + (target - p) * int(RECIPROCAL[count]) / 65536)) <= 1
    assert after & 1023 == min(count + 1, limit)


def test_buckets_of_match_lengths_rise_to_the_last() -> None:
    buckets = [int(kernel.bucket_of(np.int64(length))) for length in range(65536)]
    assert buckets == sorted(buckets)
    assert set(buckets) == set(range(kernel.MATCH_BUCKETS))


_PLAIN = """
import json, sys, warnings
warnings.simplefilter("ignore")  # scalars that wrap say so
import numba
from ncz.models.contextmix import kernel
from tests.models.contextmix.making import decode, encode
out = []
for kind in kernel.KINDS:
    for preset in (2, 6):
        for raw in (b"\\x0f\\x85\\x48" * 2, b"\\xff" * 20, b"Ab1, \\xc3\\xa9\\n" * 3)[: 7 - preset]:
            code = encode(raw, kind, preset, 7, 2)
            out.append((code.hex(), decode(code, len(raw), kind, preset, 7, 2) == raw))
sure = b"abcdefgh" * 8  # until predictions are at their limit, and sums at their largest
out.append((encode(sure, kernel.TEXT, 6, 7, 2).hex(), True))
print(json.dumps([numba.config.DISABLE_JIT, out]))
"""


@pytest.mark.slow
def test_compiled_code_does_what_the_source_says() -> None:
    """The same blocks, once compiled and once by Python alone, which checks every index."""
    answers = []
    for disabled in ("0", "1"):
        run = subprocess.run(
            [sys.executable, "-c", _PLAIN],
            env=os.environ | {"NUMBA_DISABLE_JIT": disabled},
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        answers.append(json.loads(run.stdout))
    (compiled, expected), (plain, found) = answers
    assert (compiled, plain) == (0, 1)
    assert found == expected
    assert all(same for _, same in found)
