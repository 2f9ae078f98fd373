from hypothesis import given
from hypothesis import strategies as st

from ncz.codec import checks
from tests.independent.reader import xxh64


def test_values_of_the_algorithms_description() -> None:
    assert checks.xxh64(b"") == 0xEF46DB3751D8E999
    assert checks.xxh64(b"a") == 0xD24EC4F1A98C6E5B
    assert checks.xxh64(b"abc") == 0x44BC2CF5AD770999
    assert checks.x32(b"abc") == 0xAD770999


@given(st.binary(max_size=200))
def test_agrees_with_another_implementation(data: bytes) -> None:
    assert checks.xxh64(data) == xxh64(data)


@given(st.lists(st.binary(max_size=50)))
def test_pieces(pieces: list[bytes]) -> None:
    check = checks.Running()
    for piece in pieces:
        check.update(piece)
    assert check.value == checks.xxh64(b"".join(pieces))
