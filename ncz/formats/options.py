"""What a caller may choose, checked once, and how many threads the memory limit leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from ncz.codec import crew as crews
from ncz.codec import pipeline
from ncz.codec.coder import ModelRef
from ncz.codec.crew import Crew
from ncz.codec.errors import MemoryLimitError
from ncz.formats import levels
from ncz.formats.header import MAX_BLOCK_SIZE
from ncz.formats.levels import DEFAULT, LEVELS, MODEL_LEVELS, Plan
from ncz.models.text.windows import MAX_STREAMS

T = TypeVar("T")

MIN_BLOCK_SIZE = 1024  # bytes; below, checks and heads outweigh what they protect


@dataclass(frozen=True)
class CompressOptions:
    """How to compress.

    Attributes:
        level: 1 (fast) to 9 (small).
        threads: blocks coded side by side; 0 means one per available core. Never changes the
            output.
        block_size: raw bytes of a block, 1 KiB to 1 GiB; None lets the level choose,
            and from level 5 on a PNG file of up to 256 MiB be one block. Larger is smaller in
            total; smaller gives finer random access and less lost to damage.
        memlimit: bytes of working memory; fewer threads are used to keep it. None: no limit.
        streams: into how many streams a language model's text is cut, 1 to 64; None lets the
            level and the block choose. More decode faster and compress less.
        gguf: at levels 7 to 9, a GGUF file that llama.cpp (the extra ``llama``) reads in place of
            the default model. What it makes can be restored only by the same build of llama.cpp.
        verify: decode each block and compare it before it is written, or do not; None: only what
            was made by an engine that is not exact, which is llama.cpp.
        circuit: at levels 1 to 6, the file of a circuit (see :mod:`ncz.models.circuit`) that codes
            the records it was trained for. Blocks that it does not serve are coded as ever.
        only: such blocks are an error.
    """

    level: int = DEFAULT
    threads: int = 1
    block_size: int | None = None
    memlimit: int | None = None
    streams: int | None = None
    gguf: Path | None = None
    verify: bool | None = None
    circuit: Path | None = None
    only: bool = False

    def __post_init__(self) -> None:
        if self.circuit is not None and (self.level in MODEL_LEVELS or self.gguf is not None):
            raise ValueError("a circuit is for levels 1 to 6, without a language model")
        if self.only and self.circuit is None:
            raise ValueError("there is no circuit that alone may be used")
        if self.streams is not None and not 1 <= self.streams <= MAX_STREAMS:
            raise ValueError(f"streams are 1 to {MAX_STREAMS}, not {self.streams}")
        if self.level not in LEVELS:
            raise ValueError(f"levels are 1 to 9, not {self.level}")
        if self.gguf is not None and (self.level not in MODEL_LEVELS or self.streams is not None):
            raise ValueError("a GGUF file is for levels 7 to 9, and for one stream")
        _check_threads(self.threads)
        if self.block_size is not None and not MIN_BLOCK_SIZE <= self.block_size <= MAX_BLOCK_SIZE:
            raise ValueError(
                f"block sizes are {MIN_BLOCK_SIZE} to {MAX_BLOCK_SIZE} bytes, not {self.block_size}"
            )


@dataclass(frozen=True)
class DecompressOptions:
    """How to decompress.

    Attributes:
        threads: blocks decoded side by side; 0 means one per available core.
        memlimit: bytes of working memory; fewer threads are used to keep it. None: no limit
            beyond what the file's header asks for, which is at most a block of 1 GiB.
        keep_going: report damage and go on, instead of stopping at it.
        max_output: refuse content of more than this many bytes. None: no limit.
        bring: called with each model that a header names, before anything of its member is
            decoded, to fetch it if it is not here. None: nothing is fetched, whatever a file says.
        pieces: take what a member of a picture holds as its content, piece by piece, for whoever
            checks it or renders it. Else such a member is refused: its bytes are nobody's file.
    """

    threads: int = 1
    memlimit: int | None = None
    keep_going: bool = False
    max_output: int | None = None
    bring: Callable[[ModelRef], None] | None = None
    pieces: bool = False

    def __post_init__(self) -> None:
        _check_threads(self.threads)
        if self.max_output is not None and self.max_output < 0:
            raise ValueError(f"a limit of the output is 0 bytes or more, not {self.max_output}")


def fit_threads(
    threads: int, coder_memory: int, block_size: int, memlimit: int | None, overhead: int = 0
) -> int:
    """The number of threads to use, at most `threads`, so that their work keeps `memlimit`.

    Counts what a coder needs for each thread, `overhead` more for each where they are processes,
    and what is :func:`held`.

    Raises:
        MemoryLimitError: not even one thread keeps it.
    """
    wanted = threads or crews.cores()
    if memlimit is None:
        return wanted
    each = coder_memory + overhead
    for fewer in range(wanted, 0, -1):
        if fewer * each + held(fewer, block_size) <= memlimit:
            return fewer
    raise MemoryLimitError(each + held(1, block_size), memlimit)


def held(threads: int, block_size: int) -> int:
    """Bytes of blocks besides what coders need: raw and coded of each in flight, and of one more.

    The one more is on its way in while the others are worked on.
    """
    return (pipeline.in_flight(threads) + 1) * 2 * block_size


def fit_crew(
    crew: Crew, memory: Callable[[T], int], of: T, block_size: int, memlimit: int | None
) -> int:
    """The same for a crew: how many of its workers to keep busy.

    Where they are on several machines, each of these keeps the limit.

    Args:
        crew: who works.
        memory: what a coder needs; one of the crew is asked, which may have to load a model that
            this process does not need.
        of: the argument of `memory`.
        block_size: raw bytes of a block.
        memlimit: bytes.

    Raises:
        MemoryLimitError: not even one worker keeps it.
        NczError: what `memory` raises, such as ModelMissing. Without a limit, the first block does.
    """
    if memlimit is None:
        return crew.size
    needed = pipeline.once(memory, of, crew)
    busy = fit_threads(crew.together, needed, block_size, memlimit, crew.overhead)
    if busy < crew.together:
        return busy  # for all of them may be on one machine
    busy = crew.size
    while busy > crew.together and pipeline.in_flight(busy) * 2 * block_size > memlimit:
        busy -= 1  # blocks of all workers are here
    return busy


def planned(options: CompressOptions) -> Plan:
    """How the blocks are to be coded.

    Raises:
        ModelMissing: the level's language model is not on this machine.
    """
    plan = levels.plan(
        options.level,
        options.block_size,
        options.streams,
        options.gguf,
        options.circuit,
        options.only,
    )
    return replace(plan, verify=options.verify)


def check_crew(crew: Crew | None, threads: int) -> None:
    """Refuse both at once.

    Raises:
        ValueError: a crew is given, and a number of threads, too.
    """
    if crew is not None and threads != 1:
        raise ValueError("threads are for this process: with a crew, leave them out")


def _check_threads(threads: int) -> None:
    if threads < 0:
        raise ValueError(f"the number of threads is 0 (one per core) or more, not {threads}")
