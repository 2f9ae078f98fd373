"""The public interface: what `import ncz` offers, and that its examples work."""

from __future__ import annotations

import doctest
import importlib
import inspect

import pytest

import ncz
from ncz.codec import errors

DOCUMENTED = [
    "ncz.codec.checks",
    "ncz.codec.pipeline",
    "ncz.codec.varint",
    "ncz.codec.zstd",
    "ncz.formats.decode",
    "ncz.formats.encode",
    "ncz.formats.file",
    "ncz.formats.info",
    "ncz.formats.many",
    "ncz.formats.oneshot",
    "ncz.formats.records.reader",
    "ncz.formats.workers",
]


def test_everything_that_is_promised_is_there() -> None:
    for name in ncz.__all__:
        assert getattr(ncz, name) is not None
    assert set(ncz.__all__) <= set(dir(ncz))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = ncz.nothing


def test_one_except_catches_the_family() -> None:
    family = [
        value
        for value in vars(errors).values()
        if inspect.isclass(value) and issubclass(value, Exception)
    ]
    assert len(family) >= 8
    for error in family:
        assert issubclass(error, ncz.NczError)
        assert getattr(ncz, error.__name__) is error


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_bytes_like(kind: type) -> None:
    coded = ncz.compress(kind(b"content"), 1)
    assert ncz.decompress(kind(coded)) == b"content"
    assert ncz.info(kind(coded)).raw_size == 7


def test_memoryviews_of_wider_items() -> None:
    import array

    numbers = array.array("I", range(100))
    assert ncz.decompress(ncz.compress(memoryview(numbers), 1)) == numbers.tobytes()


@pytest.mark.parametrize("name", DOCUMENTED)
def test_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0
