"""Parameters of format 1 come back, and nothing else is taken for them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncz.codec import varint
from ncz.codec.errors import UnsupportedError
from ncz.formats.picture import params
from ncz.formats.picture.params import PictureParams

GOOD = PictureParams(70, 50, 3, 8, True, False, True, 64, 16, 6000)

SOME = st.builds(
    PictureParams,
    st.integers(1, 1 << 20),
    st.integers(1, 1 << 20),
    st.sampled_from([1, 3]),
    st.sampled_from([8, 16]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.integers(16, 1 << 14),
    st.integers(0, 4),
    st.integers(100, 10_000),
)


@given(SOME)
def test_round_trip(some: PictureParams) -> None:
    packed = params.pack(some)
    assert params.parse(packed) == some
    for size in range(len(packed)):
        with pytest.raises(varint.Incomplete):
            params.parse(packed[:size])
    with pytest.raises(ValueError, match="follow"):
        params.parse(packed + b"\0")


def test_a_newer_revision_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedError, match="revision 2"):
        params.parse(b"\2" + params.pack(GOOD)[1:])


@pytest.mark.parametrize(
    "bad",
    [
        b"\1\x20" + params.pack(GOOD)[2:],
        params.pack(PictureParams(0, 50, 3, 8, True, False, True, 64, 16, 6000)),
        params.pack(PictureParams(1, (1 << 20) + 1, 3, 8, True, False, True, 64, 16, 6000)),
        params.pack(PictureParams(1, 1, 3, 8, True, False, True, 15, 0, 6000)),
        params.pack(PictureParams(1, 1, 3, 8, True, False, True, 64, 17, 6000)),
        params.pack(PictureParams(1, 1, 3, 8, True, False, True, 64, 16, 99)),
        params.pack(PictureParams(1, 1, 3, 8, True, False, True, 64, 16, 10_001)),
    ],
)
def test_what_breaks_the_limits(bad: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        params.parse(bad)


@given(st.binary(max_size=20))
def test_any_bytes_end(data: bytes) -> None:
    with contextlib.suppress(ValueError, varint.Incomplete, UnsupportedError):
        params.pack(params.parse(data))
