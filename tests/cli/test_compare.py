"""``ncz compare``: what it says of pictures, and of what is none."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

import ncz as library
from ncz.cli import compare
from ncz.corpora.picture import Picture
from ncz.models.image import quality
from tests.pictures import noisy, scene

Image = pytest.importorskip("PIL.Image")

ONE = scene()
OTHER = noisy(ONE, 0.04)


def save(name: str, pixels: np.ndarray, **how: object) -> Path:
    path = Path(name)
    Image.fromarray(pixels).save(path, **how)
    return path


def test_it_says_how_near_they_are(ncz) -> None:
    save("a.png", ONE)
    save("b.bmp", OTHER)
    result = ncz("compare", "a.png", "b.bmp")
    text = result.out.decode()
    assert result.code == 0
    assert f"PSNR     {quality.psnr(ONE, OTHER):.2f} dB" in text
    assert f"MS-SSIM  {quality.ms_ssim(ONE, OTHER):.5f}" in text
    size = Path("b.bmp").stat().st_size
    assert f"{size:,}   {8 * size / (170 * 190):.3f}" in text
    if quality.no_lpips():
        assert "LPIPS needs" in result.err
        assert ncz("compare", "-q", "a.png", "b.bmp").err == ""


def test_for_programs(ncz) -> None:
    save("a.png", ONE)
    save("b.png", OTHER)
    found = json.loads(ncz("compare", "--json", "a.png", "b.png").out)
    assert found["psnr"] == pytest.approx(quality.psnr(ONE, OTHER))
    assert found["ms_ssim"] == pytest.approx(quality.ms_ssim(ONE, OTHER))
    assert (found["file"], found["other"], found["ok"]) == ("a.png", "b.png", True)
    assert (found["width"], found["height"], found["kinds"]) == (190, 170, ["PNG", "PNG"])
    assert found["sizes"] == [Path(name).stat().st_size for name in ("a.png", "b.png")]
    assert not found["equal"]


def test_equal_pictures_in_different_files(ncz) -> None:
    save("a.png", ONE)
    save("b.ppm", ONE)
    Path("c.ncz").write_bytes(library.compress(Path("a.png").read_bytes(), level=1))
    for other in ("b.ppm", "c.ncz"):
        result = ncz("compare", "a.png", other)
        assert "infinite: all colours are equal" in result.out.decode()
        found = json.loads(ncz("compare", "--json", "a.png", other).out)
        assert (found["equal"], found["psnr"], found["ms_ssim"]) == (True, None, 1)
    assert found["kinds"] == ["PNG", "ncz"]
    assert found["sizes"][1] == Path("c.ncz").stat().st_size


def test_8_and_16_bits_of_grey(ncz) -> None:
    grey = ONE[:, :, 0]
    save("a.png", grey)
    Image.fromarray(grey.astype(np.uint16) * 257).save("b.png")
    assert json.loads(ncz("compare", "--json", "a.png", "b.png").out)["equal"]
    Image.fromarray(grey.astype(np.uint16) * 257 ^ 1).save("c.png")
    found = json.loads(ncz("compare", "--json", "a.png", "c.png").out)
    assert found["psnr"] == pytest.approx(20 * math.log10(65535))


def test_small_pictures_have_only_some_measures(ncz) -> None:
    save("a.png", ONE[:20])
    save("b.png", OTHER[:20])
    result = ncz("compare", "a.png", "b.png")
    assert result.code == 0
    assert "MS-SSIM" not in result.out.decode()
    assert "MS-SSIM is for pictures of at least 161 pixels" in result.err


def test_what_is_seen_through_is_said(ncz) -> None:
    clear = np.dstack([ONE, np.full(ONE.shape[:2], 255, np.uint8)])
    save("opaque.png", clear)
    clear[:50, :, 3] = 0
    save("a.png", clear)
    hidden = clear.copy()
    hidden[:50, :, :3] = 7  # nobody sees it
    save("b.png", hidden)
    found = json.loads(ncz("compare", "--json", "a.png", "b.png").out)
    assert found["equal"]
    assert any("alpha channels are equal" in note for note in found["notes"])
    found = json.loads(ncz("compare", "--json", "a.png", "opaque.png").out)
    assert not found["equal"]
    assert any("Only one of the two" in note for note in found["notes"])
    hidden[60:, :, 3] = 9
    save("c.png", hidden)
    assert "alpha channels differ" in ncz("compare", "a.png", "c.png").err


def test_each_mistake_is_one_sentence(ncz) -> None:
    save("a.png", ONE)
    save("small.png", ONE[:-1])
    Image.fromarray(ONE).convert("CMYK").save("cmyk.jpg")
    frames = [Image.fromarray(ONE), Image.fromarray(OTHER)]
    frames[0].save("moving.gif", save_all=True, append_images=frames[1:])
    Path("text.png").write_text("no picture")
    Path("empty.png").write_bytes(b"")
    Path("cut.png").write_bytes(Path("a.png").read_bytes()[:3000])
    broken = bytearray(library.compress(Path("a.png").read_bytes(), level=1))
    broken[len(broken) // 2] ^= 255
    Path("broken.ncz").write_bytes(broken)
    Path("text.ncz").write_bytes(library.compress(b"no picture", level=1))
    Path("folder").mkdir()
    for name, sentence, code in (
        ("small.png", "is 190 × 169 pixels, and a.png is 190 × 170: compare pictures of one", 1),
        ("cmyk.jpg", "is a picture of mode CMYK: convert it to RGB first", 1),
        ("moving.gif", "has several frames: compare still pictures", 1),
        ("text.png", "is no picture, or of a kind that Pillow does not read", 1),
        ("empty.png", "is no picture", 1),
        ("cut.png", "is a picture that is cut off or damaged: ", 1),
        ("broken.ncz", "is damaged", 3),
        ("text.ncz", "is no picture", 1),
        ("folder", "is a directory", 1),
        ("none.png", "no such file or directory", 1),
    ):
        for args in (("a.png", name), (name, "a.png")):
            result = ncz("compare", "-q", *args)
            assert (result.code, result.out) == (code, b""), name
            assert len(result.lines) == 1, result.err
            assert sentence in result.err or name == "small.png"
        found = json.loads(ncz("compare", "--json", "a.png", name).out)
        assert (found["file"], found["exit"]) == (name, code)
        assert sentence in found["error"]


def test_a_bomb_is_refused(ncz, monkeypatch) -> None:
    save("a.png", ONE)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    result = ncz("compare", "a.png", "a.png")
    assert result.lines == ["ncz: a.png: declares more than 2,000 pixels: cut it into parts"]


def test_16_bits_of_colour_are_not_taken_for_8(ncz) -> None:
    save("a.png", ONE)
    deep = bytearray(Path("a.png").read_bytes())
    deep[24] = 16  # bits a sample
    import zlib

    deep[29:33] = zlib.crc32(deep[12:29]).to_bytes(4, "big")
    Path("deep.png").write_bytes(deep)
    result = ncz("compare", "a.png", "deep.png")
    assert result.code == 1
    assert "has more than 8 bits a colour" in result.err


def test_pictures_are_turned_upright(ncz) -> None:
    exif = Image.Exif()
    exif[274] = 6  # to be turned to the right
    save("a.png", ONE)
    save("b.png", np.rot90(ONE, 1).copy(), exif=exif)
    assert json.loads(ncz("compare", "--json", "a.png", "b.png").out)["equal"]


def test_a_page_is_written_once_unless_forced(ncz) -> None:
    save("a.png", ONE)
    assert ncz("compare", "-q", "a.png", "a.png", "--page", "p.html").code == 0
    before = Path("p.html").read_bytes()
    result = ncz("compare", "-q", "a.png", "a.png", "--page", "p.html")
    assert result.code == 1
    assert "already exists: use -f" in result.err
    assert ncz("compare", "-q", "-f", "a.png", "a.png", "--page", "p.html").code == 0
    assert ncz("compare", "-q", "a.png", "a.png", "--page", "-").out == before
    result = ncz("compare", "--json", "a.png", "a.png", "--page", "-")
    assert result.out == before
    assert json.loads(result.err)["page"] == "-"


def test_lpips_stands_beside_the_others_where_it_can_be_had(monkeypatch) -> None:
    monkeypatch.setattr(quality, "no_lpips", lambda: None)
    monkeypatch.setattr(quality, "_network", lambda: lambda left, right: (left - right).mean())
    found = compare.measure(Picture(ONE, None, 1, "PNG"), Picture(ONE, None, 1, "PNG"))
    assert found.lpips == 0
    assert ("LPIPS", "0.0000") in compare.measures(found)
    assert found.notes == []
