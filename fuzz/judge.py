"""Decoding one mutant in one of the ways there are, and what to say of it.

========== ========================================================================
right      what came out is the content
error      an error of the family, which is what damage should end in
wrong      other bytes came out, and no error
missed     damage was passed over: bytes are right, but an error was due
refused    a valid file was not decoded
stumble    an error of the family that says a coder failed in a way it never should
crash      any other exception, or the death of the process
hang       more than :data:`TIME_LIMIT_S` seconds of processor time, or stuck
memory     more memory than the limit allows
========== ========================================================================

The first two are fine, all others are bugs.
"""

from __future__ import annotations

import io
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import ncz
from fuzz.mutators import DECODE, REFUSE, Mutant
from ncz.formats.options import DecompressOptions
from ncz.formats.stream import decompress_stream

RIGHT, ERROR = "right", "error"
BAD = ("wrong", "missed", "refused", "stumble", "crash", "hang", "memory")

TIME_LIMIT_S = 60.0
MAX_OUTPUT = 256 << 10  # bytes of content: more than any seed holds
MARGIN = (4 * MAX_OUTPUT) + (32 << 20)
"""Bytes of memory beside the limit that decoding was given: the input and the result in their
buffers, the allocator's reserve, and modules that are imported for a message."""


@dataclass(frozen=True)
class Verdict:
    """`kind` is one of the table's words; `detail` what is to be known of a bad one."""

    kind: str
    detail: str = ""


@dataclass(frozen=True)
class Outcome:
    """Of decoding: the content, or None where the reader gives none; and whether it is `whole`,
    which is to say that nothing was reported as damaged."""

    content: bytes | None
    whole: bool = True


def judge(mutant: Mutant, way: str) -> Verdict:
    """Decode it that way. Time and memory are for the caller to measure."""
    try:
        outcome = WAYS[way](mutant.data, mutant.seed.memlimit)
    except ncz.NczError as error:
        if "its coder failed" in str(error):
            return Verdict("stumble", traceback.format_exc())
        if mutant.must == DECODE:
            return Verdict("refused", traceback.format_exc())
        return Verdict(ERROR)
    except Exception:
        return Verdict("crash", traceback.format_exc())
    return _compare(mutant, way, outcome)


def _compare(mutant: Mutant, way: str, outcome: Outcome) -> Verdict:
    if not outcome.whole:
        if mutant.must == DECODE:
            return Verdict("refused", "damage was reported where there is none")
        if mutant.in_place and outcome.content is not None and not _holes(mutant, outcome.content):
            return Verdict("wrong", "what was saved is neither the content nor zeros")
        return Verdict(ERROR)
    if outcome.content is not None and outcome.content != mutant.content:
        return Verdict("wrong", f"{len(outcome.content)} bytes, not these {len(mutant.content)}")
    if mutant.must == REFUSE and way in _READ_ALL:
        return Verdict("missed", "no error, although something is damaged")
    return Verdict(RIGHT)


def _holes(mutant: Mutant, saved: bytes) -> bool:
    """Whether `saved` is the content with zeros where something was lost.

    Where lengths differ, blocks or their sizes were lost with what says so, and there is no
    telling what should stand where.
    """
    if len(saved) != len(mutant.content):
        return True
    return all(a == b or a == 0 for a, b in zip(saved, mutant.content, strict=True))


def _decompress(data: bytes, memlimit: int) -> Outcome:
    return Outcome(ncz.decompress(data, memlimit=memlimit, max_output=MAX_OUTPUT))


def _two_threads(data: bytes, memlimit: int) -> Outcome:
    return Outcome(ncz.decompress(data, memlimit=memlimit, max_output=MAX_OUTPUT, threads=2))


def _open(data: bytes, memlimit: int) -> Outcome:
    with ncz.open(io.BytesIO(data), memlimit=memlimit) as file:
        return Outcome(file.read())


def _pieces(data: bytes, memlimit: int) -> Outcome:
    reader, out = ncz.Decompressor(memlimit=memlimit), b""
    step = 1 + len(data) // 7
    for at in range(0, len(data), step):
        if reader.unused_data:
            raise ncz.FormatError("there is more")
        out += reader.decompress(data[at : at + step])
        while not reader.needs_input and not reader.eof:
            out += reader.decompress(b"")
    if not reader.eof or reader.unused_data:
        raise ncz.FormatError("it is no whole file")
    return Outcome(out)


def _keep_going(data: bytes, memlimit: int) -> Outcome:
    out = io.BytesIO()
    how = DecompressOptions(keep_going=True, memlimit=memlimit, max_output=MAX_OUTPUT)
    stats = decompress_stream(io.BytesIO(data), out, how)
    return Outcome(out.getvalue(), not stats.damage)


def _info(data: bytes, memlimit: int) -> Outcome:
    ncz.info(data)
    return Outcome(None)


WAYS: dict[str, Callable[[bytes, int], Outcome]] = {
    "decompress": _decompress,
    "two threads": _two_threads,
    "open": _open,
    "pieces": _pieces,
    "keep going": _keep_going,
    "info": _info,
}
_READ_ALL = ("decompress", "two threads", "pieces", "keep going")
_OFTEN = (70, 4, 10, 5, 8, 3)


def way_of(number: int) -> str:
    """The way in which the mutant of that number is decoded: one for each, always the same."""
    place = number * 61 % 100  # 61 and 100 have no common divisor
    for way, often in zip(WAYS, _OFTEN, strict=True):  # noqa: B007
        place -= often
        if place < 0:
            break
    return way
