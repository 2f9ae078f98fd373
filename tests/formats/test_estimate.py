"""What is estimated, beside what compressing makes of the same bytes."""

import io
import itertools
import random
from dataclasses import replace

import pytest

import ncz
from ncz.codec import crew
from ncz.formats import estimate, levels
from ncz.formats.estimate import Calibration
from ncz.formats.options import CompressOptions
from ncz.formats.sample import Sample
from ncz.models import weights
from tests.pictures import scene

WORDS = b"it was the best of times and worst of all that you with his age in foolishness".split()
TEXT = b" ".join(WORDS[k * k % 97 % len(WORDS)] for k in range(160)) + b".\n"
BINARY = bytes(range(256)) * 20


def of(data):
    return Calibration(Sample(len(data), data))


def said(size, seed=1):
    """Sentences without end, in which a word follows another as often as anywhere."""
    draw = random.Random(seed)
    letters = "etaoinshrdlu"
    known = ["".join(draw.choices(letters, k=draw.randint(2, 9))) for _ in range(3000)]
    chances = list(itertools.accumulate(1 / k for k in range(1, 3001)))
    return " ".join(draw.choices(known, cum_weights=chances, k=size // 3)).encode()[:size]


@pytest.mark.parametrize("level", [1, 2, 6])
@pytest.mark.parametrize("data", [TEXT * 3, BINARY, random.Random(1).randbytes(5000), b"a"])
def test_a_short_file_is_compressed_whole(level, data):
    found = of(data).estimate(CompressOptions(level))
    assert found.how == "all of it"
    assert abs(found.size - len(ncz.compress(data, level))) <= 30
    assert found.seconds_in > 0 and found.seconds_out > 0


@pytest.mark.parametrize("kind", ["PNG", "PPM"])
def test_a_picture_is_estimated_by_its_pixels(kind):
    image = pytest.importorskip("PIL.Image")
    out = io.BytesIO()
    image.fromarray(scene(260, 300)).save(out, kind)
    data = out.getvalue()
    found = of(data).estimate(CompressOptions(6))
    assert found.how == "196,658 bytes of its pixels"
    assert found.size == pytest.approx(len(ncz.compress(data, 6)), rel=0.1)
    assert found.seconds_in > 0 and found.seconds_out > 0
    assert "pixels" not in of(data).estimate(CompressOptions(4)).how


@pytest.mark.parametrize("level", [1, 6])
def test_nothing_takes_nothing(level):
    found = of(b"").estimate(CompressOptions(level))
    assert (found.seconds_in, found.seconds_out) == (0, 0)
    assert found.size == len(ncz.compress(b"", level))


@pytest.mark.parametrize("repeated", [False, True])
def test_the_size_of_a_long_file_is_estimated_from_parts(monkeypatch, repeated):
    monkeypatch.setattr(estimate, "_PATIENCE_S", 1e9)
    data = said(60_000) * 10 if repeated else said(600_000)
    found = of(data).estimate(CompressOptions(2))
    assert found.how == "131,072 bytes of it"
    assert found.size == pytest.approx(len(ncz.compress(data, 2)), rel=0.3)


def test_blocks_are_done_side_by_side(monkeypatch):
    monkeypatch.setattr(crew, "cores", lambda: 4)
    calibration = of(BINARY)  # of five blocks
    one, two, many = (
        calibration.estimate(CompressOptions(2, threads, block_size=1024)) for threads in (1, 2, 0)
    )
    assert one.seconds_in == pytest.approx(2 * two.seconds_in)
    assert one.seconds_out == pytest.approx(4 * many.seconds_out)
    assert one.memory < two.memory < many.memory
    assert one.size == two.size == many.size


def test_a_limit_of_memory_is_kept_or_refused():
    calibration = of(BINARY)
    free = calibration.estimate(CompressOptions(2, 4, block_size=1024))
    limit = levels.plan(2, 1024).memory + 4096
    kept = calibration.estimate(CompressOptions(2, 4, block_size=1024, memlimit=limit))
    assert kept.memory < free.memory
    refused = calibration.estimate(CompressOptions(2, memlimit=1000))
    assert refused.size is None and "of memory and the limit is" in refused.how


def test_a_block_of_a_small_file_needs_less_memory_than_that_of_a_large_one():
    small = Calibration(Sample(5000, TEXT)).estimate(CompressOptions(6))
    large = Calibration(Sample(10**9, TEXT)).estimate(CompressOptions(6))
    assert small.memory < large.memory / 2
    assert small.seconds_in < large.seconds_in / 1000


@pytest.mark.parametrize("level", levels.MODEL_LEVELS)
def test_a_level_with_a_model(tiny_default_model, level):
    data = TEXT * 9
    calibration = of(data)
    plain = calibration.estimate(CompressOptions(6))
    found = calibration.estimate(CompressOptions(level))
    assert found.how.endswith(" bytes of its text")
    assert found.seconds_in > plain.seconds_in and found.seconds_out > 0
    assert found.seconds_ready >= plain.seconds_ready
    assert found.memory > plain.memory
    assert found.size <= plain.size, "the tiny model knows nothing, and then level 6 is taken"
    assert calibration.seconds_in(CompressOptions(level)) == pytest.approx(found.seconds_in)


def test_what_the_model_saves_counts_for_the_text_alone(tiny_default_model, monkeypatch):
    from ncz.models.text import pace, segments

    monkeypatch.setattr(segments, "_WORTH_IT", 1e9)
    real = pace.coding
    monkeypatch.setattr(pace, "coding", lambda *said: replace(real(*said), coded=1))
    noise = random.Random(1).randbytes(20_000)
    found = of(said(20_000) + noise).estimate(CompressOptions(7))
    assert found.size == pytest.approx(len(noise), rel=0.15)


def test_a_level_whose_model_is_not_here(tiny_default_model):
    weights.remove(tiny_default_model.stem)
    found = of(TEXT).estimate(CompressOptions(7))
    assert found.how == (
        f"{tiny_default_model.stem} is not here: ncz models pull {tiny_default_model.stem}"
    )
    assert (found.seconds_in, found.seconds_out, found.memory, found.size) == (None,) * 4


def test_what_is_no_text_takes_what_level_6_takes(tiny_default_model):
    calibration = of(BINARY)
    found, plain = (calibration.estimate(CompressOptions(level)) for level in (8, 6))
    assert found.how == "no text for a model: as -6"
    assert (found.size, found.seconds_in) == (plain.size, plain.seconds_in)


def test_a_device_that_is_not_here(tiny_default_model, monkeypatch):
    from ncz.models.language import devices

    monkeypatch.setattr(devices, "_gpus", lambda: 0)
    calibration = of(TEXT).on("cuda:0")
    found = calibration.estimate(CompressOptions(7))
    assert (found.device, found.size) == ("cuda:0", None)
    assert "there is no device cuda:0 here" in found.how


def test_a_device_is_measured_in_batches(tiny_default_model):
    pytest.importorskip("torch")
    found = of(TEXT * 9).on("plain").estimate(CompressOptions(7))
    assert found.device == "plain"
    assert found.how == f"{len(TEXT * 9):,} bytes of its text"
    assert found.seconds_in > 0 and found.seconds_out > 0
