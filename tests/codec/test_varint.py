import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncz.codec import varint


@given(st.integers(0, varint.LIMIT - 1), st.binary(max_size=3), st.binary(max_size=3))
def test_round_trip(value: int, before: bytes, after: bytes) -> None:
    coded = varint.encode(value)
    assert len(coded) == max(1, -(-value.bit_length() // 7))
    assert varint.decode(before + coded + after, len(before)) == (value, len(before) + len(coded))


@given(st.integers(0, varint.LIMIT - 1))
def test_every_prefix_is_incomplete(value: int) -> None:
    coded = varint.encode(value)
    for end in range(len(coded)):
        with pytest.raises(varint.Incomplete):
            varint.decode(coded[:end])


@pytest.mark.parametrize(
    "coded",
    [
        b"\x80\x00",  # 0 in two bytes
        b"\xff\x80\x00",
        b"\xff" * 9 + b"\x02",  # 2^64 and more
        b"\xff" * 10,  # an eleventh byte would follow
        b"\x80" * 10 + b"\x01",
    ],
)
def test_refuses_what_has_a_shorter_form_or_is_too_large(coded: bytes) -> None:
    with pytest.raises(ValueError, match="varint"):
        varint.decode(coded)


def test_the_largest() -> None:
    assert varint.decode(b"\xff" * 9 + b"\x01") == (2**64 - 1, 10)


@pytest.mark.parametrize("value", [-1, 2**64])
def test_refuses_to_encode(value: int) -> None:
    with pytest.raises(ValueError, match="varint"):
        varint.encode(value)
