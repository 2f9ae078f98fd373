"""Training, on next to nothing; the fixture `trained` runs the command."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from ncz.models.contextmix import kernel, state, train
from ncz.models.contextmix.hashing import LINE, find_line
from ncz.models.contextmix.presets import PRESETS
from ncz.models.contextmix.prior import unpack
from ncz.models.contextmix.states import NEXT
from tests.models.contextmix.conftest import LINE_BITS
from tests.models.contextmix.making import array, text


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str]:
    monkeypatch.setattr(train, "_LINE_BITS", LINE_BITS)
    result = CliRunner().invoke(train.main, arguments)
    return result.exit_code, result.output


def test_the_same_documents_give_the_same_file(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "again"
    data = str(trained.parents[1] / "data")
    code, said = run(monkeypatch, data, "-o", str(output), "--lines", "5000")
    assert code == 0
    assert output.read_bytes() == trained.read_bytes()
    assert hashlib.sha256(output.read_bytes()).hexdigest() in said
    assert "memory: 2 documents, practice: 2" in said
    for number in PRESETS:
        assert f"preset {number}: practice " in said


def test_the_file_holds_all_that_a_prior_needs(trained: Path) -> None:
    tensors = unpack(trained.read_bytes())
    expected = {"lines.step", "lines.check", "lines.context", "lines.states"}
    expected |= {"maps", "match_maps"}
    expected |= {f"apm{n}.{part}" for n in range(3) for part in ("rows", "moved")}
    expected |= {f"{number}.{part}" for number in PRESETS for part in ("weights", "final")}
    assert tensors.keys() == expected
    assert all(tensor.dtype.kind in "iu" for tensor in tensors.values()), "integers alone"
    assert 0 < tensors["lines.check"].size <= 5000
    assert (tensors["maps"] & 1023).max() <= train._COUNT_KEPT
    assert (tensors["match_maps"] & 1023).max() <= train._COUNT_KEPT


def test_the_file_lists_its_documents(trained: Path) -> None:
    packed = trained.read_bytes()
    header = json.loads(packed[8 : 8 + int.from_bytes(packed[:8], "little")])
    listed = json.loads(header["__metadata__"]["data"])
    assert listed == {
        f"{part}/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest()
        for part in ("a", "b")
        for path in (trained.parents[1] / "data" / part).iterdir()
    }
    assert len(listed) == 4


def test_fewer_lines_are_the_most_widespread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "_LINE_BITS", LINE_BITS)
    documents = [array(text(6000)[start : start + 1500]) for start in (0, 1500, 3000, 4500)]
    many, few = train._gather(documents, 10_000), train._gather(documents, 100)
    assert few["lines.check"].size == 100 < many["lines.check"].size

    def lines(tensors: dict[str, np.ndarray]) -> set[tuple[int, ...]]:
        place = np.cumsum(tensors["lines.step"], dtype=np.uint32) & 0xFFFFFF
        return set(zip(place.tolist(), tensors["lines.check"].tolist(), strict=True))

    assert lines(few) < lines(many)
    one = train._gather(documents[:1], 10_000)
    assert one["lines.check"].size == 0, "what only one piece had is not kept"


def test_a_gathered_line_is_where_the_engine_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Order 1 after "a": always "b". The engine's own line for it is the gathered one."""
    monkeypatch.setattr(train, "_LINE_BITS", LINE_BITS)
    tensors = train._gather([array(b"ab"), array(b"ab"), array(b"ab")], 10_000)
    model = state.fresh(PRESETS[6], kernel.TEXT, 2, 1, 1, None)
    kernel.code_block(model, array(b"ab"), np.empty(9, np.uint8), False)
    place = np.cumsum(tensors["lines.step"], dtype=np.uint32) & 0xFFFFFF
    mask = model.table.size // LINE - 1
    checked = 0
    for at, check, context, states in zip(
        place,
        tensors["lines.check"],
        tensors["lines.context"],
        tensors["lines.states"],
        strict=True,
    ):
        line = find_line(model.table.copy(), np.int64(at) & mask, np.int64(check))
        mine = model.table[line : line + LINE]
        assert mine[0] == check
        assert context in train._REMEMBERED
        # The engine saw once what the training saw three times.
        once = int(mine[1])
        bit = int(once == NEXT[1])
        thrice = 0
        for _ in range(3):
            thrice = int(NEXT[2 * thrice + bit])
        if int(states[0]) == thrice:
            checked += 1
    assert checked >= 0.9 * place.size > 20


@pytest.mark.parametrize("arguments", [("missing", "-o", "x"), (".",)])
def test_bad_arguments_are_said(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, said = run(monkeypatch, *arguments)
    assert code == 2
    assert "Error: " in said
