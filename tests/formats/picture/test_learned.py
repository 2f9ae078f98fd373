"""Pictures by the learned codec, with random weights in place of trained ones."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator

import numpy as np
import pytest

import ncz
from ncz.formats.options import DecompressOptions
from ncz.formats.picture import codecs, encode
from ncz.formats.picture.image import Picture
from ncz.formats.stream import decompress_stream
from tests.models.image import tiny

from .making import SRGB, array


@pytest.fixture(autouse=True)
def codec() -> None:
    """The real one: this takes the place of the fixture for the other files."""


@pytest.fixture(autouse=True)
def weights(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from ncz.models.contextmix.prior import unpack
    from ncz.models.image import codec, weights

    def forget() -> None:
        for cached in (weights.integers, weights.transforms, codec._loaded):
            cached.cache_clear()

    forget()
    digest = hashlib.sha256(tiny.packed()).hexdigest()
    monkeypatch.setitem(weights.DIGESTS, weights.DEFAULT, digest)
    monkeypatch.setattr(weights, "tensors", lambda name: unpack(tiny.packed()))
    yield
    forget()


def test_round_trip_in_tiles() -> None:
    values = array(100, 130, 4)
    picture = Picture(values[:, :, :3], values[:, :, 3], SRGB)
    encoder = encode.Encoder(picture, codecs.load(), 1, 64, 16, verify=True)
    data = encoder.member(50, encoder.coded(50))
    found = ncz.decompress_picture(data)
    assert found.pixels.shape == (100, 130, 3)
    assert (found.alpha == values[:, :, 3]).all()
    assert found.icc == SRGB
    coders = {block.coder for block in ncz.info(data).blocks}
    assert any(name.startswith("latents ") for name in coders)
    stats = decompress_stream(io.BytesIO(data), None, DecompressOptions(pieces=True))
    assert stats.blocks == 1 + 2 * 6


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 33, 1), (17, 31, 3)])
def test_odd_sizes(shape: tuple[int, int, int]) -> None:
    values = array(*shape)
    data = ncz.compress_picture(values, 60)
    assert data == ncz.compress_picture(values, 60)
    assert ncz.decompress_picture(data).pixels.shape == shape


def test_a_seam_is_no_step() -> None:
    """Tiles of a flat picture meet without an edge that one tile alone would not have."""
    picture = Picture.of(np.full((64, 160, 3), 120, np.uint8))
    encoder = encode.Encoder(picture, codecs.load(), 1, 64, 16)
    found = ncz.decompress_picture(encoder.member(60, encoder.coded(60))).pixels.astype(int)
    steps = np.abs(np.diff(found, axis=1)).max(axis=(0, 2))
    seams = [encoder.params(1).grid.core(n).right for n in range(2)]
    assert max(steps[seam - 1] for seam in seams) <= steps.max()


def test_weights_that_did_not_come_with_this_ncz(monkeypatch: pytest.MonkeyPatch) -> None:
    from ncz.models.image import weights

    data = ncz.compress_picture(array(20, 20), 60)
    monkeypatch.setitem(weights.DIGESTS, weights.DEFAULT, "00" * 32)
    with pytest.raises(ncz.ModelMissing, match="newer ncz"):
        ncz.decompress_picture(data)
