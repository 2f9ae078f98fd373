import dataclasses
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncz.codec import varint
from ncz.codec.checks import x32
from ncz.codec.coder import CoderSpec
from ncz.codec.errors import FormatError, UnsupportedError
from ncz.formats import header
from ncz.formats.header import MAGIC, Header, ModelRef
from ncz.models.weights import manifest

PLAIN = Header((CoderSpec(0),), 1000)

headers = st.builds(
    Header,
    st.lists(
        st.builds(CoderSpec, st.integers(0, 2**64 - 1), st.binary(max_size=20)),
        min_size=1,
        max_size=5,
    ).map(tuple),
    st.integers(1, 2**30),
    models=st.lists(
        st.builds(ModelRef, st.binary(min_size=32, max_size=32), st.text(max_size=20))
        | st.sampled_from([ModelRef(*known) for known in manifest.numbered()]),
        max_size=3,
    ).map(tuple),
)


def sealed(body: bytes, version: int = 1) -> bytes:
    """A header with this body, valid or not."""
    out = MAGIC + bytes([version]) + varint.encode(len(body)) + body
    return out + x32(out).to_bytes(4, "little")


@given(headers, st.binary(max_size=5))
def test_round_trip(made: Header, after: bytes) -> None:
    packed = header.pack(made)
    assert header.parse(packed + after) == (made, len(packed))


@given(headers)
def test_every_prefix_is_incomplete(made: Header) -> None:
    packed = header.pack(made)
    for end in range(len(packed)):
        with pytest.raises(varint.Incomplete):
            header.parse(packed[:end])


@pytest.mark.parametrize("data", [b"PK\x03\x04", b"x", b"\x89PNG\r\n\x1a\n", b"\x1f\x8b"])
def test_other_files(data: bytes) -> None:
    with pytest.raises(FormatError, match=r"not an \.ncz file"):
        header.parse(data)


@pytest.mark.parametrize(
    "magic", [MAGIC.replace(b"\r\n", b"\n"), b"\x09" + MAGIC[1:], MAGIC.replace(b"\x1a", b"")]
)
def test_transfers_in_text_mode(magic: bytes) -> None:
    with pytest.raises(FormatError, match="text mode"):
        header.parse(magic + header.pack(PLAIN)[8:])


def test_a_newer_version_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedError, match=r"version 2 .* knows version 1"):
        header.parse(sealed(b"anything", version=2))


def test_an_unknown_format() -> None:
    with pytest.raises(UnsupportedError, match="format 5"):
        header.parse(header.pack(dataclasses.replace(PLAIN, format=5)))


@pytest.mark.parametrize(
    "made",
    [
        Header((), 1),
        Header((CoderSpec(0),) * 65, 1),
        Header((CoderSpec(0),), 0),
        Header((CoderSpec(0),), 2**30 + 1),
        Header((CoderSpec(0, bytes(4097)),), 1),
        Header((CoderSpec(0),), 1, format_params=b"x"),
        Header((CoderSpec(0),), 1, models=(ModelRef(bytes(32), "n" * 256),)),
        Header((CoderSpec(0),), 1, models=(ModelRef(bytes(32), "n"),) * 17),
        Header((CoderSpec(0),), 1, models=(ModelRef(bytes(31), "n"),)),
    ],
    ids=repr,
)
def test_limits(made: Header) -> None:
    with pytest.raises(FormatError, match="breaks the format"):
        header.parse(header.pack(made))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00\x00\x01\x01\x00\x00\x00\x00",  # a byte too many
        b"\x00\x00\x80\x00",  # a number longer than it need be
        b"\x00\x00\x01\xff\xff\xff\xff\x0f",  # four thousand million coders
        b"\x00\x00\x01\x01\x00\xff\x1f",  # parameters that are not there
        b"\x00\x00\x01\x01\x00\x00\x01\x00" + bytes(32) + b"\x01\xff",  # a name that is no UTF-8
    ],
)
def test_bodies_that_break_the_format(body: bytes) -> None:
    with pytest.raises(FormatError, match="breaks the format"):
        header.parse(sealed(body))


def test_models_that_everyone_knows_take_a_byte() -> None:
    for digest, name in manifest.numbered():
        known = dataclasses.replace(PLAIN, models=(ModelRef(digest, name),))
        assert len(header.pack(known)) == len(header.pack(PLAIN)) + 1
        renamed = dataclasses.replace(PLAIN, models=(ModelRef(digest, name + "x"),))
        assert header.parse(header.pack(renamed))[0] == renamed


def test_a_number_of_a_model_that_is_not_known_yet() -> None:
    number = len(manifest.NUMBERED) + 1
    with pytest.raises(UnsupportedError, match=f"model {number}, .* newer ncz"):
        header.parse(sealed(b"\x00\x00\x01\x01\x00\x00\x01" + varint.encode(number)))


def test_the_specification_says_which_models_have_numbers() -> None:
    page = (Path(__file__).parents[2] / "docs" / "format.md").read_text(encoding="utf-8")
    table = page.split("<!-- models -->")[1].split("<!-- /models -->")[0]
    said = re.findall(r"\| (\d+) \| (\S+) \| `([0-9a-f]{64})` \|", table)
    known = enumerate(manifest.numbered(), 1)
    assert said == [(str(number), name, digest.hex()) for number, (digest, name) in known]


def test_absurd_body_size() -> None:
    with pytest.raises(FormatError, match="declares"):
        header.parse(MAGIC + b"\x01" + varint.encode(1 << 40))


@given(headers, st.data())
def test_any_changed_bit_is_noticed(made: Header, data: st.DataObject) -> None:
    packed = bytearray(header.pack(made))
    bit = data.draw(st.integers(0, len(packed) * 8 - 1))
    packed[bit // 8] ^= 1 << bit % 8
    with pytest.raises((FormatError, varint.Incomplete)):
        header.parse(packed)
