"""Products by panels are those of whole numbers, whatever the shape and wherever arrays begin."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncz.models.language.panels import LANES, columns, multiply, pack, times
from tests.models.language import older


@given(
    rows=st.integers(1, 60),
    pairs=st.integers(1, 40),
    outputs=st.integers(1, 140),
    largest=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_multiply(rows: int, pairs: int, outputs: int, largest: bool, seed: int) -> None:
    draw = np.random.Generator(np.random.PCG64(seed))
    left = draw.integers(-2047, 2048, (rows, 2 * pairs)).astype(np.int16)
    right = draw.integers(-127, 128, (outputs, 2 * pairs)).astype(np.int8)
    if largest:
        left[:], right[:] = -2047, 127
    packed = pack(right)
    out = np.full((rows, columns(outputs)), 99, np.int32)
    multiply(left, packed, out)
    assert np.array_equal(out[:, :outputs], left.astype(int) @ right.T.astype(int))
    assert not out[:, outputs:].any()


def test_pack_fills_up_with_zeros() -> None:
    matrix = np.arange(1, 106, dtype=np.int8).reshape(35, 3)
    packed = pack(matrix)
    assert packed.shape == (2, 2, 2, LANES, 2)
    back = packed.transpose(0, 2, 3, 1, 4).reshape(4 * LANES, 4)
    assert np.array_equal(back[:35, :3], matrix)
    assert packed.astype(int).sum() == matrix.astype(int).sum()


@given(
    rows=st.integers(1, 30),
    pairs=st.integers(1, 20),
    panels=st.integers(1, 6),
    begins=st.tuples(*[st.integers(0, 3)] * 3),
    wider=st.tuples(*[st.integers(0, 3)] * 2),
    terms_first=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_times_reads_and_writes_where_it_should(
    rows: int,
    pairs: int,
    panels: int,
    begins: tuple[int, int, int],
    wider: tuple[int, int],
    terms_first: bool,
    seed: int,
) -> None:
    draw = np.random.Generator(np.random.PCG64(seed))
    left_step, out_step = 2 * pairs + wider[0], panels * LANES + wider[1]
    left = draw.integers(-2047, 2048, begins[0] + rows * left_step).astype(np.int16)
    matrix = draw.integers(-127, 128, (panels * LANES, 2 * pairs)).astype(np.int8)
    packed = matrix.reshape(panels, LANES, pairs, 2).swapaxes(1, 2)
    panel_step, pair_step = pairs * 2 * LANES, 2 * LANES
    if terms_first:  # all panels of a pair side by side
        packed, panel_step, pair_step = packed.swapaxes(0, 1), 2 * LANES, panels * 2 * LANES
    right = np.concatenate([np.zeros(begins[1], np.int8), packed.ravel()])
    out = np.full(begins[2] + rows * out_step, 99, np.int32)
    wanted = out.copy()
    for r in range(rows):
        row = left[begins[0] + r * left_step :][: 2 * pairs].astype(int)
        wanted[begins[2] + r * out_step :][: panels * LANES] = matrix.astype(int) @ row
    times(
        left,
        begins[0],
        left_step,
        rows,
        right,
        begins[1],
        panels,
        panel_step,
        pair_step,
        pairs,
        out,
        begins[2],
        out_step,
    )
    assert np.array_equal(out, wanted)


@pytest.mark.slow
@pytest.mark.parametrize("features", ["", "+avx2,+avx,+sse4.2"])
def test_narrower_vectors(features: str, tmp_path: Path) -> None:
    """All other ways to multiply that the compiler has; AVX2 where this machine has it."""
    cpu = Path("/proc/cpuinfo")
    if features and not (cpu.exists() and " avx2 " in cpu.read_text()):
        pytest.skip("this processor has no AVX2")
    older.passes(__file__, "not narrower", tmp_path, features)


@pytest.mark.slow
def test_where_numba_is_told_to_leave_avx_alone(tmp_path: Path) -> None:
    """It then compiles for less than the processor has, and aborts where one asks for more."""
    code = "from ncz.models.language import products as p; print(p.is_exact(p.Panels()))"
    settings = {"NUMBA_ENABLE_AVX": "0", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | settings, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "True\n"
