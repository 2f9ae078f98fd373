"""What a model starts from."""

from __future__ import annotations

import numpy as np
import pytest

from ncz.codec.tables import SQUASH24
from ncz.models.contextmix import kernel, state
from ncz.models.contextmix.hashing import LINE
from ncz.models.contextmix.presets import PRESETS
from ncz.models.contextmix.states import COUNTS
from tests.models.contextmix.making import array, text


@pytest.mark.parametrize("number", PRESETS)
@pytest.mark.parametrize("kind", kernel.KINDS)
def test_size_bounds_what_is_allocated(number: int, kind: int) -> None:
    preset = PRESETS[number]
    for raw_size in (1, 40_000, 700_000):
        model = state.fresh(preset, kind, raw_size, 9, 3, None)
        taken = sum(part.nbytes for part in model)
        assert taken <= state.size(preset, kind, raw_size) <= taken + (1 << 20)


def test_setup_says_what_was_asked() -> None:
    preset = PRESETS[4]
    model = state.fresh(preset, kernel.BINARY, 5000, 300, 4, None)
    assert model.setup[[kernel.KIND, kernel.ROW, kernel.CELL]].tolist() == [kernel.BINARY, 300, 4]
    assert model.setup[kernel.ACTIVE] == model.active.size == len(preset.binary)
    assert model.setup[kernel.ACTIVE_SETS] == model.active_sets.size == len(preset.sets)
    assert model.table.size == LINE << model.setup[kernel.LINE_BITS]
    assert model.match_table.shape == (kernel.MATCHES, 1 << model.setup[kernel.MATCH_BITS])


def test_the_table_starts_at_a_cache_line() -> None:
    """A bucket of four lines is then one access to memory."""
    for _ in range(5):
        model = state.fresh(PRESETS[2], kernel.TEXT, 100, 1, 1, None)
        assert model.table.ctypes.data % 64 == 0
        assert not model.table.any()


def test_a_history_is_guessed_by_its_counts() -> None:
    maps = state.fresh(PRESETS[2], kernel.TEXT, 100, 1, 1, None).maps
    zeros, ones = COUNTS.T
    guess = (maps[0] >> 10) / 2**22
    assert np.abs(guess - (ones + 0.5) / (zeros + ones + 1)).max() < 2**-20
    assert not (maps & 1023).any(), "no count yet: the first bit seen moves it most"
    assert (maps == maps[0]).all()


def test_a_straight_line_changes_nothing() -> None:
    line = state.straight_line()
    assert line.size == 33
    assert line[16] == 2**21
    for cell in range(33):
        at = min(max((cell - 16) * 128, -kernel.LIMIT), kernel.LIMIT)
        assert line[cell] == SQUASH24[at + kernel.LIMIT + 1] >> 2


def test_carry_takes_all_that_is_learned_but_the_histories() -> None:
    raw = text(2000)
    source = state.fresh(PRESETS[3], kernel.TEXT, len(raw), 1, 1, None)
    kernel.code_block(source, array(raw), np.empty(0, np.uint8), False)
    target = state.fresh(PRESETS[3], kernel.TEXT, 70_000, 1, 1, None)
    before = target.rates.copy()
    state.carry(source, target)
    for name in ("maps", "weights", "final", "match_maps", "apm0", "apm1", "apm2"):
        assert (getattr(target, name) == getattr(source, name)).all()
    assert not target.table.any()
    assert not target.match_table.any()
    assert before[kernel.RATE_START] > 0 == target.rates[kernel.RATE_START], "no second haste"
    target.weights[0, 0] += 1
    assert source.weights[0, 0] != target.weights[0, 0], "a copy"
