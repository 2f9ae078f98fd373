import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncz.codec import varint
from ncz.codec.coder import CoderSpec
from ncz.formats import sections
from ncz.formats.header import Header
from ncz.formats.sections import BlockHead, BodyHead, Entry, Tail

HEADER = Header((CoderSpec(0), CoderSpec(1, b"\x03")), 1000)
u32 = st.integers(0, 2**32 - 1)
offsets = st.integers(0, 2**63)
heads = st.builds(
    BlockHead,
    coder=st.integers(0, 1),
    raw_start=st.integers(0, 2**64 - 1),
    raw_size=st.integers(1000, 1000),
    coded_size=st.integers(0, 1064),
    raw_check=u32,
    coded_check=u32,
)


@given(heads, offsets, st.binary(max_size=5))
def test_block_heads(head: BlockHead, offset: int, coded: bytes) -> None:
    section = sections.pack_block(offset, head, coded)
    assert sections.parse_head(section, offset, HEADER) == (head, len(section) - len(coded))
    assert len(section) - len(coded) <= sections.MAX_HEAD
    for end in range(len(section) - len(coded)):
        with pytest.raises(varint.Incomplete):
            sections.parse_head(section[:end], offset, HEADER)


@given(heads, offsets, offsets)
def test_a_head_holds_in_its_place_only(head: BlockHead, offset: int, other: int) -> None:
    section = sections.pack_block(offset, head, b"")
    if offset != other:
        with pytest.raises(ValueError, match="head check"):
            sections.parse_head(section, other, HEADER)


@given(st.integers(0x80, 0xFF), offsets, st.binary(max_size=40))
def test_skippable(type_: int, offset: int, body: bytes) -> None:
    section = sections.pack_body(offset, type_, body)
    head, size = sections.parse_head(section, offset, HEADER)
    assert isinstance(head, BodyHead)
    assert (head.type, head.size) == (type_, len(body))
    assert section[size:] == body


entries = st.lists(
    st.builds(Entry, *[st.integers(0, 2**40)] * 2, st.just(0), st.integers(1, 2**30)), max_size=5
)


@given(entries, st.integers(0, 99), st.integers(0, 2**64 - 1))
def test_tails(made: list[Entry], last_gap: int, check: int) -> None:
    tail = Tail(tuple(made), last_gap, check)
    packed = b"".join(map(sections.pack_entry, made))
    section = sections.pack_tail(tail.offset, packed, len(made), last_gap, check)
    assert int.from_bytes(section[-4:], "little") == len(section) - 4
    assert sections.parse_tail_section(section[:-4]) == tail
    for at in range(len(section) - 4):
        changed = bytearray(section[:-4])
        changed[at] ^= 1
        with pytest.raises(ValueError, match=r".+"):
            sections.parse_tail_section(bytes(changed))


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (BlockHead(2, 0, 1, 1, 0, 0), "coder 2"),
        (BlockHead(0, 0, 1001, 1, 0, 0), "raw size"),
        (BlockHead(0, 0, 0, 0, 0, 0), "raw size"),
        (BlockHead(0, 0, 2**62, 2**62, 0, 0), "raw size"),
        (BlockHead(0, 0, 1, 66, 0, 0), "66 coded bytes"),
        (BlockHead(0, 0, 1, 1, 0, 0, payload=1), "payload 1"),
    ],
)
def test_what_no_block_may_say(head: BlockHead, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        sections.parse_head(sections.pack_block(7, head, b""), 7, HEADER)


@pytest.mark.parametrize("type_", [0x00, 0x03, 0x7F])
def test_reserved_types(type_: int) -> None:
    with pytest.raises(ValueError, match=f"type {type_}"):
        sections.parse_head(sections.pack_body(0, type_, b""), 0, HEADER)


def test_a_tail_that_declares_blocks_without_end() -> None:
    with pytest.raises(ValueError, match="too early"):
        sections.parse_tail(varint.encode(sections.MEMBER_BLOCKS) + bytes(100))
    with pytest.raises(ValueError, match=f"lists {2**60} blocks"):
        sections.parse_tail(varint.encode(2**60) + bytes(100))
