"""Containers are taken apart and put together again to the byte, and lies stay lies."""

from __future__ import annotations

import pytest

import ncz
from fuzz import draft, seeds
from ncz.codec.errors import FormatError

GOLDEN = [*seeds.golden(mixed=False), *seeds.frames()]


@pytest.mark.parametrize(("name", "data", "content"), GOLDEN, ids=[one[0] for one in GOLDEN])
def test_what_was_taken_apart_goes_together_again(name: str, data: bytes, content: bytes) -> None:
    members = draft.take_apart(data, content)
    assert b"".join(one.pack() for one in members) == data
    assert b"".join(one.content for one in members) == content
    assert ncz.decompress(data) == content


def test_other_content_is_refused() -> None:
    _, data, content = GOLDEN[-1]
    with pytest.raises(ValueError, match="should hold"):
        draft.take_apart(data, content + b"x")


@pytest.mark.parametrize(
    ("lie", "says"),
    [
        ({"raw_size": 299}, "cannot be decoded|does not match its check"),
        ({"raw_start": 1}, "byte 1"),
        ({"coded_size": 3}, "check|type"),
        ({"coded_check": 3}, "coded data does not match"),
        ({"raw_check": 3}, "does not match its check"),
        ({"payload": 1}, "payload 1"),
    ],
)
def test_a_lie_in_a_head_is_all_that_is_wrong(lie: dict[str, int], says: str) -> None:
    _, data, content = next(one for one in GOLDEN if one[0] == "zstd")
    (one,) = draft.take_apart(data, content)
    for field, value in lie.items():
        setattr(one.blocks[0], field, value)
    with pytest.raises(FormatError, match=says):
        ncz.decompress(one.pack())
