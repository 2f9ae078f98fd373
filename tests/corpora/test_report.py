"""Tables and picture from rows that were made up."""

from dataclasses import replace

import pytest

from ncz.codec.errors import MissingExtra
from ncz.corpora import plot, publish, report, rows
from ncz.corpora.registry import CorpusError
from ncz.corpora.rows import Row

MACHINE = {
    "processor": "Test CPU",
    "cores": 2,
    "memory_bytes": 8 << 30,
    "system": "Linux x86_64",
    "python": "CPython 3.11.7",
    "ncz": "0.1.0",
    "date": "2030-01-01",
}


def row(codec, file, raw, coded, encode_s=0.5, decode_s=0.25):
    return Row(
        group="set",
        file=file,
        raw_size=raw,
        raw_sha256="0" * 64,
        codec=codec,
        version="1.0",
        repeat=1,
        coded_size=coded,
        encode_cpu_s=encode_s,
        encode_wall_s=encode_s * 2,
        encode_peak_bytes=30_000_000,
        encode_warm_up_s=0.75,
        decode_cpu_s=decode_s,
        decode_wall_s=decode_s * 2,
        decode_peak_bytes=20_000_000,
    )


ROWS = [
    row("ncz-3", "a", 1_000_000, 250_000),
    row("ncz-3", "b", 3_000_000, 750_000),
    row("ncz-6", "a", 1_000_000, 200_000, 10.0, 10.0),
    row("ncz-6", "b", 3_000_000, 700_000, 30.0, 30.0),
    row("xz-9e", "a", 1_000_000, 300_000, 2.0, 0.0),
    row("xz-9e", "b", 3_000_000, 690_000, 2.0, 0.0),
]
FAILED = [
    row("odd", "a", 1_000_000, 1),
    replace(row("odd", "b", 3_000_000, 0), error="other bytes came back"),
]


def test_totals_add_up_and_the_smallest_is_first():
    six, xz, three = report.totals(ROWS)
    assert (six.codec, xz.codec, three.codec) == ("ncz-6", "xz-9e", "ncz-3")
    assert (six.files, six.raw_size, six.coded_size) == (2, 4_000_000, 900_000)
    assert six.bits_per_byte == pytest.approx(1.8)
    assert six.encode_speed == pytest.approx(100_000)
    assert six.encode_wall_speed == pytest.approx(50_000)
    assert xz.encode_speed == pytest.approx(1_000_000)
    assert xz.decode_speed is None
    assert six.encode_peak_bytes == 30_000_000


def test_a_codec_that_failed_is_named_and_not_counted():
    assert [total.codec for total in report.totals([*ROWS, *FAILED])] == ["ncz-6", "xz-9e", "ncz-3"]
    (said,) = report.failures([*ROWS, *FAILED])
    assert said == (
        "odd is left out of the totals: the round trip failed on 1 of 2 files, "
        "on b because of this: other bytes came back."
    )
    assert "| failed |" in report.sizes_table([*ROWS, *FAILED])


def test_the_report_says_everything():
    text = report.markdown([*ROWS, *FAILED], MACHINE)
    assert "| **ncz-6** | 900,000 | 22.50 % | 1.800 | 100 | 100 | 30 | 20 |" in text
    assert "| xz-9e | 990,000 | 24.75 % | 1.980 | 1,000 | – | 30 | 20 |" in text
    assert "ncz-6 is smaller than xz-9e on 1 of 2, than odd on 0 of 1 files." in text
    assert "| a | 1,000,000 | 250,000 | 200,000 | 300,000 | **1** |" in text
    assert "Test CPU, 2 cores, 8 GiB of memory" in text
    assert "up to 0.8 s once a process" in text
    assert "xz-9e (1.0)" in text


def test_every_table_is_rectangular():
    for line_of in (report.totals_table(ROWS), report.sizes_table([*ROWS, *FAILED])):
        assert len({line.count("|") for line in line_of.splitlines()}) == 1


