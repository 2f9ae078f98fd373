import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncz.formats import records
from ncz.formats.records.cutting import Blanks, Delimited, Places
from ncz.formats.records.forms import Category, Number, Pattern, Text
from ncz.formats.records.layout import ESCAPE
from ncz.formats.records.learning import NoTable, learn
from ncz.formats.records.table import Table
from tests.formats.records.test_table import check, odd_text

DRAW = random.Random(1)
WORDS = ["alpha", "beta", "gamma", "delta", "eps", "zeta", "eta", "theta"]


def text(length: int) -> str:
    return " ".join("".join(DRAW.choices("abcdefghij", k=7)) for _ in range(length))


def people(glue: str, end: str = "\n") -> bytes:
    rows = [["id", "name", "sex", "when", "score"]]
    for n in range(300):
        name = text(2) if n % 3 else f'"{text(1)}{glue} {text(1)}"'
        day = f"20{n % 20:02}-{n % 12 + 1:02}-{n % 28 + 1:02}"
        rows.append([str(n), name, "mf"[n % 2], day, f"{DRAW.random():.3f}"])
    return "".join(glue.join(row) + end for row in rows).encode()


@pytest.mark.parametrize("glue", [",", "\t", ";", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_delimited(glue: str, end: str) -> None:
    raw = people(glue, end)
    table = learn(raw)
    assert table.cutter == Delimited(glue.encode(), 5)
    assert table.header == raw[: raw.index(b"\n") + 1]
    assert table.crlf == (end == "\r\n")
    assert [column.name for column in table.columns] == ["id", "name", "sex", "when", "score"]
    forms = [type(column.form) for column in table.columns]
    assert forms == [Number, Text, Category, Pattern, Number]
    split = table.split(raw)
    assert not (split.values == ESCAPE).any()
    assert split.rest[:3] == (b"\1", b"", b"")
    check(table, raw)


def test_a_log() -> None:
    lines = [
        f"2024-01-{n % 28 + 1:02} {n % 24:02}:00:0{n % 9} host{n % 3} "
        + DRAW.choice([f"open {n} of {n * n}", f"closed by 10.0.{n % 200}.1", "no such user"])
        for n in range(400)
    ]
    table = learn("".join(line + "\n" for line in lines).encode())
    assert isinstance(table.cutter, Blanks)
    assert not table.header
    assert isinstance(table.columns[-1].form, Pattern)
    check(table, "\n".join(lines).encode())


def test_places() -> None:
    lines = [
        f"{DRAW.choice(WORDS):8}{n:6}{DRAW.randrange(999):5} {DRAW.choice('xyz')}"
        for n in range(300)
    ]
    table = learn("".join(line + "\n" for line in lines).encode())
    assert table.cutter == Places((5, 14, 19))
    assert [type(column.form) for column in table.columns] == [Category, Number, Number, Category]
    check(table, "\n".join(lines).encode())


def test_no_header_where_the_first_line_is_a_record() -> None:
    table = learn(b"".join(b"%d,%d\n" % (n, n * 7) for n in range(99)))
    assert table.header == b""
    assert [column.name for column in table.columns] == ["0", "1"]


def test_names_of_columns_are_bounded() -> None:
    header = b"a" * 300 + b',"\xc3\xa9 b",\xff,\n'
    table = learn(header + b"".join(b"%d,%d,%d,%d\n" % (n, n, n, n) for n in range(99)))
    assert [column.name for column in table.columns] == ["a" * 255, "\xe9 b", "\ufffd", "3"]
    check(table, header)


def test_tables_that_take_much_to_describe() -> None:
    rows = []
    for n in range(600):
        word = "x" * 70 + chr(97 + n % 15) + chr(97 + n % 150 // 15)
        rows.append(",".join(column + word for column in "abcdefghijklmn") + f",{n}\n")
    raw = "".join(rows).encode()
    table = learn(raw)
    assert len(table.pack()) <= records.layout.MAX_PACKED
    forms = [type(column.form) for column in table.columns]
    assert (forms.count(Category), forms.count(Text), forms.count(Number)) == (5, 9, 1)
    check(table, raw[:3000])


@pytest.mark.parametrize(
    "raw", [b"", b"\n" * 20, b"one line", b"1,2\n" * 7, bytes(5000), b"\xff\n" * 3]
)
def test_no_table(raw: bytes) -> None:
    with pytest.raises(NoTable):
        learn(raw)


def test_prose_is_no_table() -> None:
    lines = [text(DRAW.randrange(4, 12)) for _ in range(300)]
    with pytest.raises(NoTable, match="do not fall into columns"):
        learn("\n".join(lines).encode())


def test_lines_that_are_one_choice_each_are_no_records() -> None:
    lines = [b"{", b"}", b'"a": 1,', b'"b": [', b"]"]
    with pytest.raises(NoTable, match="do not fall into columns"):
        learn(b"\n".join(lines * 60))
    assert learn(b"".join(b"%d\n" % (n * n) for n in range(90))).variables[0].kind == "number"


@given(st.lists(odd_text | st.binary(max_size=60), min_size=1, max_size=4), odd_text)
def test_any_text(parts: list[bytes], other: bytes) -> None:
    raw = b"\n".join(parts) * 4
    table, _ = records.detect(raw)
    if isinstance(table, Table):
        check(table, raw)
        check(table, other)


LEARNED = [learn(people(",")), learn(people("|", "\r\n"))]


@given(st.sampled_from(LEARNED), st.binary(max_size=80) | odd_text, st.integers(0, 5000))
def test_other_data(table: Table, raw: bytes, cut: int) -> None:
    check(table, raw)
    check(table, people(",")[cut:] + raw)
