"""Whoever works, the bytes are the same: threads, processes, or one of either."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ncz
from ncz.codec import crew as crews
from ncz.codec.coder import Coder, ModelRef
from ncz.codec.crew import Crew, Here
from ncz.codec.errors import CorruptBlock, MemoryLimitError, ModelMissing, NczError
from ncz.codec.processes import OVERHEAD, processes
from ncz.formats import coders, levels, stream
from ncz.formats.options import CompressOptions, DecompressOptions, fit_crew, fit_threads
from ncz.models.llama.coder import LlamaCoder
from ncz.models.text.windows import Windows

from ..models import default
from ..models.llama.fake import BUILD

BLOCK = 1024
MIB = 1 << 20


@pytest.fixture(scope="module")
def pair() -> Iterator[Crew]:
    """Two processes that all tests here use."""
    with processes(2) as crew:
        yield crew


def contents() -> st.SearchStrategy[bytes]:
    """Some blocks of things that compress and things that do not."""
    piece = st.binary(min_size=1, max_size=300)
    return st.lists(st.tuples(piece, st.integers(1, 40)), max_size=4).map(
        lambda runs: b"".join(piece * count for piece, count in runs)
    )


@settings(max_examples=25)
@given(contents(), st.sampled_from([1, 2]))
def test_the_same_bytes_whoever_works(pair: Crew, data: bytes, level: int) -> None:
    alone = ncz.compress(data, level, block_size=BLOCK)
    assert ncz.compress(data, level, block_size=BLOCK, threads=3) == alone
    assert ncz.compress(data, level, block_size=BLOCK, crew=pair) == alone
    assert ncz.decompress(alone) == data
    assert ncz.decompress(alone, threads=3) == data
    assert ncz.decompress(alone, crew=pair) == data


@pytest.mark.parametrize("level", range(1, 7))
def test_every_level_that_needs_no_model(pair: Crew, level: int) -> None:
    data = Path(__file__).read_bytes()
    alone = ncz.compress(data, level, block_size=2 * BLOCK)
    assert ncz.compress(data, level, block_size=2 * BLOCK, crew=pair) == alone
    assert ncz.decompress(alone, crew=pair) == data


def test_language_models_work_in_processes(tiny_default_model: Path) -> None:
    """Each process loads the model by its digest; the one that asks, not at all."""
    from ncz.models.text import loading

    data = b"A text of some words, which says little.\n" * 40
    how = CompressOptions(7, block_size=BLOCK)
    alone = io.BytesIO()
    stream.compress_stream(io.BytesIO(data), alone, how)
    assert ncz.info(alone.getvalue()).members[0].models, "the model was used"
    loading._load.cache_clear()
    with processes(2, default.replace_for_good) as crew:
        shared = io.BytesIO()
        stream.compress_stream(io.BytesIO(data), shared, how, crew=crew)
        assert shared.getvalue() == alone.getvalue()
        assert ncz.decompress(shared.getvalue(), crew=crew) == data
    assert loading._load.cache_info().currsize == 0


def test_a_model_that_is_missing_is_said_before_anything_is_written(
    tiny_default_model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    coded = ncz.compress(b"A text of some words. " * 20, 7)
    monkeypatch.setenv("NCZ_CACHE", str(tmp_path / "another"))
    out = io.BytesIO()
    with processes(1) as crew, pytest.raises(ModelMissing):
        stream.decompress_stream(io.BytesIO(coded), out, crew=crew)
    assert out.getvalue() == b""


def test_damage_is_named_as_ever(pair: Crew) -> None:
    data = bytes(range(256)) * 16
    coded = bytearray(ncz.compress(data, 1, block_size=BLOCK))
    block = ncz.info(bytes(coded)).blocks[2]
    coded[block.offset + block.size - 1] ^= 1
    with pytest.raises(CorruptBlock) as alone:
        ncz.decompress(bytes(coded))
    with pytest.raises(CorruptBlock) as shared:
        ncz.decompress(bytes(coded), crew=pair)
    assert vars(shared.value) == vars(alone.value)
    saved = io.BytesIO()
    how = DecompressOptions(keep_going=True)
    stats = stream.decompress_stream(io.BytesIO(coded), saved, how, crew=pair)
    assert [str(damage) for damage in stats.damage] == [str(alone.value)]
    assert saved.getvalue() == data[: 2 * BLOCK] + bytes(BLOCK) + data[3 * BLOCK :]


def test_files_and_ranges(pair: Crew) -> None:
    data = bytes(range(256)) * 40
    file = io.BytesIO()
    with ncz.open(file, "wb", 1, block_size=BLOCK, crew=pair) as writing:
        writing.write(data)
    assert file.getvalue() == ncz.compress(data, 1, block_size=BLOCK)
    file.seek(0)
    with ncz.open(file, crew=pair) as reading:
        for place in (5000, 17, 9999):
            reading.seek(place)
            assert reading.read(3000) == data[place : place + 3000]
    out = io.BytesIO()
    file.seek(0)
    assert stream.read_range(file, 700, 2100, out, crew=pair) == 1400
    assert out.getvalue() == data[700:2100]


def test_pushing(pair: Crew) -> None:
    data = bytes(range(256)) * 40
    compressor = ncz.Compressor(1, block_size=BLOCK, crew=pair)
    coded = compressor.compress(data) + compressor.flush()
    decompressor = ncz.Decompressor(crew=pair)
    assert decompressor.decompress(coded) == data
    assert decompressor.eof


def test_threads_and_a_crew_contradict_each_other(pair: Crew) -> None:
    coded = ncz.compress(b"data", 1)
    with pytest.raises(ValueError, match="leave them out"):
        ncz.compress(b"data", 1, threads=2, crew=pair)
    with pytest.raises(ValueError, match="leave them out"):
        ncz.decompress(coded, threads=2, crew=pair)
    with pytest.raises(ValueError, match="leave them out"):
        ncz.open(io.BytesIO(coded), threads=2, crew=pair)


def _all_coders() -> list[Coder]:
    model = ModelRef(bytes(32), "a model")
    second = ModelRef(bytes([1]) * 32, "another")
    windows = levels.WINDOWS[7]
    text = coders.text((model,), windows, 4)
    both = coders.text((model, second), windows, None)
    llama = LlamaCoder(model, Windows(*windows[:2], 0), BUILD, 2)
    read = coders.from_spec(both.spec, (model, second))
    mixing = [coders.contextmix(level) for level in range(2, 7)]
    return [coders.store(), coders.zstd(3), *mixing, text, both, read, llama]


@pytest.mark.parametrize("coder", _all_coders(), ids=lambda coder: type(coder).__name__)
def test_every_coder_can_be_sent(coder: Coder) -> None:
    packed = pickle.dumps(coder)
    assert len(packed) < 2000, "and holds no tables and no model"
    again = pickle.loads(packed)
    assert again.spec == coder.spec
    assert type(again) is type(coder)


def test_the_memory_limit_counts_each_process(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fit_threads(4, 100 * MIB, MIB, 400 * MIB) == 3
    assert fit_threads(4, 100 * MIB, MIB, 400 * MIB, OVERHEAD) == 1
    with processes(4) as crew:
        assert fit_crew(crew, _need, 100 * MIB, MIB, None) == 4
        assert fit_crew(crew, _need, 100 * MIB, MIB, 500 * MIB) == 2
        with pytest.raises(MemoryLimitError) as caught:
            fit_crew(crew, _need, 100 * MIB, MIB, 150 * MIB)
    assert caught.value.needed == 100 * MIB + OVERHEAD + 4 * MIB


def test_each_of_several_machines_keeps_the_limit() -> None:
    with Crew([Here() for _ in range(40)], together=2) as crew:
        assert fit_crew(crew, _need, 100 * MIB, MIB, 250 * MIB) == 40
        assert fit_crew(crew, _need, 100 * MIB, MIB, 150 * MIB) == 1
        assert fit_crew(crew, _need, MIB, MIB, 60 * MIB) == 29  # the others' blocks are too many


def _need(size: int) -> int:
    return size


def test_a_limit_leaves_some_workers_idle(pair: Crew) -> None:
    data = bytes(range(256)) * 40
    how = CompressOptions(2, block_size=BLOCK, memlimit=OVERHEAD + 60 * MIB)
    out = io.BytesIO()
    with processes(3) as crew:
        stream.compress_stream(io.BytesIO(data), out, how, crew=crew)
        assert sum(worker._child is not None for worker in crew.workers) == 1  # type: ignore[attr-defined]
    assert out.getvalue() == ncz.compress(data, 2, block_size=BLOCK)
    with pytest.raises(MemoryLimitError):
        ncz.open(io.BytesIO(out.getvalue()), memlimit=OVERHEAD, crew=pair)


class TestWorkers:
    """``ncz.workers``."""

    def test_processes(self) -> None:
        with ncz.workers(3) as crew:
            assert isinstance(crew, ncz.Crew)
            assert crew.size == 3
        with ncz.workers(processes=0) as crew:
            assert crew.size == crews.cores()

    def test_one_for_each_device(self) -> None:
        data = bytes(5000)
        with ncz.workers(devices="cpu") as crew:
            assert [worker.name for worker in crew.workers] == ["cpu"]
            assert ncz.decompress(ncz.compress(data, 2, crew=crew), crew=crew) == data
        with ncz.workers(devices=["cpu"]) as crew:
            assert crew.size == 1
        with ncz.workers(devices="auto") as crew:
            assert crew.size >= 1

    @pytest.mark.parametrize("name", ["cuda:977", "gpu", ""])
    def test_a_device_that_is_not_here(self, name: str) -> None:
        with pytest.raises(NczError, match="device"):
            ncz.workers(devices=name)

    @pytest.mark.parametrize(
        ("named", "sentence"),
        [
            ({}, "one of them"),
            ({"processes": 2, "devices": "cpu"}, "one of them"),
            ({"cluster": "auto", "devices": "cpu"}, "one of them"),
            ({"processes": -1}, "0 .one per core. or more"),
            ({"devices": "cpu,cpu"}, "each device once"),
            ({"devices": []}, "each device once"),
        ],
    )
    def test_what_cannot_be_meant(self, named: dict[str, object], sentence: str) -> None:
        with pytest.raises(ValueError, match=sentence):
            ncz.workers(**named)  # type: ignore[arg-type]
