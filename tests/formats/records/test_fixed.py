import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncz.codec.errors import FormatError, UnsupportedError
from ncz.formats import records
from ncz.formats.records import fixed, heads
from ncz.formats.records.fixed import DTYPES, Field, Fixed
from ncz.formats.records.layout import Split

layouts = st.lists(
    st.builds(Field, st.sampled_from(DTYPES), st.integers(1, 5)), min_size=1, max_size=4
).map(lambda fields: Fixed(tuple(fields)))

DIGITS = Fixed((Field("u1", 784),), (28, 28))


def idx(count: int, *shape: int, kind: int = 8) -> bytes:
    """The head of an IDX file."""
    sizes = b"".join(size.to_bytes(4, "big") for size in (count, *shape))
    return bytes([0, 0, kind, 1 + len(shape)]) + sizes


@given(layouts, st.binary(max_size=200))
def test_round_trip(layout: Fixed, raw: bytes) -> None:
    split = layout.split(raw)
    assert layout.join(split) == raw
    assert split.values.dtype == np.int64
    assert len(split.rest) == layout.payloads
    assert split.before + split.sizes.sum() + len(split.rest[1]) == len(raw)
    opened = layout.open(split.rest)
    rows = [opened.record(n, row) for n, row in enumerate(split.values)]
    assert opened.before + b"".join(rows) + opened.after == raw
    assert [len(row) for row in rows] == split.sizes.tolist()
    for variable, column in zip(layout.variables, split.values.T, strict=True):
        assert variable.low is not None and variable.high is not None
        assert ((variable.low <= column) & (column <= variable.high)).all()


@given(layouts)
def test_packed_form(layout: Fixed) -> None:
    assert records.unpack(layout.pack()) == layout


def test_golden_packed_form() -> None:
    packed = "010100900602" + "1c1c"
    assert DIGITS.pack().hex() == packed
    assert records.unpack(bytes.fromhex(packed)) == DIGITS
    mixed = Fixed((Field(">u2", 2), Field("i8", 1)))
    assert mixed.pack().hex() == "010208020701" + "00"


@given(st.binary(max_size=60))
def test_hostile_packed_form(data: bytes) -> None:
    try:
        found = records.unpack(b"\1" + data)
    except FormatError:
        return
    assert found.pack() == b"\1" + data


def test_kinds_to_come() -> None:
    with pytest.raises(UnsupportedError, match="kind 99, which this ncz does not know"):
        records.unpack(b"\x63")
    with pytest.raises(FormatError, match="ends in its kind"):
        records.unpack(b"")
    with pytest.raises(FormatError, match="65537 bytes"):
        records.unpack(bytes(65537))


def test_every_type_has_its_values() -> None:
    for dtype in DTYPES:
        layout = Fixed((Field(dtype, 1),))
        kind = np.dtype(dtype)
        bounds = np.iinfo(kind)
        raw = np.array([bounds.min, bounds.max, 1], kind).tobytes()
        split = layout.split(raw)
        assert split.values[2, 0] == 1
        assert layout.join(split) == raw
        if kind != np.dtype("u8") and kind != np.dtype(">u8"):
            assert split.values[:2, 0].tolist() == [bounds.min, bounds.max]


def test_a_file_with_its_head() -> None:
    raw = idx(3, 28, 28) + bytes(range(256)) * 12
    split = DIGITS.split(raw)
    assert split.before == 16
    assert split.values.shape == (3, 784)
    assert split.rest[1] == raw[16 + 3 * 784 :]
    assert DIGITS.join(split) == raw
    assert DIGITS.variables[29].name == "1,1"


def test_a_head_of_other_records_is_none() -> None:
    assert DIGITS.split(idx(3, 28, 27) + bytes(784)).before == 16
    assert DIGITS.split(idx(3, 28, 27) + bytes(800)).before == 32


