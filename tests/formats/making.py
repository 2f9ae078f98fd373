"""Small .ncz files, cut finer than the public interface allows."""

from __future__ import annotations

import io

from ncz.codec.crew import Crew
from ncz.formats import coders, header, sections
from ncz.formats.decode import Decoder
from ncz.formats.encode import Encoder
from ncz.formats.levels import Plan
from ncz.formats.options import CompressOptions, DecompressOptions
from ncz.formats.stream import StreamStats, decompress_stream

TEXT = b"The quick brown fox jumps over the lazy dog. " * 3


def member(content: bytes, block_size: int = 16, threads: int = 1, stored: bool = False) -> bytes:
    """One member of blocks as small as one byte, by store and zstd, or by store alone."""
    second = coders.store() if stored else coders.zstd(3)
    encoder = Encoder(Plan((coders.store(), second), block_size), threads)
    return b"".join([*encoder.feed(content), *encoder.finish()])


def by_options(content: bytes, options: CompressOptions, crew: Crew | None = None) -> bytes:
    """What is made of it by any options."""
    encoder = Encoder.of(options, crew)
    try:
        return b"".join([*encoder.feed(content), *encoder.finish()])
    finally:
        encoder.close()


def with_skippable(content: bytes, body: bytes, type_: int = 0x80) -> bytes:
    """One stored member with skippable sections before, between and after its two blocks."""
    half = len(content) // 2
    out = bytearray(header.pack(header.Header((coders.store().spec,), len(content))))
    entries, raw_start, end = b"", 0, 0
    for raw in (content[:half], content[half:]):
        out += sections.pack_body(len(out), type_, body)
        check = _x32(raw)
        head = sections.BlockHead(0, raw_start, len(raw), len(raw), check, check)
        section = sections.pack_block(len(out), head, raw)
        entry = sections.Entry(len(out) - end, len(section), 0, len(raw))
        entries += sections.pack_entry(entry)
        out += section
        end, raw_start = len(out), raw_start + len(raw)
    out += sections.pack_body(len(out), type_, body)
    out += sections.pack_tail(len(out), entries, 2, len(out) - end, _xxh64(content))
    return bytes(out)


def with_content_check(content: bytes, check: int) -> bytes:
    """One member of a stored block, or of none, whose content check is `check`."""
    out = header.pack(header.Header((coders.store().spec,), max(1, len(content))))
    entries, gap = b"", len(out)
    if content:
        raw = _x32(content)
        head = sections.BlockHead(0, 0, len(content), len(content), raw, raw)
        section = sections.pack_block(gap, head, content)
        entries = sections.pack_entry(sections.Entry(gap, len(section), 0, len(content)))
        out, gap = out + section, 0
    return out + sections.pack_tail(len(out), entries, 1 if content else 0, gap, check)


class Pipe(io.RawIOBase):
    """A stream that cannot seek and gives `step` bytes at a time."""

    def __init__(self, data: bytes, step: int = 7) -> None:
        self._data = data
        self._step = step

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        size = min(self._step, len(buffer), len(self._data))
        buffer[:size] = self._data[:size]
        self._data = self._data[size:]
        return size


def keep_going(coded: bytes, seekable: bool = True) -> tuple[bytes, StreamStats]:
    """What can be saved of a file."""
    out = io.BytesIO()
    src = io.BytesIO(coded) if seekable else Pipe(coded, 1000)
    stats = decompress_stream(src, out, DecompressOptions(keep_going=True))  # type: ignore[arg-type]
    assert stats.raw_size == len(out.getvalue())
    return out.getvalue(), stats


def pushed(coded: bytes, step: int) -> bytes:
    """Decoded from pieces of `step` bytes."""
    decoder = Decoder(DecompressOptions())
    out = b""
    for start in range(0, len(coded), step):
        decoder.feed(coded[start : start + step])
        while (piece := decoder.next_piece()) is not None:
            out += piece
    decoder.end()
    while (piece := decoder.next_piece()) is not None:
        out += piece
    return out


def _x32(data: bytes) -> int:
    return _xxh64(data) & 0xFFFFFFFF


def _xxh64(data: bytes) -> int:
    from ncz.codec.checks import xxh64

    return xxh64(data)
