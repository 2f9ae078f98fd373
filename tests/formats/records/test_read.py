import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ncz.codec.errors import MissingExtra, NoRecords
from ncz.formats.records import pictures
from ncz.formats.records.fixed import Field, Fixed
from ncz.formats.records.read import raw_layout, read
from ncz.formats.records.table import Table
from tests.formats.records.test_fixed import idx

PIXELS = np.arange(4 * 28 * 28, dtype=np.uint8).reshape(4, 28, 28)


def saved(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def prose() -> bytes:
    """Lines of words that never come again."""
    words = np.random.default_rng(0).integers(97, 123, (200, 9)).astype(np.uint8)
    lengths = [2 + n * 7 % 8 for n in range(200)]
    parts = [word.tobytes()[:size] for word, size in zip(words, lengths, strict=True)]
    return b"".join(part + (b"\n" if n % 6 == 5 else b" ") for n, part in enumerate(parts))


@pytest.fixture
def put(tmp_path: Path):
    def put(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    return put


def test_idx_plain_and_zipped(put) -> None:
    raw = idx(4, 28, 28) + PIXELS.tobytes()
    for path in put("a.idx", raw), put("a.idx.gz", gzip.compress(raw)):
        found = read(path)
        assert found.layout == Fixed((Field("u1", 784),), (28, 28))
        assert found.values.dtype == np.uint8
        assert (found.values == PIXELS.reshape(4, 784)).all()
        assert found.what == f"{path.name} is IDX, records of 784 numbers"


def test_arrays(put) -> None:
    wide = np.arange(-6, 6, dtype=">i4").reshape(3, 4)
    found = read(put("a.npy", saved(wide)))
    assert found.values.tolist() == wide.tolist()
    file = io.BytesIO()
    np.savez_compressed(file, labels=np.arange(3), images=np.arange(300).reshape(3, 100))
    found = read(put("a.npz", file.getvalue()))
    assert found.values.tolist() == np.arange(300).reshape(3, 100).tolist()
    structs = np.array([(1, -2), (3, -4)], [("a", "<u2"), ("b", "<i8")])
    assert read(put("s.npy", saved(structs))).values.tolist() == [[1, -2], [3, -4]]


def test_tables(put) -> None:
    raw = b"a,b\n" + b"".join(b"%d,%d\n" % (n, n * n) for n in range(50))
    found = read(put("a.csv", raw))
    assert isinstance(found.layout, Table)
    assert found.values[49].tolist() == [49, 2401]
    assert found.what == "a.csv is a table of 2 columns and 50 lines"


def test_raw_records(put) -> None:
    path = put("a.bin", b"h" + np.arange(12, dtype=">u2").tobytes())
    found = read(path, record_size=8, dtype=">u2")
    assert found.values.tolist() == np.arange(12).reshape(3, 4).tolist()
    assert found.layout == raw_layout(8, ">u2")
    with pytest.raises(NoRecords, match="smaller than a record of 64 bytes"):
        read(path, record_size=64)
    for size, dtype in [(7, ">u2"), (0, "u1"), (70_000, "u1"), (4, "f4"), (-4, "u1")]:
        with pytest.raises(ValueError):
            read(path, record_size=size, dtype=dtype)


def test_data_of_no_use(put) -> None:
    raw = idx(4, 28, 28) + PIXELS.tobytes()
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("a.txt", b"text")
    for name, data, why in [
        ("empty", b"", "empty is empty"),
        ("none.idx", idx(0, 28, 28), "no records"),
        ("short.idx", raw[:-1], "its head says 4 records and 3 are there"),
        ("short.gz", gzip.compress(raw)[:-20], "is damaged"),
        ("bad.gz", b"\x1f\x8b" + bytes(30), "is damaged"),
        ("floats.npy", saved(np.zeros((3, 4))), "float64, and records are of integers"),
        ("a.zip", zipped.getvalue(), "ZIP file without NumPy arrays"),
        ("bad.npz", b"PK\x03\x04" + bytes(30), "no ZIP file that can be read"),
        ("prose.txt", prose(), "fall into columns"),
        ("short.csv", b"a,b\n1,2\n", "fewer than 8 lines; for raw records, give their size"),
    ]:
        with pytest.raises(NoRecords, match=why):
            read(put(name, data))
    with pytest.raises(NoRecords, match="more than 100 bytes"):
        read(put("a.idx", raw), limit=100)
    with pytest.raises(NoRecords, match="more than 100 bytes"):
        read(put("a.gz", gzip.compress(raw)), limit=100)


def test_constant_columns_are_columns(put) -> None:
    assert read(put("a.csv", b"7,x,1\n" * 30)).values.shape[0] == 30
    assert read(put("a.npy", saved(np.zeros((30, 4), np.int16)))).values.shape == (30, 4)


class TestPictures:
    def save(self, path: Path, pixels: np.ndarray, **how: object) -> None:
        image = pytest.importorskip("PIL.Image")
        path.parent.mkdir(parents=True, exist_ok=True)
        image.fromarray(pixels).save(path, **how)

    def test_grey(self, tmp_path: Path) -> None:
        for n, pixels in enumerate(PIXELS):
            self.save(tmp_path / str(n % 2) / f"{n}.png", pixels)
        (tmp_path / "labels.csv").write_text("0,1\n")
        self.save(tmp_path / ".hidden" / "x.png", PIXELS[0, :5])
        found = read(tmp_path)
        assert (found.values == PIXELS[[0, 2, 1, 3]].reshape(4, 784)).all()
        assert found.layout == Fixed((Field("u1", 784),), (28, 28))
        assert found.what.endswith("is 4 pictures of 28 x 28 u1")

    def test_the_layout_is_that_of_a_bare_picture(self, tmp_path: Path) -> None:
        colour = np.arange(6 * 5 * 3, dtype=np.uint8).reshape(6, 5, 3)
        self.save(tmp_path / "in" / "a.png", colour)
        self.save(tmp_path / "a.ppm", colour)
        found = read(tmp_path / "in")
        split = found.layout.split((tmp_path / "a.ppm").read_bytes())
        assert (split.values == found.values).all()

    @pytest.mark.parametrize("suffix", ["ppm", "bmp"])
    def test_bare_pictures_are_taken_as_they_stand(
        self, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        colour = np.arange(2 * 6 * 5 * 3, dtype=np.uint8).reshape(2, 6, 5, 3)
        for n in range(2):
            self.save(tmp_path / f"{n}.{suffix}", colour[n])
        monkeypatch.setitem(__import__("sys").modules, "PIL", None)
        found = read(tmp_path)
        split = found.layout.split((tmp_path / f"1.{suffix}").read_bytes())
        assert (split.values[0] == found.values[1]).all()

    def test_without_pillow(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "a.png").write_bytes(b"\x89PNG")
        monkeypatch.setitem(__import__("sys").modules, "PIL", None)
        with pytest.raises(MissingExtra, match=r"ncz\[media\]"):
            read(tmp_path)

    def test_of_no_use(self, tmp_path: Path) -> None:
        with pytest.raises(NoRecords, match="no pictures"):
            read(tmp_path)
        self.save(tmp_path / "a.png", PIXELS[0])
        with pytest.raises(NoRecords, match="more than 9 bytes"):
            read(tmp_path, limit=9)
        self.save(tmp_path / "b.png", PIXELS[0, :20])
        with pytest.raises(NoRecords, match=r"b\.png is 20 x 28 u1 and a\.png is 28 x 28 u1"):
            read(tmp_path)
        self.save(tmp_path / "b.png", np.zeros((28, 28, 4), np.uint8))
        with pytest.raises(NoRecords, match="of mode RGBA"):
            read(tmp_path)
        (tmp_path / "b.png").write_bytes(b"no picture")
        with pytest.raises(NoRecords, match=r"b\.png cannot be read"):
            read(tmp_path)
        self.save(tmp_path / "a.png", np.zeros((300, 300), np.uint8))
        with pytest.raises(NoRecords, match="more than 65536 values"):
            read(tmp_path)

    def test_bare_of_no_use(self, tmp_path: Path) -> None:
        (tmp_path / "a.pgm").write_bytes(b"P5 2 2 255\nabcd")
        (tmp_path / "b.pgm").write_bytes(b"P5 2 2 255\nabc")
        with pytest.raises(NoRecords, match=r"b\.pgm is cut off"):
            read(tmp_path)
        (tmp_path / "b.pgm").write_bytes(b"P6 1 1 255\nabc")
        with pytest.raises(NoRecords, match=r"b\.pgm is PPM and others are PGM"):
            read(tmp_path)
        (tmp_path / "b.pgm").write_bytes(b"P5 2")
        with pytest.raises(NoRecords, match=r"b\.pgm cannot be read"):
            read(tmp_path)


def test_suffixes_are_lower_case() -> None:
    assert all(suffix == suffix.lower() for suffix in pictures.SUFFIXES)
