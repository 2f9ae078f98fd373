"""Mixers, charts and corrections move towards what they see."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ncz.models.text import mixing
from ncz.models.text.logistic import squash


def test_a_mixer_learns_which_input_to_trust() -> None:
    mixer = mixing.mixer(np.zeros((4, 8), np.int32), 2)
    mixer.row[:] = 1, 3
    random = np.random.default_rng(0)
    for _ in range(8000):
        y = int(random.integers(2))
        mixer.x[:] = random.integers(-500, 500, 8)
        mixer.x[2] = 400 if y else -400
        mixing.mix(mixer)
        mixing.learn_mix(mixer, y, 20)
    assert (mixer.weights[1].argmax(), mixer.weights[3].argmax()) == (2, 2)
    assert not mixer.weights[[0, 2]].any()
    mixer.x[:] = 0
    mixer.x[2] = 400
    assert squash(mixing.mix(mixer)) > 0.9 * 2**24


@given(st.integers(-3071, 3071))
def test_fresh_charts_change_nothing(total: int) -> None:
    charts = mixing.charts((5, 7))
    charts.row[:] = 4, 5 + 6
    found = int(mixing.refine(charts, np.int64(total), np.int64(1)))
    low, high = sorted(int(squash(np.int64(total + k))) for k in (-25, 25))
    assert low - 40 <= found <= high + 40


def test_charts_learn_what_a_prediction_means() -> None:
    charts = mixing.charts((2, 2))
    charts.row[:] = 1, 2
    for _ in range(2000):
        mixing.refine(charts, np.int64(0), np.int64(1))
        mixing.learn_charts(charts, 1)
    found = int(mixing.refine(charts, np.int64(0), np.int64(1)))
    assert found > 0.8 * 2**24, "two of three say one, the mix says half"
    charts.row[:] = 0, 3
    assert abs(int(mixing.refine(charts, np.int64(0), np.int64(1))) - 2**23) < 100


@given(
    st.integers(-(2**21), 2**21 - 1),
    st.integers(0, 1023),
    st.integers(-4095, 4095),
    st.integers(0, 1),
)
def test_corrections_move_towards_the_bit_and_stay_in_bounds(
    correction: int, count: int, said: int, y: int
) -> None:
    table = np.array([0, correction << 10 | count], np.int32)
    mixing.learn_residue(table, 1, np.int64(said), np.int64(y), np.int64(90), np.int64(255))
    after = int(table[1])
    assert after & 1023 == min(count + 1, 255)
    assert after >> 10 >= correction if y else after >> 10 <= correction
    assert table[0] == 0
