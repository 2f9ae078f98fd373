"""The command that trains the start: the same data gives the same file, and it helps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from ncz.models.contextmix.prior import unpack
from ncz.models.language import exact
from ncz.models.text import kernel, loading, state, train
from ncz.models.text.windows import Windows
from tests.golden.make import text
from tests.models.language import tiny


def run(data: Path, models: list[Path], said: Path, output: Path) -> bytes:
    arguments = [str(data), "--model", str(models[0]), "--said", str(said), "-o", str(output)]
    for second in models[1:]:
        arguments += ["--second", str(second)]
    result = CliRunner().invoke(train.main, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return output.read_bytes()


@pytest.mark.parametrize("pair", [False, True])
def test_it_trains_and_helps(pair: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "WINDOWS", Windows(256, 128, 0))
    data, models = tmp_path / "data", [tmp_path / "llama", tmp_path / "gemma3"][: 1 + pair]
    data.mkdir()
    for model in models:
        tiny.exact_file(model, model.name)
    for at in (0, 1500):
        (data / f"{at}.txt").write_bytes(text(4000)[at : at + 1500])
    first = run(data, models, tmp_path / "said", tmp_path / "start")
    assert run(data, models, tmp_path / "said", tmp_path / "again") == first

    ready, *beside = (loading.of(exact.load(model), 1) for model in models)
    raw = text(4000)[3000:]
    said = train.ask(ready, raw, *beside)
    assert said.second.size == (said.trace.size if pair else 0)
    sizes = []
    for trained in (None, unpack(first)):
        starts, ends = np.zeros(1, np.int64), np.full(1, len(raw))
        block = state.fresh(len(raw), starts, ends, 1 + pair, trained)
        kernel.encode_tokens(
            block,
            ready.predictor.vocabulary,
            np.frombuffer(bytearray(raw), np.uint8),
            np.empty(0, np.uint8),
            np.zeros(said.entries.size, np.int64),
            said.entries,
            said.trace,
            second_trace=said.second if pair else None,
        )
        sizes.append(kernel.finish(block, np.empty(0, np.uint8)))
    assert sizes[1] < sizes[0]
