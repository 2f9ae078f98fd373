import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from ncz.codec.errors import FormatError, UnsupportedError
from ncz.codec.store import Store
from ncz.codec.zstd import Zstd, from_params


@given(st.binary(min_size=1, max_size=2000), st.sampled_from([1, 3, 19]))
def test_round_trip(raw: bytes, level: int) -> None:
    coder = Zstd(level)
    coded = coder.encode(raw)
    assert from_params(coder.spec.params).decode(coded, len(raw)) == raw
    assert coder.memory(len(raw)) > 0


@given(st.binary(max_size=200), st.integers(1, 1000))
def test_garbage(coded: bytes, raw_size: int) -> None:
    with pytest.raises(FormatError):
        Zstd(3).decode(coded, raw_size)


def test_a_frame_that_holds_more_than_the_block_costs_no_memory() -> None:
    bomb = zstandard.ZstdCompressor(level=1).compress(bytes(1 << 24))
    with pytest.raises(FormatError, match="another size"):
        Zstd(3).decode(bomb, 100)
    silent = zstandard.ZstdCompressor(level=1, write_content_size=False).compress(bytes(1 << 24))
    with pytest.raises(FormatError):
        Zstd(3).decode(silent, 100)


def test_bytes_after_the_frame() -> None:
    with pytest.raises(FormatError):
        Zstd(3).decode(Zstd(3).encode(b"content") + b"x", 7)


@pytest.mark.parametrize("params", [b"", b"\x00", b"\x17", b"\x03\x03"])
def test_parameters_of_a_newer_version(params: bytes) -> None:
    with pytest.raises(UnsupportedError):
        from_params(params)


def test_store() -> None:
    assert Store().decode(Store().encode(b"abc"), 3) == b"abc"
    with pytest.raises(FormatError):
        Store().decode(b"abc", 2)


def test_a_frame_of_fewer_bytes() -> None:
    """Without a size in its header a frame is known to be too short only when it is decoded."""
    coder = Zstd(3)
    with pytest.raises(FormatError, match="fewer bytes"):
        coder.decode(coder.encode(b"four"), 5)
    with pytest.raises(FormatError):
        coder.decode(coder.encode(b"four"), 3)