def test_blocks_end_with_records() -> None:
    raw = idx(100, 28, 28) + bytes(100 * 784)
    assert DIGITS.cut(raw, 10_000) == 16 + 12 * 784
    assert DIGITS.cut(raw[16:], 10_000) == 12 * 784
    assert DIGITS.cut(raw, 100) == 100
    assert DIGITS.cut(raw[:100], 10_000) == 100
    assert DIGITS.cut(b"", 10) == 0
    end = DIGITS.cut(raw, 10_000)
    assert DIGITS.split(raw[end : end + 784]).rest == (b"", b"")


def test_what_no_split_gives() -> None:
    split = DIGITS.split(bytes(784))
    with pytest.raises(FormatError, match="outside"):
        DIGITS.join(Split(split.values + 256, split.rest))
    with pytest.raises(FormatError, match="as many values"):
        DIGITS.join(Split(split.values[:, :5], split.rest))
    with pytest.raises(FormatError, match="2 payloads"):
        DIGITS.join(Split(split.values, (b"",)))
    with pytest.raises(FormatError, match="784 bytes, and may make 700"):
        DIGITS.join(split, limit=700)
    with pytest.raises(FormatError, match="as many values"):
        DIGITS.open(split.rest).record(0, split.values[0][:5])


@pytest.mark.parametrize("kind", ["u1", "i1", "<u2", ">i4", "<i8", ">u8", "?"])
def test_npy(kind: str) -> None:
    array = np.arange(60).reshape(5, 3, 4).astype(kind)
    file = io.BytesIO()
    np.save(file, array)
    layout, what = records.detect(file.getvalue(), "a.npy")
    assert layout is not None
    assert what == "a.npy is NPY, records of 12 numbers"
    split = layout.split(file.getvalue())
    assert split.values.tolist() == array.reshape(5, 12).astype(np.int64).tolist()
    assert layout.join(split) == file.getvalue()


def test_npy_of_structs() -> None:
    array = np.zeros(7, [("a", "<u2"), ("b", "<i4", (2,)), ("c", ">i4")])
    array["b"] = 70_000
    file = io.BytesIO()
    np.save(file, array)
    layout, _ = records.detect(file.getvalue())
    assert layout == Fixed((Field("u2", 1), Field("i4", 2), Field(">i4", 1)))
    split = layout.split(file.getvalue())
    assert split.values[3].tolist() == [0, 70_000, 70_000, 0]
    assert layout.join(split) == file.getvalue()


GAPS = {"names": ["a"], "formats": ["u1"], "offsets": [3]}


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ([("a", "<u2"), ("b", "<f4")], "float32"),
        ([("a", [("b", "<u2")])], "records are of integers"),
        (GAPS, "gaps"),
        (GAPS | {"offsets": [0], "itemsize": 4}, "gaps"),
        ([(f"f{n}", "u1" if n % 2 else "<u2") for n in range(1200)], "declares"),
        ([("a", "<u2"), ("b", "u1")], "1 to 1024 fields, not 2400"),
        ([("a", "|V0")], "has 0 numbers"),
    ],
)
def test_structs_of_no_use(kind: object, why: str) -> None:
    head = str({"descr": kind, "fortran_order": False, "shape": (3, 1200)})
    with pytest.raises(heads.NoHead, match=why):
        fixed.of(heads.parse(npy(head)))


def test_structs_that_are_filled_up() -> None:
    array = np.ones(7, np.dtype([("a", "u1"), ("b", "<i4")], align=True))
    file = io.BytesIO()
    np.save(file, array)
    layout, _ = records.detect(file.getvalue())
    assert layout == Fixed((Field("u1", 4), Field("i4", 1)))


def test_structs_of_one_array() -> None:
    array = np.zeros((7, 1), [("a", "<u2", (3,))])
    file = io.BytesIO()
    np.save(file, array)
    layout, _ = records.detect(file.getvalue())
    assert layout == Fixed((Field("u2", 3),))


def test_npz() -> None:
    array = np.arange(24, dtype=np.uint8).reshape(6, 4)
    file = io.BytesIO()
    np.savez(file, images=array, labels=np.arange(6))
    layout, _ = records.detect(file.getvalue())
    assert layout is not None
    split = layout.split(file.getvalue())
    assert split.values.tolist() == array.tolist()
    assert layout.join(split) == file.getvalue()


