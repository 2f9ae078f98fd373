"""Pictures through the container: what comes back, what is in the file, what damage costs."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ncz
from ncz.codec.coder import ModelRef
from ncz.codec.errors import PictureError
from ncz.formats import header
from ncz.formats.options import DecompressOptions
from ncz.formats.picture import decode, encode, params, pieces, targets
from ncz.formats.picture.image import Picture
from ncz.formats.stream import decompress_stream
from ncz.models.image import quality

from . import fake
from .making import SRGB, array, exif


def coded(picture: Picture, quality: float = 100, tile: int = 16, overlap: int = 4) -> bytes:
    """A file with small tiles."""
    encoder = encode.Encoder(picture, fake.Codec(), 1, tile, overlap)
    return encoder.member(quality, encoder.coded(quality))


def with_thumbnail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "THUMBNAIL_FROM", 1)
    monkeypatch.setattr(pieces, "THUMBNAIL_SIDE", 8)


@settings(max_examples=12)
@given(
    st.integers(1, 50),
    st.integers(1, 50),
    st.integers(1, 4),
    st.sampled_from([8, 16]),
    st.integers(0, 4),
    st.tuples(st.binary(max_size=9), st.binary(max_size=9), st.binary(max_size=9)),
)
def test_round_trip(
    height: int,
    width: int,
    samples: int,
    depth: int,
    overlap: int,
    tags: tuple[bytes, bytes, bytes],
) -> None:
    pixels = Picture.of(array(height, width, samples, depth))
    picture = Picture(pixels.pixels, pixels.alpha, *tags)
    file = coded(picture, 100, 16, overlap)
    found = ncz.decompress_picture(file)
    assert found.pixels.dtype == picture.pixels.dtype
    off = np.abs(found.pixels.astype(int) - picture.pixels).max()
    assert off <= (0 if depth == 8 else 129)  # the codec of these tests has steps of 1/255
    if picture.alpha is None:
        assert found.alpha is None
    else:
        assert found.alpha is not None
        assert (found.alpha == picture.alpha).all()
    assert (found.icc, found.exif, found.xmp) == tags
    info = ncz.info(file)
    says = info.members[0].picture
    assert says is not None
    assert (says.width, says.height, says.depth) == (width, height, depth)
    expected = list(pieces.order(params.parse(header.parse(file)[0].format_params)))
    assert len(info.blocks) == len(expected)
    assert file == coded(picture, 100, 16, overlap)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 200, 1), (200, 1, 4), (17, 31, 2)])
def test_odd_sizes_by_the_public_way(shape: tuple[int, int, int]) -> None:
    values = array(*shape)
    found = ncz.decompress_picture(ncz.compress_picture(values, 100))
    assert (found.array() == values).all()


def test_every_way_in_and_out(tmp_path: Path) -> None:
    values = array(17, 31)
    Picture.of(values).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    made = ncz.compress_picture(values, 80)
    assert ncz.compress_picture(data, 80) == made
    assert ncz.compress_picture(tmp_path / "a.png", quality=80) == made
    assert ncz.compress_picture(io.BytesIO(data), 80) == made
    assert ncz.compress_picture(Picture.of(values), 80) == made
    (tmp_path / "a.ncz").write_bytes(made)
    for source in (made, tmp_path / "a.ncz", io.BytesIO(made)):
        assert ncz.decompress_picture(source).pixels.shape == values.shape


def test_quality_decides() -> None:
    values = array(40, 40)
    sizes, off = [], []
    for wanted in (1, 50, 90, 100):
        made = ncz.compress_picture(values, wanted)
        sizes.append(len(made))
        off.append(np.abs(ncz.decompress_picture(made).pixels.astype(int) - values).max())
    assert sizes == sorted(sizes)
    assert off == sorted(off, reverse=True)
    assert off[-1] == 0 < off[0]


def test_bytes_are_not_given_for_a_picture() -> None:
    made = ncz.compress_picture(array(5, 5))
    for read in (
        lambda: ncz.decompress(made),
        lambda: ncz.open(io.BytesIO(made)).read(),
        lambda: ncz.Decompressor().decompress(made),
    ):
        with pytest.raises(PictureError, match="decompress_picture"):
            read()
    with pytest.raises(PictureError, match="no lossy picture"):
        ncz.decompress_picture(ncz.compress(b"text", level=1))


def test_a_picture_stands_alone() -> None:
    made = ncz.compress_picture(array(5, 5))
    for more in (made, ncz.compress(b"text", level=1)):
        with pytest.raises(PictureError, match="alone"):
            ncz.decompress_picture(made + more)
    with pytest.raises(ncz.FormatError, match="trailing"):
        ncz.decompress_picture(made + b"x" * 20)


def test_limits() -> None:
    made = ncz.compress_picture(array(50, 50))
    with pytest.raises(ncz.OutputLimitError):
        ncz.decompress_picture(made, max_output=7499)
    assert ncz.decompress_picture(made, max_output=7500).width == 50
    with pytest.raises(ncz.MemoryLimitError):
        ncz.decompress_picture(made, memlimit=1000)


def test_the_weights_must_be_here(monkeypatch: pytest.MonkeyPatch) -> None:
    made = ncz.compress_picture(array(5, 5))
    monkeypatch.setattr(fake, "REF", ModelRef(bytes(32), "another"))
    with pytest.raises(ncz.ModelMissing, match="fake"):
        ncz.decompress_picture(made)


class TestThumbnail:
    def test_it_decodes_without_the_tiles(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with_thumbnail(monkeypatch)
        made = coded(Picture(array(40, 60), None, SRGB, exif(6)))
        second = ncz.info(made).blocks[2].offset  # metadata, thumbnail, tiles
        small = decode.rendering(io.BytesIO(made[:second])).thumbnail()
        assert (small.width, small.height) == (5, 8)  # turned upright
        assert small.icc == SRGB
        whole = ncz.decompress_picture(made, thumbnail=True)
        assert (whole.pixels == small.pixels).all()

    def test_small_pictures_are_rendered(self) -> None:
        made = ncz.compress_picture(array(300, 600, 4), 100)
        assert not ncz.info(made).members[0].picture.thumbnail  # type: ignore[union-attr]
        small = ncz.decompress_picture(made, thumbnail=True)
        assert (small.width, small.height) == (256, 128)
        assert small.alpha is not None

    def test_it_looks_like_the_picture(self) -> None:
        values = array(300, 600, 1)
        small = ncz.decompress_picture(ncz.compress_picture(values, 100), thumbnail=True)
        assert abs(float(small.pixels.mean()) - float(values.mean())) < 1


class TestDamage:
    def made(self) -> tuple[Picture, bytes]:
        values = array(40, 40, 4)
        picture = Picture(values[:, :, :3], values[:, :, 3], SRGB)
        return picture, coded(picture, overlap=0)

    def going_on(self, data: bytes) -> tuple[Picture, list[Any]]:
        made = decode.rendering(io.BytesIO(data), DecompressOptions(keep_going=True))
        return made.picture(), made.damage

    def spoiled(self, data: bytes, number: int, in_head: bool) -> bytes:
        block = ncz.info(data).blocks[number]
        out = bytearray(data)
        out[block.offset + (2 if in_head else block.size - 1)] ^= 0xFF
        return bytes(out)

    @pytest.mark.parametrize("in_head", [False, True])
    @pytest.mark.parametrize("number", range(1 + 2 * 9))
    def test_it_costs_a_piece(self, number: int, in_head: bool) -> None:
        picture, data = self.made()
        says = params.parse(header.parse(data)[0].format_params)
        piece = list(pieces.order(says))[number]
        broken = self.spoiled(data, number, in_head)
        with pytest.raises(ncz.FormatError):
            ncz.decompress_picture(broken)
        found, damage = self.going_on(broken)
        assert len(damage) == 1
        assert f"block {number} " in str(damage[0])
        lost = np.zeros((40, 40), bool)
        if piece.kind is not pieces.Kind.METADATA:
            core = says.grid.core(piece.tile)
            lost[core.top : core.bottom, core.left : core.right] = True
            assert found.icc == SRGB
        else:
            assert found.icc == b""
        of_alpha = piece.kind is pieces.Kind.ALPHA
        same = (found.pixels == picture.pixels).all(axis=2)
        assert same[~lost | of_alpha].all()
        assert found.alpha is not None
        assert picture.alpha is not None
        assert (found.alpha == picture.alpha)[~lost | (not of_alpha)].all()
        assert of_alpha or piece.kind is pieces.Kind.METADATA or not same[lost].all()

    @pytest.mark.parametrize("number", [1, 9, 17])
    def test_without_the_tail_too(self, number: int) -> None:
        picture, data = self.made()
        for cut in (data[:-1], data[:-3] + b"\0\0\0"):
            for in_head in (False, True):
                block = ncz.info(data).blocks[number]
                broken = bytearray(cut)
                broken[block.offset + (2 if in_head else block.size - 1)] ^= 0xFF
                found, damage = self.going_on(bytes(broken))
                assert damage
                wrong = (found.pixels != picture.pixels).any(axis=2)
                assert wrong.sum() <= 14 * 14 * (9 if cut == data[:-1] and in_head else 1)

    def test_cut_off_it_gives_what_came(self) -> None:
        picture, data = self.made()
        half = ncz.info(data).blocks[9].offset
        found, damage = self.going_on(data[: half + 5])
        assert any(isinstance(one, ncz.TruncatedError) for one in damage)
        assert (found.pixels[:13] == picture.pixels[:13]).all()
        with pytest.raises(ncz.TruncatedError):
            ncz.decompress_picture(data[: half + 5])

    def test_a_tile_is_taken_from_the_thumbnail(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with_thumbnail(monkeypatch)
        values = np.full((40, 40, 3), 200, np.uint8)
        data = coded(Picture.of(values))
        broken = bytearray(data)
        block = ncz.info(data).blocks[5]
        broken[block.offset + block.size - 1] ^= 0xFF
        found, damage = self.going_on(bytes(broken))
        assert len(damage) == 1
        assert np.abs(found.pixels.astype(int) - values).max() <= 25  # of quality 50

    def test_nothing_to_save(self) -> None:
        _, data = self.made()
        with pytest.raises(ncz.FormatError):
            self.going_on(data[:20])
        end = header.parse(data)[1]
        with pytest.raises(ncz.FormatError):
            self.going_on(data[: end + 3])

    @settings(max_examples=20)
    @given(st.data())
    def test_any_damage_ends(self, data: Any) -> None:
        _, whole = self.made()
        broken = bytearray(whole)
        for _ in range(data.draw(st.integers(1, 5))):
            broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
        kept = data.draw(st.integers(0, len(broken)))
        broken = broken[: kept or None]
        for keep_going in (False, True):
            try:
                made = decode.rendering(
                    io.BytesIO(bytes(broken)), DecompressOptions(keep_going=keep_going)
                )
                made.picture()
                assert bytes(broken) == whole or keep_going
            except ncz.NczError:
                pass

    def test_tests_need_no_rendering(self, monkeypatch: pytest.MonkeyPatch) -> None:
        _, data = self.made()
        monkeypatch.setattr(fake.Codec, "synthesise", None)
        stats = decompress_stream(io.BytesIO(data), None, DecompressOptions(pieces=True))
        assert stats.blocks == 19

    def test_a_file_that_lies_of_its_tiles(self) -> None:
        """Whole blocks, of a picture of another size than the header says."""
        picture = Picture.of(array(20, 20))
        encoder = encode.Encoder(picture, fake.Codec(), 1)
        blocks = encoder.coded(100)
        other = encode.Encoder(Picture.of(array(20, 21)), fake.Codec(), 1)
        with pytest.raises(ncz.FormatError, match="latents of 20 x 20"):
            ncz.decompress_picture(other.member(100, blocks))
        many = encode.Encoder(Picture.of(array(20, 40)), fake.Codec(), 1, 16, 0)
        with pytest.raises(ncz.FormatError, match=r"."):
            ncz.decompress_picture(many.member(100, blocks))


class TestTargets:
    VALUES = array(60, 60, seed=5)

    def test_size(self) -> None:
        for size in (3000, 5000, 9000):
            made = ncz.compress_picture(self.VALUES, size=size)
            assert len(made) <= size
            took = ncz.info(made).members[0].picture.quality  # type: ignore[union-attr]
            assert len(ncz.compress_picture(self.VALUES, took + 1)) > size

    def test_bits_per_pixel(self) -> None:
        made = ncz.compress_picture(self.VALUES, bpp=10)
        assert 8 * len(made) / 3600 <= 10

    def test_psnr(self) -> None:
        for wanted in (20, 30, 40):
            made = ncz.compress_picture(self.VALUES, psnr=wanted)
            assert psnr(self.VALUES, ncz.decompress_picture(made).pixels) >= wanted - 1e-6
            took = ncz.info(made).members[0].picture.quality  # type: ignore[union-attr]
            less = ncz.decompress_picture(ncz.compress_picture(self.VALUES, took - 2)).pixels
            assert psnr(self.VALUES, less) < wanted

    def test_ms_ssim(self) -> None:
        values = array(200, 200, 1)
        made = ncz.compress_picture(values, ms_ssim=0.9)
        assert quality.ms_ssim(values, ncz.decompress_picture(made).pixels) >= 0.9
        with pytest.raises(ncz.NczError, match="MS-SSIM"):
            ncz.compress_picture(array(20, 20), ms_ssim=0.9)

    def test_what_cannot_be_had(self) -> None:
        with pytest.raises(PictureError, match=r"smallest file has [0-9,]+ bytes"):
            ncz.compress_picture(self.VALUES, size=20)
        with pytest.raises(PictureError, match="smallest"):
            ncz.compress_picture(self.VALUES, bpp=0.001)
        with pytest.raises(PictureError, match="highest is 5"):
            ncz.compress_picture(array(60, 60, 3, 16), psnr=99)

    def test_it_ends_and_is_the_same_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        tried = []
        analyse = fake.Codec.analyse

        def counted(self: fake.Codec, rgb: Any, quality: float, effort: int) -> bytes:
            tried.append(quality)
            return analyse(self, rgb, quality, effort)

        monkeypatch.setattr(fake.Codec, "analyse", counted)
        first = ncz.compress_picture(self.VALUES, size=5000)
        assert len(tried) <= 9
        assert ncz.compress_picture(self.VALUES, size=5000) == first

    def test_tuned_to_what_is_asked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = []

        def load(model: Any = None, tune: str = "psnr") -> fake.Codec:
            asked.append(tune)
            return fake.Codec()

        monkeypatch.setattr("ncz.formats.picture.codecs.load", load)
        values = array(170, 170, 1)
        ncz.compress_picture(values)
        ncz.compress_picture(values, ms_ssim=0.9)
        ncz.compress_picture(values, ms_ssim=0.9, tune="psnr")
        ncz.compress_picture(values, 40, tune="ms-ssim")
        assert asked == ["psnr", "ms-ssim", "psnr", "ms-ssim"]

    @pytest.mark.parametrize(
        "bad",
        [
            {"quality": 0.5},
            {"quality": 101},
            {"quality": float("nan")},
            {"size": 0},
            {"bpp": 0},
            {"bpp": float("nan")},
            {"psnr": -1},
            {"psnr": float("inf")},
            {"ms_ssim": 0},
            {"ms_ssim": 1},
            {"effort": 0},
            {"tune": "ssim"},
            {"quality": 50, "size": 100},
            {"bpp": 1, "psnr": 30},
        ],
    )
    def test_what_makes_no_sense(self, bad: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=r"."):
            targets.Lossy(**bad)


def psnr(one: Any, other: Any) -> float:
    error = np.square(one.astype(float) - other).mean()
    return float(10 * np.log10(255**2 / error)) if error else float("inf")
