"""The command that trains the start: the same data gives the same file, and it helps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from ncz.models.contextmix.prior import unpack
from ncz.models.text import kernel, state, train
from ncz.models.text.windows import Windows
from tests.golden.make import text
from tests.models.language import tiny


def run(data: Path, model: Path, said: Path, output: Path) -> None:
    arguments = [str(data), "--model", str(model), "--said", str(said), "-o", str(output)]
    result = CliRunner().invoke(train.main, arguments, catch_exceptions=False)
    assert result.exit_code == 0


def test_it_trains_and_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "WINDOWS", Windows(256, 128, 0))
    data, model = tmp_path / "data", tmp_path / "model.safetensors"
    data.mkdir()
    tiny.exact_file(model)
    for at in (0, 1500):
        (data / f"{at}.txt").write_bytes(text(4000)[at : at + 1500])
    run(data, model, tmp_path / "said", tmp_path / "start")
    first = (tmp_path / "start").read_bytes()
    run(data, model, tmp_path / "said", tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == first

    from ncz.models.language import exact
    from ncz.models.text import loading

    ready = loading.of(exact.load(model), 1)
    raw = text(4000)[3000:]
    entries, trace = train.ask(ready, raw)
    sizes = []
    for trained in (None, unpack(first)):
        starts, ends = np.zeros(1, np.int64), np.full(1, len(raw))
        block = state.fresh(len(raw), starts, ends, trained=trained)
        kernel.encode_tokens(
            block,
            ready.predictor.vocabulary,
            np.frombuffer(bytearray(raw), np.uint8),
            np.empty(0, np.uint8),
            np.zeros(entries.size, np.int64),
            entries,
            trace,
        )
        sizes.append(kernel.finish(block, np.empty(0, np.uint8)))
    assert sizes[1] < sizes[0]
