"""Every picture by every codec, once; and the page that says what was measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from ncz.corpora import pixels, pixels_page, publish
from ncz.corpora.pixels import FILES, PIXELS, PLAIN, Row
from ncz.corpora.registry import CorpusError
from tests.pictures import photo_cd

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Scans, and one other picture."""
    scans, others = tmp_path / "kodak", tmp_path / "others"
    scans.mkdir()
    others.mkdir()
    for number in range(2):
        Image.fromarray(np.roll(photo_cd(), 4 * number, 1)).save(scans / f"{number}.png")
    smooth = np.add.outer(np.arange(40), 2 * np.arange(50)).astype(np.uint8)
    Image.fromarray(smooth).save(others / "grey.bmp")
    (others / "notes.txt").write_text("no picture")
    return scans, others


def run(folders: tuple[Path, ...], out: Path, *options: str) -> Result:
    named = [part for folder in folders for part in ("--data", str(folder))]
    return CliRunner().invoke(pixels.main, [*named, "--out", str(out), *options])


def test_every_codec_once(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixels, "here", lambda: ["PNG optimised", "WebP lossless"])
    out = tmp_path / "found.json"
    stopped: list[Any] = []
    measure = pixels.measure

    def until(job: pixels.Job) -> Row:
        stopped.append(job)
        if len(stopped) == 4:
            raise KeyboardInterrupt
        return measure(job)

    monkeypatch.setattr(pixels, "measure", until)
    assert run(folders, out).exit_code != 0
    assert len(pixels.read(out)[0]) == 3
    stopped.clear()

    def on(job: pixels.Job) -> Row:
        stopped.append(job)
        return measure(job)

    monkeypatch.setattr(pixels, "measure", on)
    result = run(folders, out)
    assert result.exit_code == 0, result.output
    rows, machine = pixels.read(out)
    assert machine["cores"] >= 1
    # The other picture came from no Photo CD, so that it is not looked at again without its planes.
    assert len(rows) == 3 * 4 + 2
    assert len(stopped) == len(rows) - 3
    found = {row.key: row for row in rows}
    assert found["kodak", "0.png", PIXELS].way == "Photo CD"
    assert found["kodak", "0.png", PLAIN].way == "planes"
    assert found["kodak", "0.png", PIXELS].bytes < found["kodak", "0.png", PLAIN].bytes
    assert found["kodak", "0.png", FILES].coder == "pixels"
    assert found["others", "grey.bmp", PIXELS].values == 2000
    assert run(folders, out).exit_code == 0
    assert len(stopped) == len(rows) - 3


