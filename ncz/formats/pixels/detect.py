"""What a picture's file starts with. Loads nothing, for every file is looked at."""

from __future__ import annotations

_PNG = b"\x89PNG\r\n\x1a\n"
_STARTS = (_PNG, b"P5", b"P6", b"P7\n", b"BM", b"II*\0", b"MM\0*", b"\x93NUMPY")


def starts_png(raw: bytes) -> bool:
    """Whether `raw` starts like a PNG file."""
    return raw.startswith(_PNG)


def looks(raw: bytes) -> bool:
    """Whether `raw` starts like a picture that the coder of pixels may know."""
    return raw.startswith(_STARTS)
