"""What decoders make of damage, tried out: small files of many shapes, and every fault in each.

A decoder has to name the damage: the block, or what is missing, and where. It may not hand out a
byte that is not the content's, go on for ever, or take more memory than it was allowed, and may
fail in no other way than by an :class:`~ncz.codec.errors.NczError`. Each file is tried in a child
process, so that what ends a child, or holds it up, is a finding and not the end of the campaign.

``python -m ncz.corpora.faults`` adds what it found to ``bench-out/reliability/faults.json``.
"""

from __future__ import annotations

import io
import re
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import click

import ncz
from ncz.codec.errors import CorruptBlock, FormatError, MemoryLimitError, NczError, TruncatedError
from ncz.corpora import tally
from ncz.corpora.damage import KINDS, Fault, Part, faults, parts
from ncz.corpora.forked import Lost, alone
from ncz.corpora.shapes import Shape, shapes
from ncz.formats.options import DecompressOptions
from ncz.formats.stream import StreamStats, decompress_stream, read_range

PART = "faults"
FINDINGS = ("wrong", "unnamed", "crashed", "over_memory", "hung")
"""What would have counted as failure: the names of counts."""

OUTCOMES = ("named", "late", "saved", "whole")
"""What should come of a decode: an error that names the damage, at once or at the member's end, all
that can be saved, or all."""

_HELD = (
    160 << 10
)  # bytes that decoding anything takes: threads, the first pieces that are read, messages
_PATIENCE_S = 60.0  # for one fault; the slowest takes a second


@dataclass
class Found:
    """What came of faults.

    Attributes:
        counts: of faults by kind, of decodes, of what came of them, and of :data:`FINDINGS`.
        failures: a sentence for each finding.
        peak: the most bytes of memory that a decode took.
    """

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    peak: int = 0

    def add(self, other: Found) -> None:
        """Take in what came of others."""
        self.counts.update(other.counts)
        self.failures += other.failures
        self.peak = max(self.peak, other.peak)

    def fail(self, finding: str, sentence: str) -> None:
        """Note a failure."""
        self.counts[finding] += 1
        self.failures.append(f"{finding}: {sentence}")


def examine(shape: Shape, every_byte: bool | None = None, kinds: Collection[str] = KINDS) -> Found:
    """Try every fault in `shape` in this process.

    Args:
        shape: the file.
        every_byte: flip each one; None: unless it is slow.
        kinds: of faults, not all of them.
    """
    found = Found()
    allowed = _needed(shape)
    trial = _Trial(shape, allowed)
    _warm(trial)
    for fault in faults(shape.coded, not shape.slow if every_byte is None else every_byte):
        if fault.kind not in kinds:
            continue
        found.counts[fault.kind] += 1
        for judge in JUDGES:
            _judge(judge, trial, fault, found)
    return found


def _warm(trial: _Trial) -> None:
    """Have everything loaded: that is not what decoding takes."""
    for judge in JUDGES:
        judge(trial, next(faults(trial.shape.coded, False)))


@dataclass(frozen=True)
class _Trial:
    """A file on trial, and the bytes of working memory that decoding may take."""

    shape: Shape
    memlimit: int

    @property
    def most(self) -> int:
        """Bytes that a decode may hold: that, the file and what comes of it, and how it is read."""
        return self.memlimit + 3 * (len(self.shape.coded) + len(self.shape.content)) + _HELD


def _needed(shape: Shape) -> int:
    """The lowest limit of memory that the file is decoded under."""
    try:
        ncz.decompress(shape.coded, memlimit=0)
    except MemoryLimitError as error:
        return error.needed
    raise NczError("a file was decoded in no memory at all, which is a bug: please report it")


def _judge(judge: _Judge, trial: _Trial, fault: Fault, found: Found) -> None:
    what = f"{trial.shape.name}, {fault.said}, {judge.__name__.strip('_')}"
    found.counts["decodes"] += 1
    started = time.monotonic()
    try:
        # Heads and lists are what asks for memory; watching costs several times the work.
        trying = partial(judge, trial, fault)
        (outcome, complaint), peak = _traced(trying) if _asks(fault) else (trying(), 0)
    except Exception as error:
        found.fail("crashed", f"{what}: {type(error).__name__}: {error}")
        return
    found.peak = max(found.peak, peak)
    if peak > trial.most:
        found.fail("over_memory", f"{what}: {peak:,} bytes, and {trial.most:,} were allowed")
    if time.monotonic() - started > _PATIENCE_S:
        found.fail("hung", what)
    if complaint:
        found.fail(outcome, f"{what}: {complaint}")
    else:
        found.counts[outcome] += 1


