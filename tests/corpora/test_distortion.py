from __future__ import annotations

import json
import sys
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner, Result

from ncz.corpora import curves, distortion, distortion_page, distortion_plot, lossy, publish
from ncz.corpora.registry import CorpusError
from tests.corpora.test_curves import rows
from tests.pictures import scene

Image = pytest.importorskip("PIL.Image")
pytest.importorskip("pytorch_msssim")

calls: list[tuple[float, int]] = []
names: set[str] = set()


def compress_pixels(rgb: np.ndarray, quality: float, effort: int, name: str = "image-1") -> bytes:
    """Values in steps that grow as the quality falls, and zlib at the effort."""
    calls.append((quality, effort))
    names.add(name)
    step = max(1, round(40 - 0.39 * quality))
    head = np.array([step, *rgb.shape], np.uint16).tobytes()
    return head + zlib.compress((rgb // step).tobytes(), effort)


def estimate_bits(coded: bytes, name: str) -> float:
    return 7.9 * len(coded)


def restore_pixels(coded: bytes, name: str = "image-1") -> np.ndarray:
    step, *shape = np.frombuffer(coded[:8], np.uint16).tolist()
    values = np.frombuffer(zlib.decompress(coded[8:]), np.uint8).reshape(shape)
    return np.clip(values.astype(int) * step + step // 2, 0, 255).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two pictures, and a codec in place of the learned one."""
    fake = SimpleNamespace(
        compress_pixels=compress_pixels,
        restore_pixels=restore_pixels,
        estimate_bits=estimate_bits,
    )
    monkeypatch.setitem(sys.modules, "ncz.models.image.codec", fake)
    calls.clear()
    names.clear()
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number, name in enumerate(("a.png", "b.bmp")):
        Image.fromarray(np.roll(scene(), 40 * number, 1)).save(pictures / name)
    (pictures / "notes.txt").write_text("no picture")
    return pictures


def run(folder: Path, *options: str) -> Result:
    out = str(folder.parent / "out")
    return CliRunner().invoke(distortion.main, [str(folder), "--out", out, *options])


def found(folder: Path) -> list[curves.Row]:
    return curves.read(folder.parent / "out" / distortion.RESULTS)


def test_every_picture_by_every_codec_at_every_quality(folder: Path) -> None:
    result = run(folder, "--efforts", "1,9", "--qualities", "20,60,95", "--measure", "jpegturbo420")
    assert result.exit_code == 0, result.output
    measured = found(folder)
    assert len(measured) == 2 * (3 + 3 + 6)
    assert {row.codec for row in measured} == {"ncz_e1", "ncz_e9", "jpegturbo420"}
    one = next(row for row in measured if (row.codec, row.q, row.img) == ("ncz_e9", 60, "a.png"))
    coded = compress_pixels(scene(), 60, 9)
    assert one.bytes == len(coded)
    assert one.bpp == pytest.approx(8 * len(coded) / (170 * 190))
    assert one.pixels == 170 * 190
    error = float(np.mean((scene().astype(float) - restore_pixels(coded)) ** 2))
    assert one.psnr == pytest.approx(10 * np.log10(255**2 / error))
    assert one.msssim is not None and 0.5 < one.msssim < 1
    assert one.encode_s is not None and one.decode_s is not None and one.encode_s > 0
    assert one.estimate == pytest.approx(7.9 * len(coded))
    for row in measured:
        assert (row.estimate is None) == (row.codec == "jpegturbo420")
    better = [row.psnr for row in measured if (row.codec, row.img) == ("jpegturbo420", "b.bmp")]
    assert better == sorted(better)
    assert len(json.loads((folder.parent / "out" / "machine.json").read_text())["date"]) == 10


def test_weights_for_each_measure(folder: Path) -> None:
    options = ("--efforts", "2", "--qualities", "50")
    result = run(folder, *options, "--tunes", "psnr,ms-ssim")
    assert result.exit_code == 0, result.output
    assert {row.codec for row in found(folder)} == {"ncz_e2", "ncz_e2_ms-ssim"}
    assert names == {"image-1", "image-1-ms-ssim"}
    assert lossy.about("ncz_e2_ms-ssim") == "ncz, effort 2, tuned to MS-SSIM"
    assert run(folder, *options, "--tunes", "vmaf").exit_code == 2


def test_what_is_there_is_not_measured_again(folder: Path) -> None:
    assert run(folder, "--efforts", "2", "--qualities", "50", "--count", "1").exit_code == 0
    before = found(folder)
    assert len(before) == 1
    calls.clear()
    result = run(folder, "--efforts", "2", "--qualities", "50,70")
    assert result.exit_code == 0
    assert "ncz_e2 50 a.png" not in result.output
    assert "ncz_e2 70 a.png" in result.output
    assert found(folder)[0] == before[0]
    assert len(found(folder)) == 4
    assert "ncz_e2 50 a.png" in run(folder, "--efforts", "2", "--qualities", "50", "--again").output


def test_equal_pictures_keep_means_numbers(folder: Path) -> None:
    assert run(folder, "--efforts", "1", "--qualities", "100", "--count", "1").exit_code == 0
    assert found(folder)[0].psnr == 100


def test_rows_of_peers_come_from_a_file(folder: Path) -> None:
    peers = folder.parent / "peers.json"
    theirs = [
        curves.Row(codec, q, img, 100, 0.5 * q, 30 + q, 0.9)
        for codec in ("avif_s6_420", "webp_m6", "ncz_e1")
        for q in (1, 2)
        for img in ("a.png", "elsewhere.png")
    ]
    peers.write_text(curves.as_json(theirs))
    result = run(folder, "--efforts", "1", "--qualities", "50", "--peers", str(peers))
    assert result.exit_code == 0, result.output
    measured = found(folder)
    assert {row.codec for row in measured} == {"avif_s6_420", "webp_m6", "ncz_e1"}
    assert "elsewhere.png" not in {row.img for row in measured}
    assert {row.q for row in measured if row.codec == "ncz_e1"} == {50}


def test_mistakes_are_one_sentence(folder: Path, monkeypatch) -> None:
    for options, sentence in (
        (["--efforts", "10"], "'10' is no number from 1 to 9"),
        (["--qualities", "good"], "'good' is no number from 1 to 100"),
        (["--efforts", "", "--measure", "gif"], "no peer is called 'gif'; there are jpegturbo420"),
    ):
        result = run(folder, *options)
        assert result.exit_code != 0
        assert sentence in result.output
    Image.fromarray(scene()[:, :, 0].astype(np.uint16)).save(folder / "c.png")
    assert "c.png is not of 8 bits" in run(folder, "--qualities", "50").output
    Image.fromarray(scene()).save(folder / "c.png")
    fake = SimpleNamespace(
        compress_pixels=compress_pixels,
        restore_pixels=lambda coded, name: restore_pixels(coded)[1:],
    )
    monkeypatch.setitem(sys.modules, "ncz.models.image.codec", fake)
    output = run(folder, "--qualities", "51").output
    assert "ncz_e1 made uint8[169, 190, 3] of a.png, which is uint8[170, 190, 3]" in output
    empty = folder / "empty"
    empty.mkdir()
    assert "has no pictures in it" in run(empty, "--efforts", "1").output


def test_every_peer_here_gives_back_nearly_what_it_got() -> None:
    rgb = scene(64, 80)
    names = []
    for peer in lossy.peers():
        if peer.missing:
            with pytest.raises(CorpusError, match="cannot be measured"):
                lossy.chosen(peer.name)
            continue
        names.append(peer.name)
        worst, best = (
            distortion.row(peer, q, "x", rgb) for q in (peer.qualities[0], peer.qualities[-1])
        )
        assert worst.bytes < best.bytes
        assert worst.psnr < best.psnr
        assert best.psnr > 25
        assert worst.msssim is None, "too small for it"
    assert {"jpegturbo420", "webp_m6"} <= set(names)
    assert [peer.name for peer in lossy.chosen("webp_m6, jpegturbo420,")] == [
        "webp_m6",
        "jpegturbo420",
    ]


def benchmark() -> list[curves.Row]:
    return [
        *rows("avif_s6_420"),
        *rows("ncz_e1", part=0.9, timed=True),
        *rows("ncz_e7", part=0.75, timed=True),
        *rows("vvc420_fast", 2, 0.8),
    ]


def test_the_page_says_what_was_measured() -> None:
    machine = {"cores": 2, "processor": "some processor", "date": "2026-01-01"}
    text = distortion_page.page(benchmark(), machine)
    assert text.startswith("# Results on images\n")
    rates = text[text.index("## Bits") : text.index("## Speed")]
    assert "| **ncz, effort 7** | 3 | −25.0 | −25.0 |" in rates
    assert "| VVC (fast, 4:2:0) | 2 | −20.0 | −20.0 |" in rates
    assert "| **ncz, effort 1** | 3 | −10.0 | −10.0 |" in rates
    assert "| **ncz, effort 1** | 0.08 | 0.16 |" in text  # of 8000 pixels in 0.1 s and 0.05 s
    assert "| **ncz, effort 7** | +1.00 | " in text
    assert "Rows of AVIF (speed 6), VVC (fast, 4:2:0) come from a file" in text
    assert "| AVIF (speed 6) | 1 | 3 | 0.500 | 29.00 | 0.9400 | 12.22 |" in text
    untimed = distortion_page.page(rows("avif_s6_420"), machine)
    assert "## Speed" not in untimed and "estimated" not in untimed
    with pytest.raises(CorpusError, match="no rows of avif_s6_420"):
        distortion_page.page(rows("ncz_e1"), machine)


def test_the_plot_has_what_can_be_compared(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert list(distortion_plot.comparable(benchmark())) == ["avif_s6_420", "ncz_e1", "ncz_e7"]
    for name in ("one.svg", "two.svg"):
        distortion_plot.draw(benchmark(), tmp_path / name)
    text = (tmp_path / "one.svg").read_text()
    assert text == (tmp_path / "two.svg").read_text(), "equal rows give equal files"
    for name in ("AVIF (speed 6)", "ncz, effort 7"):
        assert name in text
    assert "VVC" not in text


def test_publishing(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "out"
    out.mkdir()
    call = ["--images", "--root", str(tmp_path), str(out)]
    assert "run: python -m ncz.corpora.distortion" in CliRunner().invoke(publish.main, call).output
    (out / distortion.RESULTS).write_text(curves.as_json(benchmark()))
    machine = {"cores": 2, "processor": "some processor", "date": "2026-01-01"}
    (out / distortion.MACHINE).write_text(json.dumps(machine))
    (tmp_path / "docs").mkdir()
    result = CliRunner().invoke(publish.main, call)
    assert result.exit_code == 0, result.output
    text = (tmp_path / "docs" / "results-images.md").read_text()
    assert f"]({distortion_page.PICTURE})" in text
    assert (tmp_path / "docs" / distortion_page.PICTURE).is_file()
    result = CliRunner().invoke(publish.main, [*call, "--anchor", "ncz_e1"])
    assert (
        "| AVIF (speed 6) | 3 | +11.1 | +11.1 |"
        in (tmp_path / "docs" / "results-images.md").read_text()
    )
