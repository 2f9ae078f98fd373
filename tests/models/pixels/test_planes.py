"""Planes come back, whatever is in them, and no bytes keep a decoder from ending."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ncz.codec.errors import FormatError
from ncz.models.pixels import photocd, planes

_SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 7), st.integers(1, 9))


@settings(max_examples=25, deadline=None)
@given(data=st.data(), shape=_SHAPES, top=st.sampled_from([1, 255, 319, 65535]))
def test_round_trip(data: st.DataObject, shape: tuple[int, int, int], top: int) -> None:
    values = data.draw(hnp.arrays(np.int32, shape, elements=st.integers(0, top)))
    coded = planes.encode(values, top)
    assert (planes.decode(coded, shape, top) == values).all()


@settings(max_examples=15, deadline=None)
@given(coded=st.binary(max_size=60))
def test_any_bytes_end(coded: bytes) -> None:
    found = planes.decode(coded, (3, 5, 6), 255)
    assert found.min() >= 0 and found.max() <= 255


def test_bands_do_not_depend_on_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planes, "_BAND", 150)
    picture = np.random.default_rng(0).integers(0, 256, (3, 20, 10)).astype(np.int32)
    coded = planes.encode(picture, 255)
    monkeypatch.setattr(planes, "_AT_ONCE", 1)
    assert planes.encode(picture, 255) == coded
    assert (planes.decode(coded, picture.shape, 255) == picture).all()
    with pytest.raises(FormatError, match="bands"):
        planes.decode(b"\xff" * 20, picture.shape, 255)


def test_smooth_pictures_take_few_bytes() -> None:
    y, x = np.mgrid[:48, :48]
    waves = (100 + 60 * np.sin(x / 9) + 50 * np.cos(y / 7)).astype(np.int32)
    picture = np.stack([waves, waves + 20, waves // 2])
    assert len(planes.encode(picture, 255)) < picture.size * 0.13


def test_photo_cd_colours_are_found() -> None:
    rng = np.random.default_rng(1)
    luma = (90 + np.cumsum(rng.integers(-2, 3, (80, 90)), 1)).astype(np.int32).clip(40, 140)
    chroma = (photocd.ZERO + np.cumsum(rng.integers(-1, 2, (2, 40, 45)), 2)).astype(np.int32)
    made = photocd.Separated((0, 0), luma, chroma.clip(150, 170))
    rgb = photocd.join(made)
    found = photocd.separate(rgb)
    assert found is not None
    assert found.phase == (0, 0)
    assert (photocd.join(found) != rgb).any(2).mean() < 0.01
    noise = rng.integers(0, 256, (80, 90, 3)).astype(np.uint8)
    assert photocd.separate(noise) is None
