import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncz.codec.errors import FormatError
from ncz.formats import records
from ncz.formats.records import sparse
from ncz.formats.records.cutting import Blanks, Delimited, Places
from ncz.formats.records.forms import Category, Number, Pattern, Template, Text
from ncz.formats.records.layout import ESCAPE, Split
from ncz.formats.records.table import Column, Table

CSV = Table(
    Delimited(b",", 4),
    (
        Column("id", Number()),
        Column("sex", Category((b"m", b"f"))),
        Column("note", Text()),
        Column("day", Pattern((Template((b"", b"-", b"-", b""), (4, 2, 2)),))),
    ),
    header=b"id,sex,note,day\n",
)
LOG = Table(
    Blanks(3),
    (Column("a", Number(width=2)), Column("b", Category((b"INFO",))), Column("c", Text())),
    crlf=True,
)
WIDE = Table(
    Places((3, 6)), tuple(Column(name, Number(width=3)) for name in "ab") + LOG.columns[2:]
)
ONE = Table(Blanks(1), (Column("0", Pattern((Template((b"x", b""), (0,)),))),))
LAYOUTS = [CSV, LOG, WIDE, ONE]

ODD_CELLS = [
    b"", b"0", b"-0", b"007", b"+5", b"17", b"-3", b"9" * 25, b"m", b"f", b"x", b"x1", b"INFO",
    b'"', b'""', b'"a,b"', b'"a', b'b"', b"2024-02-29", b"2024-2-29", b"\0", b"\r", b"  ", b" 1",
    b"12 INFO some text", b" 7 INFO ", b"  1  2", b"id,sex,note,day", b"\xff\xfe",
]  # fmt: skip
odd_lines = st.lists(st.sampled_from(ODD_CELLS), max_size=6).flatmap(
    lambda cells: st.sampled_from([b",", b" ", b""]).map(lambda glue: glue.join(cells))
)
odd_text = st.lists(
    st.builds(lambda line, end: line + end, odd_lines, st.sampled_from([b"\n", b"\r\n"])),
    max_size=12,
).flatmap(lambda lines: odd_lines.map(lambda last: b"".join(lines) + last))


def check(layout: Table, raw: bytes) -> None:
    """Every promise of a layout, on these bytes."""
    split = layout.split(raw)
    assert layout.join(split) == raw
    assert split.values.shape == (raw[split.before :].count(b"\n"), len(layout.variables))
    assert split.values.dtype == np.int64
    assert len(split.rest) == layout.payloads
    opened = layout.open(split.rest)
    rows = [opened.record(n, row) for n, row in enumerate(split.values)]
    assert opened.before + b"".join(rows) + opened.after == raw
    assert len(opened.before) == split.before
    assert [len(row) for row in rows] == split.sizes.tolist()
    for variable, column in zip(layout.variables, split.values.T, strict=True):
        kept = column[column != ESCAPE]
        assert variable.low is None or (kept >= variable.low).all()
        assert variable.high is None or (kept <= variable.high).all()
    assert records.unpack(layout.pack()) == layout


@pytest.mark.parametrize("layout", LAYOUTS, ids=range(4))
@given(st.binary(max_size=100) | odd_text)
def test_round_trip(layout: Table, raw: bytes) -> None:
    check(layout, raw)
    check(layout, layout.header + raw)


def test_what_a_table_becomes() -> None:
    raw = (
        b'id,sex,note,day\n1,m,"a, b",2024-02-29\n2,x,,2024-03-01\n'
        b"odd\n4,f,no,2024-3-1\nx,y,z,w\nfive"
    )
    split = CSV.split(raw)
    e = ESCAPE
    assert split.before == 16
    assert split.values.tolist() == [
        [1, 0, 0, 2024, 2, 29],
        [2, e, 0, 2024, 3, 1],
        [e, e, e, e, e, e],
        [4, 1, e, e, e, e],
        [e, e, e, e, e, e],
    ]
    assert split.rest == (
        b"\1five",
        sparse.pack({2: b"odd", 4: b"x,y,z,w"}),
        sparse.pack({}) + sparse.pack({1: b"x"}) + sparse.pack({3: b"2024-3-1"}),
        b'"a, b"\n\nno\n\n\n'.replace(b"\n\nno\n\n", b"\n\n\nno\n"),
    )
    check(CSV, raw)


def test_a_clean_table_has_no_rest() -> None:
    split = LOG.split(b" 1 INFO a\r\n12 INFO b c\r\n")
    assert split.rest == (b"", b"", b"", b"a\nb c\n")
    assert split.values.tolist() == [[1, 0], [12, 0]]


def test_places() -> None:
    split = WIDE.split(b"  1 22tail\n  1 22\n  1 2\n")
    assert split.values.tolist() == [[1, 22], [1, 22], [ESCAPE, ESCAPE]]
    check(WIDE, b"  1 22tail\n  1 22\n  1 2\n")


def test_blocks_end_with_lines() -> None:
    raw = b"1,m,a,b\n" * 10
    assert CSV.cut(raw, 20) == 16
    assert CSV.cut(raw, 16) == 16
    assert CSV.cut(raw, 80) == 80
    assert CSV.cut(raw, 5) == 5
    assert CSV.cut(b"", 5) == 0


