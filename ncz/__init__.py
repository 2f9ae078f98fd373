"""ncz: a neural codec. Any file in, a smaller file out, and the same bytes back on any machine.

Shaped like :mod:`lzma` and :mod:`zstandard`::

    import ncz

    coded = ncz.compress(b"some bytes " * 1000)
    assert ncz.decompress(coded) == b"some bytes " * 1000

    with ncz.open("notes.txt.ncz", "wt") as file:
        file.write("any text")

Importing ncz is cheap; what computes is imported when it is first needed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ncz.codec.errors import (
    CorruptBlock,
    DoesNotFit,
    FormatError,
    MemoryLimitError,
    MissingExtra,
    ModelError,
    ModelMissing,
    NczError,
    NoRecords,
    OutputLimitError,
    PictureError,
    TruncatedError,
    UnsupportedError,
)

if TYPE_CHECKING:
    from ncz.codec.crew import Crew
    from ncz.formats.decode import Decompressor
    from ncz.formats.encode import Compressor
    from ncz.formats.file import open
    from ncz.formats.info import FileInfo, info
    from ncz.formats.many import FileResult, compress_many, decompress_many
    from ncz.formats.oneshot import compress, decompress
    from ncz.formats.picture.api import compress_picture, decompress_picture
    from ncz.formats.picture.image import Picture
    from ncz.formats.records.reader import RecordReader, open_records
    from ncz.formats.workers import workers

__version__ = "0.1.0"

__all__ = [
    "Compressor",
    "CorruptBlock",
    "Crew",
    "Decompressor",
    "DoesNotFit",
    "FileInfo",
    "FileResult",
    "FormatError",
    "MemoryLimitError",
    "MissingExtra",
    "ModelError",
    "ModelMissing",
    "NczError",
    "NoRecords",
    "OutputLimitError",
    "Picture",
    "PictureError",
    "RecordReader",
    "TruncatedError",
    "UnsupportedError",
    "__version__",
    "compress",
    "compress_many",
    "compress_picture",
    "decompress",
    "decompress_many",
    "decompress_picture",
    "info",
    "open",
    "open_records",
    "workers",
]

_HOME = {
    "Compressor": "ncz.formats.encode",
    "Crew": "ncz.codec.crew",
    "Decompressor": "ncz.formats.decode",
    "FileInfo": "ncz.formats.info",
    "FileResult": "ncz.formats.many",
    "Picture": "ncz.formats.picture.image",
    "RecordReader": "ncz.formats.records.reader",
    "compress": "ncz.formats.oneshot",
    "compress_many": "ncz.formats.many",
    "compress_picture": "ncz.formats.picture.api",
    "decompress": "ncz.formats.oneshot",
    "decompress_many": "ncz.formats.many",
    "decompress_picture": "ncz.formats.picture.api",
    "info": "ncz.formats.info",
    "open": "ncz.formats.file",
    "open_records": "ncz.formats.records.reader",
    "workers": "ncz.formats.workers",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ncz' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
