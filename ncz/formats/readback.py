"""Reading back what was written: every check of an .ncz file that holds without decoding.

For a file whose blocks were decoded and compared before they were written. What is left to go
wrong is the way to the disk and the framing; neither needs the model again, which may be hours.
"""

from __future__ import annotations

from typing import BinaryIO

from ncz.codec import checks
from ncz.codec.errors import FormatError
from ncz.formats import parse
from ncz.formats.events import Block, MemberEnd, Need, Trailing
from ncz.formats.window import Window

_CHUNK = 1 << 20  # bytes read at a time


def framed(src: BinaryIO, raw_size: int, content_check: int) -> bool:
    """Whether all of `src` is a whole .ncz file for content of that size and XXH64.

    Compares heads, coded data and tails with their checks. The check of the content is known by
    member, so of a file of several it is left out.

    Raises:
        OSError: reading failed.
    """
    window = Window()
    size, ends = 0, []
    try:
        for event in parse.events(window):
            if isinstance(event, Need):
                chunk = src.read(_CHUNK)
                window.feed(chunk)
                if not chunk:
                    window.end()
            elif isinstance(event, Block):
                if checks.x32(event.coded) != event.head.coded_check:
                    return False
                size += event.head.raw_size
            elif isinstance(event, MemberEnd):
                ends.append(event.content_check)
            elif isinstance(event, Trailing):
                return False
    except FormatError:
        return False
    return size == raw_size and (len(ends) > 1 or ends == [content_check])
