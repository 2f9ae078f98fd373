"""Whether the metadata of a GGUF file is as large as it says, before a library takes its word.

The package ``gguf`` makes some objects for every element of an array, past the end of the file,
too, so that a file of forty bytes may ask for all memory there is. Here the lengths are followed
through the file, in the order of its specification
(<https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>), and nothing else is looked at.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

from ncz.codec.errors import ModelError

MAX_ELEMENTS = 1 << 22
"""In all arrays together. The largest vocabularies have 2^18 tokens, and twice as many merges."""

_SIZES = (1, 1, 2, 2, 4, 4, 4, 1, None, None, 8, 8, 8)  # bytes of a value, by its type
_STRING, _ARRAY = 8, 9
_MAX_DEPTH = 4  # of arrays in arrays; no known file has any


def check(path: Path) -> None:
    """Pass if every key and value of the metadata ends within the file.

    Raises:
        ModelError: one does not, or there are more elements than a model can have use for.
        OSError: reading fails.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            _Walk(data).metadata()
        except (struct.error, _Ends):
            raise ModelError(
                f"{path} is no whole model file (it ends within its metadata); fetch it again"
            ) from None


class _Ends(Exception):
    """The file is shorter than a length in it says."""


class _Walk:
    """A place in the metadata."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 4  # behind the magic
        self._elements = 0
        version = struct.unpack_from("<I", data, self._at)[0]
        self._order = "<" if version & 0xFFFF else ">"  # as the library tells them apart
        self._at += 4

    def metadata(self) -> None:
        """Go to its end."""
        self._number("Q")  # of tensors
        for _ in range(self._number("Q")):  # ends with the file at the latest
            self._string()
            self._value(self._number("I"), 0)

    def _value(self, kind: int, depth: int) -> None:
        if kind == _STRING:
            self._string()
        elif kind == _ARRAY:
            self._array(depth)
        else:
            self._skip(self._size(kind))

    def _array(self, depth: int) -> None:
        kind, count = self._number("I"), self._number("Q")
        self._elements += count
        if depth > _MAX_DEPTH or self._elements > MAX_ELEMENTS:
            raise ModelError(
                f"a GGUF file whose metadata has {self._elements} elements is none that ncz "
                "can read; choose another model"
            )
        if kind in (_STRING, _ARRAY):
            for _ in range(count):
                self._value(kind, depth + 1)
        else:
            self._skip(self._size(kind) * count)

    def _size(self, kind: int) -> int:
        size = _SIZES[kind] if kind < len(_SIZES) else None
        if size is None:
            raise _Ends
        return size

    def _string(self) -> None:
        self._skip(self._number("Q"))

    def _number(self, form: str) -> int:
        value: int = struct.unpack_from(self._order + form, self._data, self._at)[0]
        self._at += struct.calcsize(form)
        return value

    def _skip(self, size: int) -> None:
        self._at += size
        if self._at > len(self._data):
            raise _Ends
