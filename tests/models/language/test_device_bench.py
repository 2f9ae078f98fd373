"""The benchmark of devices runs, here on the CPU, and counts what it says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ncz.models.language import device_bench, devices
from ncz.models.language.device_bench import Limits, Row
from tests.models import default
from tests.models.language import tiny


@pytest.mark.parametrize("device", ["plain", *devices.usable()[:-1]])
def test_a_tiny_model(device: str) -> None:
    torch.set_num_threads(1)
    limits, rows = device_bench.measure(tiny.model(), device, [1, 3], 16, 0.0, side=64)
    assert min(limits.operations, limits.bytes) > 0
    assert [(row.work, row.batch) for row in rows] == [
        ("reading", 1), ("stepping", 1), ("reading", 3), ("stepping", 3),
    ]  # fmt: skip
    assert all(row.tokens > 0 and row.share > 0 for row in rows)
    assert len({row.operations for row in rows}) == 1
    assert rows[2].bytes < rows[0].bytes < rows[1].bytes  # weights are read once a batch


def test_batches_that_do_not_fit_are_left_out() -> None:
    devices.limit(260 << 20)
    try:
        _, rows = device_bench.measure(tiny.model(), "plain", [1, 10_000], 16, 0.0, side=64)
    finally:
        devices.limit(None)
    assert {row.batch for row in rows} == {1}


def test_operations_of_a_token() -> None:
    model = tiny.model()
    matrices = 3 * (64 * (64 + 2 * 32) + 64 * 64 + 64 * 2 * 96 + 96 * 64)
    assert model.size == matrices
    tokens = model.embedding.scale.size
    past = 3 * 4 * 16 * 50  # layers, heads, their width, half a window
    assert device_bench._operations(model, 100) == 2 * (2 * (matrices + 64 * tokens) + 3 * past)


def test_the_table() -> None:
    row = Row("reading", 16, 301234.0, 5.4e8, 2e5, 0.0825)
    assert device_bench.table(Limits(1.5e15, 3e12), [row]).splitlines() == [
        "limits: 1.5e+03 T int8 operations/s, 3000 GB/s",
        "work       batch    tokens/s  Mop/token  kB/token   share",
        "reading       16     301,234      540.0     200.0    8.2%",
    ]


def test_the_command(tiny_default_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.set_num_threads(1)
    asked = "--device plain --batches 1 --window 8 --seconds 0 --side 64"
    device_bench.main(asked.split())
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"{default.model().name} on plain, windows of 8 tokens"
    assert len(said) == 5
    with pytest.raises(SystemExit):
        device_bench.main(["--model", "nothing"])
    assert "ncz models pull nothing" in capsys.readouterr().err