def test_golden_packed_form() -> None:
    packed = (
        "02" "00" "1069642c7365782c6e6f74652c6461790a" "002c04"
        "026964" "02000000"
        "03736578" "0102016d0166"
        "046e6f7465" "00"
        "03646179" "030104" "00012d012d00" "040202"
    )  # fmt: skip
    assert CSV.pack().hex() == packed
    assert records.unpack(bytes.fromhex(packed)) == CSV
    number = Number(2, True, 9, False, b"NA", -3)
    layout = Table(Places((9,)), (Column("", number), Column("", Category((b"",)))), True)
    assert layout.pack().hex() == "0201000201090002050209024e410500010100"
    assert LOG.pack()[:5].hex() == "0201000103"


@settings(max_examples=300)
@given(st.sampled_from(LAYOUTS), st.data())
def test_hostile_packed_form(layout: Table, data: st.DataObject) -> None:
    packed = bytearray(layout.pack())
    for _ in range(data.draw(st.integers(1, 3))):
        packed[data.draw(st.integers(1, len(packed) - 1))] = data.draw(st.integers(0, 255))
    del packed[data.draw(st.integers(1, len(packed))) :]
    try:
        found = records.unpack(bytes(packed))
    except FormatError:
        return
    assert found.pack() == bytes(packed)


@settings(max_examples=300)
@given(st.sampled_from(LAYOUTS), odd_text, st.data())
def test_hostile_splits(layout: Table, raw: bytes, data: st.DataObject) -> None:
    split = layout.split(raw)
    rest = list(split.rest)
    if data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(rest) - 1))
        rest[place] = data.draw(st.binary(max_size=8) | st.just(rest[place] + b"\n"))
    values = split.values.copy()
    if values.size and data.draw(st.booleans()):
        at = data.draw(st.integers(0, values.size - 1))
        values.flat[at] = data.draw(st.integers(-3, 5) | st.just(ESCAPE) | st.just(2**62))
    hostile = Split(values, tuple(rest))
    try:
        joined = layout.join(hostile)
    except FormatError:
        return
    opened = layout.open(hostile.rest)
    rows = [opened.record(n, row) for n, row in enumerate(values)]
    assert opened.before + b"".join(rows) + opened.after == joined


def test_what_no_split_gives() -> None:
    split = CSV.split(b"1,m,a,2024-02-29\n2,x,b,2024-02-29\nodd\n")
    for changes, why in [
        ({"rest": split.rest[:3]}, "4 payloads, not 3"),
        ({"rest": (b"\2", *split.rest[1:])}, "header that its layout does not have"),
        ({"rest": (b"\0", *split.rest[1:])}, "edges of a table"),
        ({"rest": (b"\0a\nb", *split.rest[1:])}, "has lines in it"),
        ({"rest": (b"", b"", *split.rest[2:])}, "not those that the values say"),
        ({"rest": (*split.rest[:2], b"", split.rest[3])}, "not those of the rest"),
        ({"rest": (*split.rest[:2], b"\0\0\0", split.rest[3])}, "not what a split makes"),
        ({"rest": (*split.rest[:2], b"\1\5", split.rest[3])}, "ends too early"),
        ({"rest": (*split.rest[:2], b"\x80", split.rest[3])}, "is damaged"),
        ({"rest": (*split.rest[:3], b"a\n")}, "a cell for each record"),
        ({"rest": (*split.rest[:3], b"a\nb")}, "ends within a cell"),
        ({"values": split.values[:, :2]}, "as many values"),
    ]:
        with pytest.raises(FormatError, match=why):
            CSV.join(dataclasses.replace(split, **changes))
    for limit in (5, 30):
        with pytest.raises(FormatError, match="bytes"):
            CSV.join(split, limit=limit)
    part = split.values.copy()
    part[0, 3] = ESCAPE
    with pytest.raises(FormatError, match="in part"):
        CSV.join(Split(part, split.rest))
    opened = CSV.open(split.rest)
    with pytest.raises(FormatError, match="kept whole"):
        opened.record(0, split.values[2])
    with pytest.raises(FormatError, match="not those of the rest"):
        opened.record(0, split.values[1])
    with pytest.raises(FormatError, match="a cell for each record"):
        opened.record(7, split.values[0])


def test_a_list_of_strings() -> None:
    found = {0: b"a", 1: b"", 900: b"ccc"}
    packed = sparse.pack(found)
    assert packed == b"\3\0\0\x82\7a\n\nccc\n"
    assert sparse.parse(b"x" + packed + b"y", 1) == (found, len(packed) + 1)
    for end in range(len(packed)):
        with pytest.raises(FormatError):
            sparse.parse(packed[:end], 0)
    with pytest.raises(FormatError, match="cannot be"):
        sparse.parse(b"\1\xff\xff\xff\xff\x7fa\n", 0)


def test_bad_arguments() -> None:
    columns = CSV.columns
    for bad in (
        lambda: Table(Delimited(b",", 3), columns),
        lambda: Table(Delimited(b",", 1), columns[2:3]),
        lambda: Table(Delimited(b",", 4), columns, header=b"no end"),
        lambda: Table(Delimited(b",", 1), (Column("x" * 256, Number()),)),
        lambda: Delimited(b'"', 3),
        lambda: Delimited(b"\n", 3),
        lambda: Delimited(b",", 0),
        lambda: Blanks(65),
        lambda: Places((3, 3)),
        lambda: Places((0,)),
        lambda: Places((99_999,)),
    ):
        with pytest.raises(ValueError):
            bad()