def test_pictures() -> None:
    image = pytest.importorskip("PIL.Image")
    pixels = np.arange(5 * 6 * 3, dtype=np.uint8).reshape(5, 6, 3)
    for name, mode, count in [("PPM", "RGB", 90), ("PGM", "L", 30), ("BMP", "RGB", 100)]:
        file = io.BytesIO()
        picture = image.fromarray(pixels).convert(mode)
        picture.save(file, "BMP" if name == "BMP" else "PPM")
        layout, what = records.detect(file.getvalue())
        assert what == f"this is {name}, records of {count} numbers"
        split = layout.split(file.getvalue())
        assert split.values.shape == (1, count)
        if name != "BMP":
            assert split.values.ravel().tolist() == np.asarray(picture).ravel().tolist()
        assert layout.join(split) == file.getvalue()


def npy(head: str, version: int = 1) -> bytes:
    data = head.encode("latin-1")
    return b"\x93NUMPY" + bytes([version, 0]) + len(data).to_bytes(2, "little") + data


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "starts like no IDX"),
        (b"GIF89a", "starts like no IDX"),
        (idx(3, 28, 28)[:9], "ends too early"),
        (b"\0\0\x08", "ends too early"),
        (b"\0\0\x08\x09" + bytes(36), "9 dimensions"),
        (idx(3, 28, 28, kind=0x0D), "floating-point"),
        (idx(3, 2**32 - 1, 2**32 - 1), "numbers, and 1 to 65536"),
        (idx(3, 0), "has 0 numbers"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4)}"), "float32"),
        (npy("{'descr': '|O', 'fortran_order': False, 'shape': (3, 4)}"), "object"),
        (npy("{'descr': '<i4', 'fortran_order': True, 'shape': (3, 4)}"), "Fortran"),
        (npy("{'descr': '<i4', 'fortran_order': False, 'shape': ()}"), "0 dimensions"),
        (npy("{'descr': '<i4', 'fortran_order': False, 'shape': (3, -4)}"), "shape that is none"),
        (npy("{'descr': '<i4', 'fortran_order': False, 'shape': (3, 99999)}"), "99999 numbers"),
        (
            npy("{'descr': [], 'fortran_order': False, 'shape': (3,)}"),
            "cannot be read|is of|0 numb",
        ),
        (npy("[" * 3000), "cannot be read"),
        (npy("{'descr': '<i4'}"), "cannot be read"),
        (npy("{}", version=7), "no version"),
        (b"\x93NUMPY\x01\x00\xff\xff{}", "declares 65535 bytes"),
        (b"PK\x03\x04" + bytes(40), "does not start with a NumPy array"),
        (b"P5 3 4 0\n", "largest value"),
        (b"P5 3 4 255", "end with a blank"),
        (b"P6 # no end", "ends too early"),
        (b"P6 a", "no number"),
        (b"P5 99999999999 4 255\n", "no number|end with a blank|and may be|numbers"),
        (b"BM" + bytes(60), "plain bytes"),
        (b"BM", "ends too early"),
    ],
)
def test_heads_of_no_use(data: bytes, why: str) -> None:
    found, said = records.detect(data, "x")
    assert found is None
    assert said.startswith("x is no file of records: ")
    with pytest.raises(heads.NoHead, match=why):
        heads.parse(data)


STARTS = [b"\0\0\x08\x03", b"\x93NUMPY\1\0", b"PK\3\4", b"P5 ", b"P6\n", b"BM", b""]


@given(st.sampled_from(STARTS), st.binary(max_size=100))
def test_hostile_heads(start: bytes, after: bytes) -> None:
    found, _ = records.detect(start + after)
    if found is not None:
        assert found.join(found.split(start + after)) == start + after


def test_bad_arguments() -> None:
    for bad in (Field, 1), (Field, 0):
        with pytest.raises(ValueError):
            Field("f4" if bad[1] else "u1", bad[1])
    with pytest.raises(ValueError):
        Fixed(())
    with pytest.raises(ValueError):
        Fixed((Field("u1", 784),), (28, 27))
    with pytest.raises(ValueError):
        Fixed((Field("u1", 65536), Field("u2", 1)))