_T = TypeVar("_T")
_Verdict = tuple[str, str]
"""What came of a decode, or which finding it is, and then why."""
_Judge = Callable[["_Trial", Fault], _Verdict]


def _strict(trial: _Trial, fault: Fault) -> _Verdict:
    """In sequence, as ``ncz decompress`` does."""
    shape, limit = trial.shape, trial.memlimit
    out = io.BytesIO()
    try:
        decompress_stream(io.BytesIO(fault.data), out, DecompressOptions(memlimit=limit))
    except NczError as error:
        if not shape.content.startswith(out.getvalue()):
            # A block may fit into another member, at the same place, until that ends.
            return ("late", "") if fault.across else ("wrong", f"wrote other bytes before {error}")
        complaint = unnamed(fault, error, len(fault.data) - len(shape.coded))
        return ("unnamed", complaint) if complaint else ("named", "")
    if out.getvalue() == shape.content:
        # What a coder ignores may be forged; every check held because the content is right.
        return ("whole", "") if fault.kind == "forge" else ("wrong", "nothing was noticed")
    if fault.kind == "truncate" and _between_members(fault):
        right = shape.content.startswith(out.getvalue())
        return ("whole", "") if right else ("wrong", "other bytes")
    return "wrong", "other bytes"


def _by_the_index(trial: _Trial, fault: Fault) -> _Verdict:
    """From the tail, as ``ncz.open`` and ``ncz info`` do."""
    shape, limit = trial.shape, trial.memlimit
    try:
        ncz.info(fault.data)
        with ncz.open(io.BytesIO(fault.data), memlimit=limit) as file:
            out = file.read()
    except NczError as error:
        return ("named", "") if len(str(error)) > 20 else ("unnamed", f"it says {error}")
    # Skippable sections are no content, and whoever reads by the tails passes over them.
    whole = out == shape.content
    if not whole and fault.kind == "truncate" and _between_members(fault):
        whole = shape.content.startswith(out)
    return ("whole", "") if whole else ("wrong", "other bytes")


def _in_parts(trial: _Trial, fault: Fault) -> _Verdict:
    """A range of the content from around the damage."""
    shape, limit = trial.shape, trial.memlimit
    start = max(0, fault.where.content - 3)
    end = min(start + 40, len(shape.content))
    if end <= start:
        return "whole", ""
    out = io.BytesIO()
    try:
        how = DecompressOptions(memlimit=limit)
        read_range(io.BytesIO(fault.data), start, end, out, how)
    except NczError:
        right = shape.content[start:end].startswith(out.getvalue())
        return ("named", "") if right else ("wrong", "other bytes before the error")
    cut = fault.kind == "truncate" and _between_members(fault)
    right = shape.content[start:end] == out.getvalue()
    right = right or (cut and shape.content[start:end].startswith(out.getvalue()))
    return ("whole", "") if right else ("wrong", "other bytes")


def _going_on(trial: _Trial, fault: Fault) -> _Verdict:
    """With ``--keep-going``, from a file that can seek: all that is saved is right or zero."""
    shape, limit = trial.shape, trial.memlimit
    out = io.BytesIO()
    try:
        how = DecompressOptions(keep_going=True, memlimit=limit)
        stats = decompress_stream(io.BytesIO(fault.data), out, how)
    except NczError as error:
        return ("named", "") if not out.getvalue() else ("wrong", f"gave up later: {error}")
    complaint = _misplaced(shape, fault, out.getvalue(), stats)
    return ("wrong", complaint) if complaint else ("saved", "")


def _misplaced(shape: Shape, fault: Fault, saved: bytes, stats: StreamStats) -> str:
    """What is wrong with what was saved; nothing, if it is right or missing and that is said."""
    whole = shape.content
    if saved == whole:
        silent = fault.kind == "forge" or _between_members(fault)
        return "" if stats.damage or silent else "no damage was named"
    if not stats.damage:
        return "" if _between_members(fault) and whole.startswith(saved) else "no damage was named"
    before = fault.where.content
    if saved[:before] != whole[:before]:
        return f"the first {before} bytes are before the damage and are not right"
    wrong = [at for at, (a, b) in enumerate(zip(saved, whole, strict=False)) if a != b]
    placed = all(saved[at] == 0 for at in wrong)
    if placed or (_somewhere(stats) and _in_order(shape, saved)):
        return ""
    return f"byte {next(at for at in wrong if saved[at])} is neither right nor zero"


def _somewhere(stats: StreamStats) -> bool:
    """Whether it was said of some damage that nobody knows how much is missing there."""
    return any(
        damage.raw_end is None
        if isinstance(damage, CorruptBlock)
        else "cannot be read" in str(damage)
        for damage in stats.damage
    )


