import pytest

from ncz.formats.records.choosing import choose, cost
from ncz.formats.records.forms import Category, Number, Pattern, Template, Text

COUNT = 400


def cells(form: str, *steps: int) -> list[bytes]:
    """Cells with numbers that go different ways."""
    return [form.format(*[n * step % 9973 for step in steps]).encode() for n in range(COUNT)]


@pytest.mark.parametrize(
    ("column", "form"),
    [
        (cells("{}", 7), Number()),
        (cells("-{}", 7)[1:], Number()),
        ([b"7"] * COUNT, Number()),
        (cells("{:05}", 7), Number(width=5, zeros=True)),
        (cells("{:6}", 7), Number(width=6)),
        ([b"%d.%02d" % (n, n % 100) for n in range(COUNT)], Number(decimals=2)),
        ([b"%g" % (n / 8) for n in range(COUNT)], Number(decimals=3, varying=True)),
        (cells("{}", 7)[::2] + [b""] * 20, Number(missing=b"", stand_in=-1)),
        (cells("-{}", 7)[1:100] + [b"NA"] * 20, Number(missing=b"NA", stand_in=-694)),
        ([b"f", b"m", b"f"] * COUNT, Category((b"f", b"m"))),
        ([b'"x"', b""] * COUNT, Category((b"", b'"x"'))),
        (
            cells("10.{}.0.{}", 7, 5),
            Pattern((Template((b"", b".", b".", b".", b""), (0, 0, 0, 0)),)),
        ),
        ([b"blk_%d" % (n * n) for n in range(COUNT)], Pattern((Template((b"blk_", b""), (0,)),))),
        (
            [b"%02d:%02d:%02d" % (n % 24, n % 60, n % 59) for n in range(COUNT)],
            Pattern((Template((b"", b":", b":", b""), (2, 2, 2)),)),
        ),
        ([b"v%x" % (n * 0x9E3779B97F4A7C15 % 2**64) for n in range(COUNT)], Text()),
        ([b"9" * 25] * 3 + [b"9" * (25 + n) for n in range(30)], Text()),
        ([], Text()),
    ],
)
def test_forms(column: list[bytes], form: object) -> None:
    assert choose(column) == form


def test_names_that_never_return_are_text() -> None:
    column = [b"name %c%c" % (65 + n // 26, 97 + n % 26) for n in range(250) for _ in range(4)]
    assert choose(column) == Text()
    assert isinstance(choose(column, ordered=False), Category)


def test_what_occurs_once_is_not_listed() -> None:
    column = [b"a", b"b"] * 200 + [b"once"]
    assert choose(column) == Category((b"a", b"b"))


def test_bounds() -> None:
    many = [b"a%c%c" % (65 + n % 16, 65 + n // 16) for n in range(300)] * 4
    assert choose(many) == Text()
    long = [b"x" * 2000, b"y"] * 50
    assert choose(long) == Text()
    holes = [b",".join([b"1"] * 40)] * 50
    assert isinstance(choose(holes), Category)


def test_costs() -> None:
    column = cells("{}", 7)
    assert cost(Number(), column) < cost(Text(), column)
    assert cost(Number(), [b"1"] * 99) < 100
    assert cost(Category((b"a",)), [b"a", b"b"] * 50) < cost(Text(), [b"a", b"b"] * 50) + 100