def test_a_run_without_ncz_claims_no_win():
    assert "smaller" not in report.markdown(ROWS[4:], MACHINE)


def test_the_picture_is_a_png_of_some_size(tmp_path):
    path = tmp_path / "plot.png"
    plot.draw(report.totals(ROWS), path)
    from PIL import Image

    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.width > 1000 and image.height > 500
        colours = image.convert("RGB").getcolors(1 << 20)
    assert colours is not None and len(colours) > 20
    assert any(colour == (0xC2, 0x41, 0x0C) for _, colour in colours)


def test_names_in_the_picture_do_not_cover_each_other():
    box = (0.0, 0.0, 10.0, 10.0)
    assert plot._overlap(box, (5.0, 5.0, 20.0, 20.0)) == 25
    assert plot._overlap(box, (10.0, 0.0, 20.0, 10.0)) == 0
    assert plot._outside(box, (-5.0, 5.0, 50.0, 50.0)) == 50


def test_no_matplotlib_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(plot.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'ncz\[bench\]'"):
        plot.draw(report.totals(ROWS), tmp_path / "plot.png")


def test_publishing_fills_the_documents_and_twice_is_once(tmp_path):
    out, root = tmp_path / "out", tmp_path / "root"
    out.mkdir()
    (root / "docs").mkdir(parents=True)
    (out / "results.json").write_text(rows.as_json(ROWS, MACHINE))
    readme = root / "README.md"
    readme.write_text(f"before\n{publish.BEGIN}\nold\n{publish.END}\nafter\n")
    written = publish.publish(out, root)
    assert all(path.is_file() for path in written)
    text = readme.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
    assert "2 files, 4,000,000 bytes in all" in text and "| **ncz-6** | 900,000 |" in text
    assert "| a | 1,000,000 |" in (root / "docs" / "results.md").read_text()
    publish.publish(out, root)
    assert readme.read_text() == text


def test_publishing_texts(tmp_path):
    out, root = tmp_path / "out", tmp_path / "root"
    (root / "docs").mkdir(parents=True)
    out.mkdir()
    seven = replace(row("ncz-7", "a", 1_000_000, 150_000, 10.0, 20.0), tokens=100_000)
    failed = replace(row("ncz-8", "a", 1_000_000, 0), error="other bytes came back")
    (out / "results.json").write_text(rows.as_json([*ROWS, seven, failed], MACHINE))
    readme = root / "README.md"
    readme.write_text(f"before\n{publish.TEXT_BEGIN}\nold\n{publish.TEXT_END}\nafter\n")
    publish.publish_texts([out], root)
    line = "| a | **ncz-7** | 150,000 | 1.200 | -25.0 % | 5,000 | 2,500 | 50 | 25 | 30 |"
    page = (root / "docs" / "results-text.md").read_text()
    assert line in page
    assert line in readme.read_text()
    assert "| a | **ncz-3** | 250,000 | 2.000 | +25.0 % |  |  | 1,000 | 2,000 | 30 |" in page
    assert "| a | ncz-8 | failed |" in page
    assert "| a | xz-9e |" in page
    assert "xz-9e" not in readme.read_text()


def test_publishing_what_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(CorpusError, match="is not there"):
        publish.publish(tmp_path, tmp_path)
    with pytest.raises(CorpusError, match="to write between"):
        publish.between("no markers", "text", publish.BEGIN, publish.END)


def test_the_speed_of_a_language_model_counts_only_where_it_is_asked():
    text = replace(row("ncz-7", "a.txt", 4000, 900, 2.0, 4.0), tokens=1000)
    binary = row("ncz-7", "b.bin", 4000, 900)
    told = report.markdown([text, binary, row("xz", "a.txt", 4000, 1500)], MACHINE)
    assert (
        "ncz-7 reads 250 tokens a second and restores 125, on the clock and on all cores, "
        "on the 1 file of text."
    ) in told
    assert "tokens" not in report.markdown([binary], MACHINE)