def test_rows_of_peers_from_a_file(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = [
        Row("others", "grey.bmp", "JPEG XL", 2000, 2000, 3000, 321, 0.1, 0.1),
        Row("others", "gone.bmp", "JPEG XL", 2000, 2000, 3000, 321, 0.1, 0.1),
        Row("others", "grey.bmp", PIXELS, 2000, 2000, 3000, 1, 0.1, 0.1),
    ]
    pixels.write(tmp_path / "peers.json", theirs)
    out = tmp_path / "found.json"
    result = run(folders[1:], out, "--peers", str(tmp_path / "peers.json"))
    assert result.exit_code == 0, result.output
    found = {row.codec: row for row in pixels.read(out)[0]}
    assert set(found) == {"JPEG XL", PIXELS, FILES}
    assert found["JPEG XL"] == theirs[0]
    assert found[PIXELS].bytes > 1


def test_only_one_codec(folders: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "found.json"
    assert "no rows of ncz" in run(folders[:1], out, "--codec", FILES).output
    assert run(folders[:1], out, "--codec", PIXELS, "--limit", "1").exit_code == 0
    assert {row.key[1:] for row in pixels.read(out)[0]} == {
        ("0.png", FILES),
        ("1.png", FILES),
        ("0.png", PIXELS),
    }


def test_a_peer_that_is_named_has_to_be_here(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixels, "here", lambda: ["PNG optimised"])
    result = run(folders, tmp_path / "found.json", "--codec", "JPEG XL")
    assert result.exit_code == 1 and "pillow-jxl-plugin" in result.output


def test_what_is_refused(folders: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    out = tmp_path / "found.json"
    assert "no pictures" in run((tmp_path / "empty",), out).output
    assert "has the name of another" in run((folders[0], folders[0]), out).output
    Image.fromarray(np.zeros((9, 9), np.uint16)).save(folders[1] / "deep.png")
    result = run(folders[1:], out, "--limit", "1")
    assert "leave it out" in result.output
    out.write_text("[]")
    assert "holds no rows" in run(folders, out).output


@pytest.mark.slow
def test_processes(folders: tuple[Path, Path], tmp_path: Path) -> None:
    for name, count in (("one", "1"), ("two", "2")):
        assert run(folders, tmp_path / name, "--jobs", count, "--limit", "1").exit_code == 0
    one, two = (
        {row.key: row.bytes for row in pixels.read(tmp_path / name)[0]} for name in ("one", "two")
    )
    assert one == two


def _rows() -> list[Row]:
    rows = []
    for group, codec, size, way in (
        ("kodak", PIXELS, 600, "Photo CD"),
        ("kodak", PLAIN, 900, "planes"),
        ("kodak", FILES, 650, "Photo CD"),
        ("kodak", "JPEG XL", 1000, None),
        ("kodak", "WebP lossless", 1200, None),
        ("cid", PIXELS, 850, "planes"),
        ("cid", FILES, 2000, None),
        ("cid", "JPEG XL", 1000, None),
        ("cid", "WebP lossless", 1700, None),
    ):
        rows.append(Row(group, "a.png", codec, 800, 2400, 2000, size, 0.02, 0.01, "pixels", way))
    return [*rows, Row("cid", "b.png", PIXELS, 800, 2400, 2000, 850, 0.02, 0.01)]


def test_the_page(tmp_path: Path) -> None:
    machine = {"processor": "some processor", "date": "2026-01-01"}
    text = pixels_page.page(_rows(), machine)
    assert "| **ncz** | 600 | 6.000 | −40.0 | −50.0 | 850 | 8.500 | −15.0 | −50.0 |" in text
    assert "| JPEG XL | 1,000 | 10.000 | +0.0 | −16.7 | 1,000 | 10.000 | +0.0 | −41.2 |" in text
    assert "of the 40.0 % that ncz takes less than JPEG XL, 10.0 % are left and 30.0 %" in text
    assert "Of cid, no picture is one." in text
    assert "| kodak | 1 | 1 | 2,000 | 650 | −67.5 | +8.3 |" in text
    assert "| cid | 1 | 0 | 2,000 | 2,000 | +0.0 | +135.3 |" in text
    assert "| **ncz** | 120 | 240 |" in text
    assert "b.png" not in text  # not every codec has it

    (tmp_path / "docs").mkdir()
    source = tmp_path / "rows.json"
    arguments = ["--lossless-images", "--root", str(tmp_path), str(source)]
    assert "run: python -m" in CliRunner().invoke(publish.main, arguments).output
    pixels.write(source, _rows())
    result = CliRunner().invoke(publish.main, arguments)
    assert result.exit_code == 0, result.output
    written = (tmp_path / "docs/results-lossless-images.md").read_text()
    assert text.split("## Speed")[0] == written.split("## Speed")[0]
    assert "machine" in json.loads(source.read_text())


def test_totals_are_of_what_was_measured_whole() -> None:
    more = [
        Row("kodak", "b.png", codec, 800, 2400, 2000, 700, 0.02, 0.01, "pixels", way)
        for codec, way in ((PIXELS, "Photo CD"), ("JPEG XL", None), ("WebP lossless", None))
    ]
    text = pixels_page.page([*_rows(), *more], {"processor": "one", "date": "2026-01-01"})
    assert "| **ncz** | 1,300 | 6.500 |" in text  # with the picture that was not coded as a file
    assert f"| **{PLAIN}** | – | – | – | – | 850 |" in text
    assert "- Of kodak, 2 of 2 are.\n" in text
    assert "| kodak | 1 | 1 | 2,000 | 650 | −67.5 | +8.3 |" in text


def test_without_rows_there_is_no_page() -> None:
    with pytest.raises(CorpusError, match="no rows of ncz"):
        pixels_page.page([row for row in _rows() if row.codec != PIXELS], {})
