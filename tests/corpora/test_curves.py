from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ncz.corpora import curves
from ncz.corpora.curves import Row
from ncz.corpora.registry import CorpusError

ANCHOR = [(1, 0.25, 30.0, 0.95), (2, 0.5, 33.0, 0.98), (3, 1.0, 36.0, 0.99)]


def rows(codec: str, images: int = 3, part: float = 1.0, timed: bool = False) -> list[Row]:
    """A codec that takes that part of the anchor's bits."""
    return [
        Row(
            codec,
            q,
            f"{number}.png",
            round(part * bpp * 1000 * (1 + number)),
            part * bpp * (1 + number),
            psnr - number,
            msssim - number / 100,
            *((0.1, 0.05, 8 * part * bpp * 1000 * (1 + number) / 1.01) if timed else ()),
        )
        for q, bpp, psnr, msssim in ANCHOR
        for number in range(images)
    ]


def test_rows_come_back_from_their_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    some = [*rows("a"), *rows("b", timed=True), Row("c", 1.5, "x", 9, 0.1, 100.0, None)]
    path.write_text(curves.as_json(some))
    assert curves.read(path) == some
    keys = ["codec", "q", "img", "bytes", "bpp", "psnr", "msssim"]
    assert list(json.loads(path.read_text())[0]) == keys
    path.write_text(curves.as_json([]))
    assert curves.read(path) == []
    path.write_text(json.dumps([dict.fromkeys(keys, 1) | {"more": 1}]))
    assert curves.read(path)[0].bpp == 1
    for wrong in ("", "{}x", '{"a": 1}', "[1]", '[{"codec": "a"}]'):
        path.write_text(wrong)
        with pytest.raises(CorpusError, match="holds no rows of images"):
            curves.read(path)
    with pytest.raises(CorpusError, match="cannot be read: No such file"):
        curves.read(tmp_path / "none.json")


def test_means_are_over_pictures_at_one_quality() -> None:
    found = curves.means(rows("a"))
    assert [mean.q for mean in found] == [1, 2, 3]
    assert found[0].images == 3
    assert found[0].bpp == pytest.approx(0.25 * 2)
    assert found[0].psnr == pytest.approx(29)
    assert found[0].msssim == pytest.approx(0.94)
    only = curves.means(rows("a"), {"0.png"})
    assert (only[2].images, only[2].psnr) == (1, 36)
    lacking = [*rows("a"), Row("a", 1, "9.png", 10, 0.1, 20.0, None)]
    assert curves.means(lacking)[0].msssim is None


def test_codecs_are_held_against_each_other_on_what_both_have_whole() -> None:
    short = [row for row in rows("short", 2, 0.5) if (row.q, row.img) != (3, "1.png")]
    assert curves.whole(short) == {"0.png"}
    found = curves.held(
        [*rows("anchor"), *rows("dear", part=1.5), *rows("cheap", part=0.8), *short], "anchor"
    )
    assert [(one.codec, one.images) for one in found] == [("short", 1), ("cheap", 3), ("dear", 3)]
    for one, wanted in zip(found, (-50, -20, 50), strict=True):
        assert one.psnr == pytest.approx(wanted)
        assert one.ms_ssim == pytest.approx(wanted)


def test_codecs_with_nothing_in_common_come_last() -> None:
    other = [Row("other", q, "z.png", 10, 0.1 * q, 30 + q, None) for q in (1, 2)]
    found = curves.held([*rows("anchor"), *other, *rows("same")], "anchor")
    assert [(one.codec, one.images) for one in found] == [("same", 3), ("other", 0)]
    assert (found[1].psnr, found[1].ms_ssim) == (None, None)
    with pytest.raises(CorpusError, match="no rows of nobody"):
        curves.held(rows("a"), "nobody")


def test_decibels() -> None:
    assert curves.decibels(0.9) == pytest.approx(10)
    assert curves.decibels(1.0) == pytest.approx(90)


def test_known_rates_of_known_rows() -> None:
    """What others have computed from the same rows, where they are at hand."""
    corpora = os.environ.get("NCZ_CORPORA", "").split(os.pathsep)[0]
    path = Path(corpora).parent / "peers" / "kodak.json"
    if not corpora or not path.is_file():
        pytest.skip("set NCZ_CORPORA to a folder of corpora that has peers beside it")
    found = {one.codec: one for one in curves.held(curves.read(path), "avif_s6_420")}
    for codec, psnr, ms_ssim in (
        ("jpegturbo420", 88.0, 79.5),
        ("webp_m6", 21.9, 41.9),
        ("jxl_e7", 34.9, 36.4),
        ("hevc444_slow", -15.0, 9.4),
        ("hevc420_slow", -8.5, 21.9),
        ("mozjpeg420", 70.9, 46.3),
        ("vvc420_fast", -19.6, 5.3),
        ("avif_s3_420", -5.9, -4.2),
    ):
        assert found[codec].psnr == pytest.approx(psnr, abs=0.051)
        assert found[codec].ms_ssim == pytest.approx(ms_ssim, abs=0.051)
