"""``ncz compress --lossy`` and what ``decompress`` makes of it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.formats.picture import fake
from tests.formats.picture.making import SRGB, array, exif, saved

from .conftest import Result
from .helpers import here

Ncz = Callable[..., Result]
RGB = array(40, 60)


@pytest.fixture(autouse=True)
def codec(monkeypatch: pytest.MonkeyPatch) -> None:
    fake.install(monkeypatch)


def pixels(data: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(data)))


def picture(name: str = "a.png", kind: str = "PNG", values: Any = RGB, **how: Any) -> bytes:
    data = saved(Image.fromarray(values), kind, **how)
    Path(name).write_bytes(data)
    return data


def test_there_and_back(ncz: Ncz) -> None:
    picture(icc_profile=SRGB, exif=b"Exif\0\0" + exif(6))
    assert ncz("compress", "--lossy", "-q", "100", "a.png").code == 0
    assert here() == ["a.png", "a.png.ncz"]
    assert ncz("test", "a.png.ncz").code == 0
    Path("a.png").unlink()
    assert ncz("decompress", "a.png.ncz").code == 0
    image = Image.open("a.png")
    assert (np.asarray(image) == RGB).all()
    assert image.info["icc_profile"] == SRGB
    assert image.getexif()[274] == 6


def test_nothing_is_overwritten(ncz: Ncz) -> None:
    data = picture()
    ncz("compress", "--lossy", "a.png")
    result = ncz("decompress", "a.png.ncz")
    assert result.code == 1
    assert "already exists" in result.err
    assert Path("a.png").read_bytes() == data


@pytest.mark.parametrize(
    ("name", "kind", "becomes"),
    [
        ("a.jpg", "JPEG", "a.jpg.png"),
        ("a.webp", "WEBP", "a.webp.png"),
        ("a.tif", "TIFF", "a.tif"),
        ("a.ppm", "PPM", "a.ppm"),
        ("photo", "PNG", "photo.png"),
    ],
)
def test_names_of_what_comes_back(ncz: Ncz, name: str, kind: str, becomes: str) -> None:
    data = picture(name, kind)
    assert ncz("compress", "--lossy", name).code == 0
    assert ncz("decompress", "-f", f"{name}.ncz").code == 0
    assert becomes in here()
    if becomes != name:
        assert Path(name).read_bytes() == data


def test_a_kind_without_room_gives_way_to_png(ncz: Ncz) -> None:
    picture("a.ppm", "PNG", array(9, 9, 4))  # a name that is wrong, and that has no alpha
    assert ncz("compress", "--lossy", "a.ppm").code == 0
    assert ncz("decompress", "a.ppm.ncz").code == 0
    assert here() == ["a.ppm", "a.ppm.ncz", "a.ppm.png"]


def test_o_names_the_kind(ncz: Ncz) -> None:
    picture()
    ncz("compress", "--lossy", "a.png")
    for name, kind in (("b.jpg", "JPEG"), ("b.webp", "WEBP"), ("b.tiff", "TIFF"), ("b.png", "PNG")):
        assert ncz("decompress", "a.png.ncz", "-o", name).code == 0
        assert Image.open(name).format == kind
    result = ncz("decompress", "a.png.ncz", "-o", "b.xyz")
    assert result.code == 1
    assert "no kind of picture" in result.err
    assert not Path("b.xyz").exists()


def test_what_a_kind_loses_is_said(ncz: Ncz) -> None:
    picture(values=array(9, 9, 4))
    ncz("compress", "--lossy", "a.png")
    assert "no alpha" in ncz("decompress", "a.png.ncz", "-o", "b.jpg").err
    assert not ncz("decompress", "a.png.ncz", "-o", "c.jpg", "--quiet").err


def test_pipes(ncz: Ncz) -> None:
    data = picture()
    coded = ncz("compress", "--lossy", "-q100", stdin=data).out
    restored = ncz("decompress", stdin=coded).out
    assert (pixels(restored) == RGB).all()


def test_thumbnail(ncz: Ncz) -> None:
    picture(values=array(300, 400))
    ncz("compress", "--lossy", "a.png")
    assert ncz("decompress", "--thumbnail", "a.png.ncz").code == 0
    assert Image.open("a.thumbnail.png").size == (256, 192)
    Path("b.txt").write_bytes(b"text")
    ncz("compress", "-1", "b.txt")
    result = ncz("decompress", "--thumbnail", "-f", "b.txt.ncz")
    assert result.code == 1
    assert "no lossy picture" in result.err


@pytest.mark.parametrize(
    ("asked", "field"),
    [(("--psnr", "30"), "psnr"), (("--size", "6k"), None), (("--bpp", "16"), None)],
)
def test_targets(ncz: Ncz, asked: tuple[str, str], field: str | None) -> None:
    picture()
    result = ncz("compress", "--lossy", *asked, "--json", "-v", "a.png")
    assert result.code == 0
    record = json.loads(result.out)
    assert record["width"] == 60
    assert 1 <= record["quality"] <= 100
    size = Path("a.png.ncz").stat().st_size
    assert record["coded_size"] == size
    if field:
        assert record[field] >= 30
    else:
        assert size <= (6144 if asked[0] == "--size" else 16 * 2400 / 8)


def test_what_cannot_be_had_is_one_sentence(ncz: Ncz) -> None:
    picture()
    result = ncz("compress", "--lossy", "--size", "10", "a.png")
    assert result.code == 1
    assert len(result.lines) == 1
    assert "smallest file" in result.err
    assert here() == ["a.png"]


@pytest.mark.parametrize(
    "bad",
    [
        ("--lossy", "--rm"),
        ("--lossy", "-6"),
        ("--lossy", "--resume"),
        ("--lossy", "--block-size", "1M"),
        ("--lossy", "--size", "0"),
        ("--lossy", "--bpp", "0"),
        ("--lossy", "--ms-ssim", "1"),
        ("--lossy", "-q", "0"),
        ("--lossy", "-q", "60", "--psnr", "30"),
        ("--lossy", "--processes", "2"),
        ("--lossy", "--effort", "10"),
        ("--effort", "2"),
        ("--quality", "50"),
        ("--psnr", "30"),
        ("--tune", "psnr"),
        ("--lossy", "--tune", "vmaf"),
    ],
)
def test_what_cannot_be_meant(ncz: Ncz, bad: tuple[str, ...]) -> None:
    data = picture()
    result = ncz("compress", *bad, "a.png")
    assert result.code == 2
    assert len(result.lines) == 1
    assert here() == ["a.png"]
    assert Path("a.png").read_bytes() == data


def test_q_without_lossy_is_quiet(ncz: Ncz) -> None:
    picture()
    assert ncz("compress", "-q", "-1", "a.png").code == 0
    assert ncz("decompress", "-f", "a.png.ncz").code == 0
    assert (pixels(Path("a.png").read_bytes()) == RGB).all()


def test_a_lossy_mode_never_runs_unasked(ncz: Ncz) -> None:
    data = picture()
    assert ncz("compress", "-1", "a.png").code == 0
    assert ncz("cat", "-f", "a.png.ncz").out == data


def test_bad_pictures(ncz: Ncz) -> None:
    whole = picture()
    Path("text.png").write_bytes(b"no picture")
    Path("cut.png").write_bytes(whole[: len(whole) // 2])
    result = ncz("compress", "--lossy", "text.png", "cut.png", "a.png")
    assert result.code == 1
    assert len(result.lines) == 2
    assert "text.png: is no picture" in result.lines[0]
    assert "cut.png: is a picture that is cut off" in result.lines[1]
    assert here() == ["a.png", "a.png.ncz", "cut.png", "text.png"]


def test_damage(ncz: Ncz) -> None:
    picture(icc_profile=SRGB)
    ncz("compress", "--lossy", "a.png")
    coded = bytearray(Path("a.png.ncz").read_bytes())
    coded[-60] ^= 1
    Path("b.png.ncz").write_bytes(coded)
    assert ncz("test", "b.png.ncz").code == 3
    result = ncz("decompress", "b.png.ncz")
    assert result.code == 3
    assert "--keep-going" in result.err
    assert not Path("b.png").exists()
    result = ncz("decompress", "--keep-going", "b.png.ncz")
    assert result.code == 3
    assert "block 1 " in result.err
    assert Image.open("b.png").size == (60, 40)
    assert Image.open("b.png").info["icc_profile"] == SRGB


def test_rm_keeps_the_file_of_a_picture(ncz: Ncz) -> None:
    picture()
    ncz("compress", "--lossy", "a.png")
    result = ncz("decompress", "--rm", "a.png.ncz", "-o", "b.png")
    assert result.code == 1
    assert here() == ["a.png", "a.png.ncz"]


def test_compare_renders_it(ncz: Ncz) -> None:
    picture()
    ncz("compress", "--lossy", "-q", "100", "a.png")
    ncz("compress", "--lossy", "-q", "50", "a.png", "-o", "b.ncz")
    same = json.loads(ncz("compare", "a.png", "a.png.ncz", "--json").out)
    assert same["psnr"] is None
    other = json.loads(ncz("compare", "a.png", "b.ncz", "--json").out)
    assert 10 < other["psnr"] < 40


def test_info_and_cat(ncz: Ncz) -> None:
    picture()
    ncz("compress", "--lossy", "-q", "70", "a.png")
    shown = ncz("info", "a.png.ncz").out.decode()
    assert "lossy picture, 60 x 40, RGB of 8 bits, quality 70, " in shown
    assert "model fake" in shown
    record = json.loads(ncz("info", "--json", "a.png.ncz").out)
    assert record["members"][0]["picture"]["tiles"] == 1
    result = ncz("cat", "a.png.ncz")
    assert result.code == 1
    assert "ncz decompress" in result.err


@pytest.mark.parametrize(("asked", "most"), [(["-T", "1"], 1), ([], None), (["-T", "0"], None)])
def test_threads_of_arithmetic(
    ncz: Ncz, monkeypatch: pytest.MonkeyPatch, asked: list[str], most: int | None
) -> None:
    import torch
    from threadpoolctl import threadpool_limits

    seen: list[int] = []
    for name in ("analyse", "synthesise"):
        work = getattr(fake.Codec, name)

        def counted(*args: Any, work: Any = work) -> Any:
            seen.append(torch.get_num_threads())
            return work(*args)

        monkeypatch.setattr(fake.Codec, name, counted)
    picture()
    with threadpool_limits(3):
        ncz("compress", "--lossy", *asked, "a.png")
        ncz("decompress", *asked, "a.png.ncz", "-o", "b.png")
        ncz("compress", "--lossy", "-f", *asked, "a.png", "b.png")  # several go another way
        assert torch.get_num_threads() == 3
    assert len(seen) >= 4 and set(seen) == {most or 3}
