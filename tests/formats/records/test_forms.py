import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncz.codec.errors import FormatError
from ncz.formats.records import forms
from ncz.formats.records.forms import Category, Form, Number, Pattern, Template, Text
from ncz.formats.records.layout import ESCAPE
from ncz.formats.records.packing import Cursor

FORMS: list[Form] = [
    Number(),
    Number(decimals=2),
    Number(decimals=4, varying=True),
    Number(width=3, zeros=True),
    Number(width=7),
    Number(decimals=1, width=6, zeros=True),
    Number(missing=b"", stand_in=-1),
    Number(decimals=3, varying=True, missing=b"NA", stand_in=-2000),
    Category((b"a", b"b", b"", b"a,b")),
    Pattern((Template((b"", b"-", b"-", b""), (4, 2, 2)), Template((b"none",), ()))),
    Pattern((Template((b"blk_", b""), (0,)), Template((b"", b".", b".", b"."), (0, 0, 3)))),
    Text(),
]

numerals = st.builds(
    lambda sign, blanks, whole, fraction: (blanks + sign + whole + fraction).encode(),
    st.sampled_from(["", "-", "+"]),
    st.sampled_from(["", "  "]),
    st.text("0123456789", max_size=21),
    st.sampled_from(["", "."]) | st.text("0123456789", max_size=20).map(lambda t: "." + t),
)
cells = (
    numerals
    | st.binary(max_size=12)
    | st.from_regex(rb"(blk_)?-?[0-9]{1,21}(\.[0-9]{1,4}){0,3}", fullmatch=True)
    | st.from_regex(rb"[0-9]{4}-[0-9]{1,2}-[0-9]{2}", fullmatch=True)
    | st.sampled_from([b"a", b"b", b"", b"a,b", b"NA", b"none", b"-0", b"00", b"-0.0", b"007"])
)


@settings(max_examples=400)
@given(st.sampled_from(FORMS), cells)
def test_what_is_read_is_written(form: Form, cell: bytes) -> None:
    values = form.read(cell)
    if values is None or isinstance(form, Text):
        return
    assert form.write(values) == cell
    variables = form.variables("x")
    assert len(variables) == len(values)
    for variable, value in zip(variables, values, strict=True):
        assert value != ESCAPE
        assert variable.low is None or variable.low <= value
        assert variable.high is None or value <= variable.high


@pytest.mark.parametrize("form", FORMS, ids=repr)
def test_packed_forms(form: Form) -> None:
    cursor = Cursor(form.pack())
    assert forms.unpack(cursor) == form
    cursor.done()


@given(st.binary(max_size=40))
def test_hostile_packed_forms(data: bytes) -> None:
    cursor = Cursor(data)
    try:
        found = forms.unpack(cursor)
    except FormatError:
        return
    assert found.pack() == data[: cursor.position]


@settings(max_examples=300)
@given(
    st.sampled_from(FORMS[:-1]),
    st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 5), min_size=5, max_size=5),
)
def test_hostile_values(form: Form, values: list[int]) -> None:
    given_ = values[: len(form.variables("x"))]
    try:
        cell = form.write(given_)
    except FormatError:
        return
    assert len(cell) < 100


@pytest.mark.parametrize(
    ("form", "cell", "values"),
    [
        (Number(), b"0", (0,)),
        (Number(), b"-17", (-17,)),
        (Number(), b"-0", None),
        (Number(), b"+1", None),
        (Number(), b"01", None),
        (Number(), b" 1", None),
        (Number(), b"1.", None),
        (Number(), b"", None),
        (Number(), b"9223372036854775807", (2**63 - 1,)),
        (Number(), b"-9223372036854775807", (1 - 2**63,)),
        (Number(), b"-9223372036854775808", None),
        (Number(), b"9223372036854775808", None),
        (Number(), b"9" * 30, None),
        (Number(width=3, zeros=True), b"007", (7,)),
        (Number(width=3, zeros=True), b"-07", None),
        (Number(width=3, zeros=True), b"1007", None),
        (Number(width=5), b"   -3", (-3,)),
        (Number(width=5), b"  03 ", None),
        (Number(decimals=2), b"-0.05", (-5,)),
        (Number(decimals=2), b"-0.00", None),
        (Number(decimals=2), b".05", None),
        (Number(decimals=2), b"3", None),
        (Number(decimals=2, varying=True), b"3", (300, 0)),
        (Number(decimals=2, varying=True), b"3.10", (310, 2)),
        (Number(missing=b"", stand_in=-1), b"", (-1,)),
        (Number(missing=b"", stand_in=-1), b"-1", None),
    ],
)
def test_numbers(form: Number, cell: bytes, values: tuple[int, ...] | None) -> None:
    assert form.read(cell) == values


def test_patterns() -> None:
    form = Pattern((Template((b"a", b"b", b""), (0, 2)), Template((b"-", b""), (0,))))
    assert form.read(b"a7b08") == (0, 7, 8)
    assert form.read(b"a07b08") is None
    assert form.read(b"a7b8") is None
    assert form.read(b"-12") == (1, 12, forms.ABSENT)
    assert form.read(b"-" + b"9" * 19) is None
    assert [v.name for v in form.variables("x")] == ["x.form", "x.0", "x.1"]
    assert [v.low for v in form.variables("x")] == [0, 0, -1]
    for bad in ([2, 0, 0], [-1, 0, 0], [0, -1, 0], [0, 1, 100], [1, 5, 5], [1, -1, -1]):
        with pytest.raises(FormatError):
            form.write(bad)


def test_bad_arguments() -> None:
    for bad in (
        lambda: Category(()),
        lambda: Category((b"a", b"a")),
        lambda: Category((bytes(2000),)),
        lambda: Number(decimals=19),
        lambda: Number(varying=True),
        lambda: Number(zeros=True),
        lambda: Number(stand_in=3),
        lambda: Number(missing=b"", stand_in=2**63),
        lambda: Template((b"a",), (1,)),
        lambda: Template((b"a", b""), (20,)),
        lambda: Template((bytes(2000),), ()),
        lambda: Pattern(()),
        lambda: Pattern((Template((b"a", b""), (1,)), Template((b"a", b""), (2,)))),
    ):
        with pytest.raises(ValueError):
            bad()
