from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from ncz.codec.errors import NczError
from ncz.models.circuit import exact, rows, start
from ncz.models.circuit.training import Plan, Progress, train
from ncz.models.circuit.tree import MOST_VARIABLES
from tests.models.circuit import making

PLAN = Plan(latents=4, epochs=4, step=100, patience=9)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums of floats in one order, whatever else the machine does."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def table(count: int = 400, seed: int = 1) -> np.ndarray:
    """Two kinds of rows, a counter, and a column that never changes."""
    dice = np.random.default_rng(seed)
    kind = dice.integers(0, 2, count)
    out = np.stack(
        [
            kind * 5 + dice.integers(0, 2, count),
            kind * 40 + dice.integers(0, 3, count),
            dice.integers(0, 4, count),
            7 - kind,
            np.full(count, -3),
            dice.integers(0, 1 << 20, count),
        ],
        1,
    )
    return out.astype(np.int64)


DOMAINS = [(-100, 1000)] * 5 + [(0, 1 << 20)]


def trained(plan: Plan = PLAN, **more: object) -> exact.Codes:
    return train(table(), DOMAINS, plan, {"for": "tests"}, **more)  # type: ignore[arg-type]


def same(a: exact.Codes, b: exact.Codes) -> bool:
    return exact.to_bytes(a) == exact.to_bytes(b)


def test_it_learns() -> None:
    codes = trained()
    log = codes.notes["log"]
    assert len(log) == 4
    assert codes.notes["for"] == "tests"
    assert codes.notes["rows"] == 400
    circuit = exact.from_bytes(exact.to_bytes(codes))
    fresh = table(300, seed=2)
    coded = rows.encode(circuit, fresh, 30)
    assert np.array_equal(rows.opened(circuit, coded, 300, 30).read(0, 300), fresh)
    # One bit for the kind, three for what it leaves open, 20 for the counter; and some.
    assert len(coded) * 8 / 300 < (1 + 1 + 1.6 + 2 + 20) * 1.15
    assert log[-1]["held"] * 6 == pytest.approx(len(coded) * 8 / 300, rel=0.1)


class _Stop(Exception):
    pass


@pytest.mark.parametrize("plan", [PLAN, dataclasses.replace(PLAN, grow=1, young=1, prune=0.05)])
def test_interrupted_at_any_time_it_comes_to_the_same(plan: Plan, tmp_path: Path) -> None:
    whole = trained(plan)
    assert whole.latents == 4
    reports = 0

    def stop(at: int) -> object:
        def report(progress: Progress) -> None:
            nonlocal reports
            reports += 1
            if reports == at:
                raise _Stop

        return report

    for at in (2, 9, 3, 7):
        reports = 0
        with pytest.raises(_Stop):
            trained(plan, checkpoint=tmp_path, report=stop(at))
    assert same(trained(plan, checkpoint=tmp_path), whole)
    assert same(trained(plan, checkpoint=tmp_path), whole), "and once it has ended"


def test_a_checkpoint_of_something_else(tmp_path: Path) -> None:
    trained(checkpoint=tmp_path)
    with pytest.raises(NczError, match="other data or options"):
        trained(dataclasses.replace(PLAN, seed=2), checkpoint=tmp_path)
    with pytest.raises(NczError, match="other data or options"):
        train(table(seed=5), DOMAINS, PLAN, {}, checkpoint=tmp_path)
    (tmp_path / "state.safetensors").write_bytes(b"something else")
    with pytest.raises(NczError, match="remove it"):
        trained(checkpoint=tmp_path)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_too_few_rows(count: int) -> None:
    with pytest.raises(NczError, match="too few to train on"):
        train(table()[:count], DOMAINS, PLAN, {})


def test_no_variables() -> None:
    with pytest.raises(NczError, match="too few"):
        train(np.zeros((10, 0), np.int64), [], PLAN, {})


@pytest.mark.parametrize("count", [4, 5, 21])
@pytest.mark.parametrize("columns", [slice(0, 6), slice(4, 5), slice(5, 6)])
def test_few_rows(count: int, columns: slice) -> None:
    """More states than rows, one column, one that never changes."""
    values = table()[:count, columns]
    codes = train(values, DOMAINS[columns], dataclasses.replace(PLAN, latents=8, epochs=2), {})
    circuit = exact.from_bytes(exact.to_bytes(codes))
    fresh = table(40, seed=3)[:, columns]
    coded = rows.encode(circuit, fresh, 16)
    assert np.array_equal(rows.opened(circuit, coded, 40, 16).read(0, 40), fresh)


def test_without_an_epoch_it_is_what_it_starts_from() -> None:
    codes = trained(dataclasses.replace(PLAN, epochs=0))
    assert (codes.root < exact.NOTHING).any()
    coded = rows.encode(exact.compiled(codes, b""), table(), 40)
    assert len(coded) * 8 / 400 < 40


def test_what_is_near_in_a_star_is_some_of_it() -> None:
    around = start._surroundings(making.star(500), 3)
    assert max(len(line) for line, _ in around) <= 64
    assert all(line[0] == place for place, (line, _) in enumerate(around))
    line, weight = start._surroundings(making.chain(9), 2)[4]
    assert sorted(line) == [2, 3, 4, 5, 6]
    assert weight == [1.0, 0.7, 0.7, 0.5, 0.5]


def test_records_that_are_too_wide_are_refused() -> None:
    values = np.zeros((4, MOST_VARIABLES + 1), np.int64)
    with pytest.raises(NczError, match=r"16,385 variables are too wide.*16,384"):
        train(values, [(0, 2)] * values.shape[1], Plan(), {})


@pytest.mark.parametrize(("ordered", "most_bits"), [(True, 24), (False, 200)])
def test_what_counts_on_costs_little(ordered: bool, most_bits: int) -> None:
    """A number that was never seen, as all that come are."""
    count = np.arange(400) * 3 // 2 + 1_000_000
    values = np.stack([count, count % 2], axis=1)
    found = train(values[:200], [making.ALL, (0, 2)], PLAN, {}, ordered=[ordered, False])
    circuit = exact.from_bytes(exact.to_bytes(found))
    bits = 8 * len(rows.encode(circuit, values[200:], 200)) / 200
    assert (bits < 30) == ordered
    assert bits < most_bits
