import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ncz.codec.errors import FormatError, NczError
from ncz.models.image import kernel, latents
from ncz.models.image.exact import HIGHEST, LARGEST, LOWEST, REACH, SCALES, UNIT
from ncz.models.image.latents import Latents
from ncz.models.image.network import settled
from ncz.models.image.tables import THRESHOLDS
from tests.models.image import tiny


def made(height: int, width: int, level: int, seed: int) -> Latents:
    """Latents of a small picture."""
    return tiny.codec().analyse(tiny.picture(height, width, seed), level)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 252), st.integers(0, 9))
def test_round_trip(height: int, width: int, level: int, seed: int) -> None:
    integers = tiny.codec().integers
    first = made(height, width, level, seed)
    coded = latents.encode(integers, first)
    assert coded is not None
    back = latents.decode(integers, coded)
    assert back.packed() == first.packed()
    assert Latents.unpacked(first.packed(), integers).packed() == first.packed()


def test_the_estimate_is_what_it_takes() -> None:
    first = made(90, 90, 150, 2)
    integers = tiny.codec().integers
    coded = latents.encode(integers, first)
    assert coded is not None
    bits = latents.estimate(integers, first)
    assert bits < 8 * len(coded) < bits * 1.002 + 80


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 252), st.data())
def test_any_distances_round_trip(height: int, width: int, level: int, data: st.DataObject) -> None:
    """Not only those that a picture has: the largest, too."""
    integers = tiny.codec().integers
    seed = data.draw(st.integers(0, 1 << 30))
    random = np.random.default_rng(seed)
    first, second = latents.shapes(height, width, integers)
    spread = data.draw(st.sampled_from([0.1, 3, 80, 1000]))
    hyper = np.clip(np.rint(random.normal(size=first) * spread), -LARGEST, LARGEST)

    def found(index, centres, scales, firsts):
        here = centres.astype(int)
        near, far = (-REACH * UNIT - here) // UNIT + 1, (REACH * UNIT - here) // UNIT
        rest = np.clip(np.rint(random.normal(size=centres.shape) * spread), near, far)
        return np.where(scales < kernel.SILENT, 0, rest).astype(np.int16)

    hyper = hyper.astype(np.int16)
    known = latents.walk(integers, hyper, level, second[0], second[1], found)
    made = Latents(height, width, level, hyper, known)
    coded = latents.encode(integers, made)
    assert coded is not None
    assert latents.decode(integers, coded).packed() == made.packed()


def test_training_rounds_as_coding_does() -> None:
    random = np.random.default_rng(8)
    scales = random.integers(0, SCALES, (4, 5, 60)).astype(np.uint8)
    rests = (random.normal(size=scales.shape) * 3).astype(np.float32)
    ours = kernel.settle(rests, scales, THRESHOLDS)
    logs = LOWEST + torch.from_numpy(scales.astype(np.float32)) * (HIGHEST - LOWEST) / (SCALES - 1)
    theirs = settled(torch.from_numpy(rests), logs).numpy()
    asked = scales >= kernel.SILENT
    assert not ours[~asked].any()
    assert (ours == theirs)[asked].mean() > 0.999, "but for the last bit of a threshold"
    assert (np.abs(ours) <= np.abs(np.rint(rests))).all()
    assert (np.abs(ours - rests)[asked] < 1).all()
    assert 0.02 < (ours != np.rint(rests))[asked].mean() < 0.2


def test_smaller_than_what_it_codes() -> None:
    first = made(64, 64, 100, 3)
    coded = latents.encode(tiny.codec().integers, first)
    assert coded is not None and len(coded) < len(first.packed()) / 3
    assert first.known.any() and first.hyper.any()


def test_what_no_rounding_makes_is_not_coded() -> None:
    integers = tiny.codec().integers
    first = made(32, 32, 200, 3)
    off = first.known.copy()
    off[1, 1, 2] += 1
    assert latents.encode(integers, dataclasses.replace(first, known=off)) is None
    far = first.known.copy()
    far[0, 0, 0] = UNIT * 400 + first.known[0, 0, 0]
    assert latents.encode(integers, dataclasses.replace(first, known=far)) is None


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_damage_ends(data: st.DataObject) -> None:
    """Other latents or an error of the format, never another error."""
    integers = tiny.codec().integers
    coded = bytearray(latents.encode(integers, made(40, 70, 120, 1)) or b"")
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(4, len(coded) - 1))
        coded[at] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.integers(4, len(coded)))
    back = latents.decode(integers, bytes(coded[:cut]))
    assert back.known.shape == (3, 5, integers.latents)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\x02",
        b"\x01\xfd\x01\x05\x05",
        b"\x01\x05\x00\x05",
        b"\x01\x05" + b"\xff" * 12,
        b"\x01",
    ],
)
def test_heads_that_are_refused(head: bytes) -> None:
    integers = tiny.codec().integers
    with pytest.raises(FormatError):
        latents.decode(integers, head + bytes(20) * (len(head) > 2))
    with pytest.raises(FormatError):
        Latents.unpacked(head + bytes(20) * (len(head) > 2), integers)


def test_the_self_test_finds_another_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    latents._ready.cache_clear()
    latents._ready()
    latents._ready.cache_clear()
    monkeypatch.setattr(latents, "THRESHOLDS", THRESHOLDS * 0 + 0.5)
    with pytest.raises(NczError, match="self-test"):
        latents._ready()
    latents._ready.cache_clear()


def test_far_latents_are_kept() -> None:
    """Bright and dark pictures have some that are far from any guess."""
    integers = tiny.codec().integers
    random = np.random.default_rng(2)
    first, second = latents.shapes(64, 48, integers)
    y = random.choice(np.float32([-480, -300, 300, 480]), second)
    z = random.choice(np.float32([-600, 600]), first)
    made = latents.rounded(integers, y, z, 252, (64, 48))
    law = integers.hyper_law(252)[0] / UNIT
    assert np.abs(made.hyper + law - z).max() <= 0.5

    def told(index, centres, scales, firsts):
        rest = latents.taken(made.known, firsts, centres.shape[2]).astype(int) - centres
        away = latents.taken(made.known / UNIT - y, firsts, centres.shape[2])
        assert np.abs(away[scales >= kernel.SILENT]).max() < 1
        return (rest // UNIT).astype(np.int16)

    known = latents.walk(integers, made.hyper, 252, second[0], second[1], told)
    assert np.array_equal(known, made.known)
    coded = latents.encode(integers, made)
    assert coded is not None and latents.decode(integers, coded).packed() == made.packed()
