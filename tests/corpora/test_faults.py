"""Every kind of damage to small files, and what the decoders make of it; and that it is seen."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

import ncz
from ncz.codec.errors import CorruptBlock, FormatError, TruncatedError
from ncz.corpora import damage, faults, tally
from ncz.corpora.damage import KINDS
from ncz.corpora.faults import FINDINGS, OUTCOMES, examine, unnamed
from ncz.corpora.shapes import Shape, shapes
from ncz.formats.options import CompressOptions
from ncz.formats.stream import compress_stream
from tests.independent import reader

GOLDEN = sorted((Path(__file__).parents[1] / "golden" / "good").glob("*.ncz"))
SHAPES = {shape.name: shape for shape in shapes(1, (1,))}


@pytest.mark.parametrize("name", [*SHAPES])
def test_every_fault_is_named_and_none_passes(name: str) -> None:
    found = examine(SHAPES[name], every_byte=False)
    assert found.failures == []
    assert all(found.counts[kind] for kind in KINDS if (kind, name) != ("forge", "empty"))
    tried = sum(found.counts[kind] for kind in KINDS)
    assert found.counts["decodes"] == len(faults.JUDGES) * tried
    assert sum(found.counts[outcome] for outcome in OUTCOMES) == found.counts["decodes"]


@pytest.mark.slow
def test_every_flipped_bit_is_named() -> None:
    found = examine(SHAPES["members"], every_byte=True)
    assert found.failures == []


def test_a_language_model_s_block(tiny_default_model: Path) -> None:
    raw = b"It was the best of times, it was the worst of times"
    coded = io.BytesIO()
    compress_stream(io.BytesIO(raw), coded, CompressOptions(7, streams=2))
    (member,) = reader.read(coded.getvalue())
    assert [block.coder for block in member.blocks] == [3]
    found = examine(Shape("text", raw, coded.getvalue()), False, ("forge",))
    assert found.failures == []
    assert found.counts["forge"] > 5


@pytest.mark.parametrize("level", [2, pytest.param(6, marks=pytest.mark.slow)])
def test_context_mixing(level: int) -> None:
    raw = b"words, and words again, and other words" * 10
    found = examine(Shape("mixing", raw, ncz.compress(raw, level)), False, ("forge", "swap"))
    assert found.failures == []
    assert found.counts["forge"] > 5


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_parts_are_those_of_another_reader(path: Path) -> None:
    coded = path.read_bytes()
    known = damage.parts(coded)
    assert [part.start for part in known[1:]] == [part.end for part in known[:-1]]
    assert (known[0].start, known[-1].end) == (0, len(coded))
    members = reader.read(coded)
    blocks = [block for member in members for block in member.blocks]
    found = [part for part in known if part.kind == "block"]
    assert [coded[part.body : part.end] for part in found] == [block.coded for block in blocks]
    assert [part.start for part in found] == [block.offset for block in blocks]
    assert [part.block for part in found] == list(range(len(blocks)))


def test_faults_are_what_they_say() -> None:
    shape = SHAPES["members"]
    seen = set()
    for fault in damage.faults(shape.coded, every_byte=False):
        assert fault.data != shape.coded
        assert fault.data[: fault.at] == shape.coded[: fault.at]
        assert fault.data[fault.at :][:1] != shape.coded[fault.at :][:1]
        assert fault.where.start <= fault.at <= fault.where.end
        seen.add((fault.kind, fault.where.kind))
    everywhere = {"header", "block", "tail"}
    assert {part for kind, part in seen if kind == "truncate"} == everywhere
    for kind in ("flip", "drop", "duplicate", "swap"):
        assert everywhere <= {part for one, part in seen if one == kind} | {"tail"} & {kind}


@pytest.mark.parametrize(
    "finding, target, cheat",
    [
        ("wrong", "decompress_stream", lambda src, dst, *rest: dst.write(b"other")),
        ("crashed", "read_range", lambda *_: 1 // 0),
        ("over_memory", "_in_parts", lambda *_: ("named", str(bytearray(1 << 22)[:0].decode()))),
    ],
)
def test_a_decoder_that_does_wrong_is_seen(
    monkeypatch: pytest.MonkeyPatch, finding: str, target: str, cheat: object
) -> None:
    monkeypatch.setattr(faults, "_PATIENCE_S", 100.0)
    if target == "_in_parts":
        monkeypatch.setattr(faults, "JUDGES", (cheat,))
        cheat.__name__ = "cheat"  # type: ignore[attr-defined]
    else:
        monkeypatch.setattr(faults, "_warm", lambda trial: None)
        monkeypatch.setattr(faults, target, cheat)
    found = examine(SHAPES["one byte"], every_byte=False)
    assert found.counts[finding]
    assert any(failure.startswith(finding) for failure in found.failures)
    assert {failure.split(":")[0] for failure in found.failures} <= set(FINDINGS)


def test_an_error_that_names_another_place_is_seen() -> None:
    fault = next(
        one for one in damage.faults(SHAPES["level 1"].coded, False) if one.where.block == 1
    )
    part = fault.where
    right = CorruptBlock(part.block, part.start, None, None, "x")
    assert unnamed(fault, right) == ""
    assert unnamed(fault, CorruptBlock(0, part.start, None, None, "x"))
    assert unnamed(fault, CorruptBlock(part.block, part.start + 1, None, None, "x"))
    assert unnamed(fault, FormatError("the section at offset 7 is damaged"))
    assert unnamed(fault, FormatError("something is damaged"))
    assert unnamed(fault, TruncatedError("content from byte 3 on is missing"))
    content = f"content from byte {part.content} on is missing"
    assert unnamed(fault, TruncatedError(content)) == ""
    header = replace(fault, where=damage.parts(SHAPES["level 1"].coded)[0])
    assert unnamed(header, FormatError("the header is damaged: its check does not hold")) == ""


def test_what_is_found_adds_up(tmp_path: Path) -> None:
    args = ["--levels", "1", "--only", "one byte", "--out", str(tmp_path), "--some-bytes"]
    for seed in ("1", "2"):
        result = CliRunner().invoke(faults.main, [*args, "--seed", seed])
        assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "faults.json").read_text())
    once = examine(SHAPES["one byte"], every_byte=False)
    assert found["files"] == 2
    assert found["faults"] == 2 * sum(once.counts[kind] for kind in KINDS)
    assert (found["failures"], found["wrong"]) == ([], 0)
    assert found["peak_bytes"] < 4 * once.peak


def test_counts_of_another_version_are_left_behind(tmp_path: Path) -> None:
    tally.add(tmp_path, "x", {"n": 3, "peak_bytes": 5, "failures": ["a"], "said": "one"})
    found = tally.add(tmp_path, "x", {"n": 4, "peak_bytes": 2, "failures": ["b"], "said": "two"})
    assert (found["n"], found["peak_bytes"]) == (7, 5)
    assert (found["failures"], found["said"]) == (["a", "b"], "two")
    found["machine"]["ncz"] = "0.0.1"
    (tmp_path / "x.json").write_text(json.dumps(found))
    assert tally.add(tmp_path, "x", {"n": 1})["n"] == 1
    assert tally.read(tmp_path, "x")["machine"]["ncz"] == ncz.__version__