def _in_order(shape: Shape, saved: bytes) -> bool:
    """Whether `saved` is blocks of the content in their order, and zeros, and nothing else."""
    blocks = [part for part in parts(shape.coded) if part.head is not None]
    raws = [shape.content[one.content :][: one.head.raw_size] for one in blocks if one.head]
    # A whole .ncz file that is stored in a block, and after damage is the end of the file, is
    # what a member of it would be.
    each = [*raws, *([shape.inner] if shape.inner else [])]
    pattern = b"".join(rb"\0*(?:" + re.escape(raw) + rb")?" for raw in each)
    return re.fullmatch(pattern + rb"\0*", saved, re.DOTALL) is not None


def unnamed(fault: Fault, error: NczError, grown: int = 0) -> str:
    """What the error leaves out or gets wrong of where the damage is; empty if nothing.

    Args:
        fault: what was done.
        error: what came of it.
        grown: bytes by which the file is larger now.
    """
    part, said = fault.where, str(error)
    # Data that a coder takes for the same content, longer or shorter, moves what is behind it.
    ends = {part.end, part.end + grown} if fault.kind == "forge" else {part.end}
    if isinstance(error, CorruptBlock):
        right = (error.index, error.offset) == (part.block, part.start)
        right = right or (error.index == part.block + 1 and error.offset in ends)
        return "" if right else _other(part, said)
    if isinstance(error, TruncatedError):
        content = re.search(r"content from byte (\d+) on is missing", said)
        if content and int(content[1]) == part.content:
            return ""
        return "" if part.kind == "header" and "inside a header" in said else _other(part, said)
    place = re.search(r"offset (\d+)", said)
    if place:
        return "" if part.start <= int(place[1]) <= max(ends) else _other(part, said)
    about = ("header", "not an .ncz file", "of this .ncz file", "of the .ncz format", "this file ")
    named = part.kind == "header" and any(words in said for words in about)
    return "" if named or not isinstance(error, FormatError) else _other(part, said)


def _other(part: Part, said: str) -> str:
    return f"{part.name} is damaged, and it says {said}"


def _asks(fault: Fault) -> bool:
    """Whether the damage is to what says how large things are."""
    return fault.kind != "flip" or fault.where.kind != "block" or fault.at < fault.where.body


def _between_members(fault: Fault) -> bool:
    """A file that was cut there is a whole one, as far as it goes."""
    return fault.where.kind == "header" and 0 < fault.at == fault.where.start


JUDGES: tuple[_Judge, ...] = (_strict, _by_the_index, _in_parts, _going_on)


def _traced(work: Callable[[], _T]) -> tuple[_T, int]:
    """What `work` returns, and the most bytes that it held."""
    tracemalloc.start()
    try:
        return work(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@click.command()
@click.option("--seed", default=None, type=int, help="Of the files' contents; else another one.")
@click.option("--levels", default="1,2,3,4,5,6", show_default=True, help="7 to 9 need a model.")
@click.option("--every-byte/--some-bytes", default=None, help="Flips, whatever the level costs.")
@click.option("--only", help="Shapes with this in their names.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default="bench-out/reliability",
    show_default=True,
)
def main(
    seed: int | None, levels: str, every_byte: bool | None, only: str | None, out: Path
) -> None:
    """Damage small files in every way, and add what comes of it to OUT/faults.json."""
    seed = time.time_ns() % 2**32 if seed is None else seed
    click.echo(f"seed {seed}")
    failed = False
    for shape in shapes(seed, [int(level) for level in levels.split(",")]):
        if only and only not in shape.name:
            continue
        started, found = time.monotonic(), Found()
        try:
            found = alone(partial(examine, shape, every_byte), _PATIENCE_S * 60)
        except Lost as error:
            found.fail("hung" if "not done" in str(error) else "crashed", f"{shape.name}: {error}")
        failures = [f"seed {seed}: {failure}" for failure in found.failures]
        for failure in failures:
            click.echo(failure, err=True)
        failed = failed or bool(failures)
        counts = {name: found.counts[name] for name in (*KINDS, *OUTCOMES, *FINDINGS, "decodes")}
        tried = sum(counts[kind] for kind in KINDS)
        click.echo(f"{shape.name}: {tried:,} faults")
        seconds = round(time.monotonic() - started, 1)
        more = {"peak_bytes": found.peak, "failures": failures, "seconds": seconds}
        of_shape = {"files": 1, f"files: {shape.name}": 1, "faults": tried}
        tally.add(out, PART, {**of_shape, **counts, **more})
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
