"""How long the text coder takes, reckoned from a few parts of its work that are timed here.

A token costs the more to read the further into its window it stands, windows read again what others
have read, and streams are restored side by side. None of that shows in a short text. So a little
text is coded and restored for the costs at the start of a window, some tokens are read at its end,
and the rest is arithmetic.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ncz.models.text import layout, segments
from ncz.models.text.layout import MODEL
from ncz.models.text.windows import Span, Windows, default_streams

if TYPE_CHECKING:
    from ncz.models.language.network import Engine
    from ncz.models.text.coder import TextCoder

T = TypeVar("T")

TOKEN = 4.0
"""Bytes of a usual token."""
STREAM = 15
"""Bytes that a stream more costs."""

_PLAIN = b"The time is taken that it takes to read and to restore a text.\n"

ENOUGH = 8 << 10
"""Bytes of text that are enough to code on a CPU,"""
ENOUGH_FOR_TWO = 1 << 10
"""and where a second model reads token by token; a device has to have something to do."""

_CUTS = 4  # streams that text is coded in, so that threads have something to do
_CUTS_FOR_DEVICE = 16
_CUT = 2048  # bytes of one, at least
_ROUNDS = 40  # of tokens that are restored
_READ = 96  # tokens that are read at both ends of a window
_STEPS = 3  # of which the quickest counts
_SAMPLED = 1 / 16  # of a long block is read beforehand, to see whether the model pays
_LONG = 8 << 10  # bytes


@dataclass(frozen=True)
class Coding:
    """What became of a text that was coded to measure.

    Attributes:
        size: its bytes,
        tokens: and tokens;
        coded: what they came to, in one stream.
        seconds: that coding took, with :attr:`busy` threads at work.
        busy: how many had something to do.
        seen: places of a window before each token, on average.
    """

    size: int
    tokens: int
    coded: int
    seconds: float
    busy: int
    seen: float


@dataclass(frozen=True)
class Reading:
    """What coding takes on this machine, with all threads at work.

    Attributes:
        threads: how many windows are computed at once.
        token: bytes of a token, on average.
        read: seconds to read a token at the start of a window;
        further: more for each place before it;
        code: seconds to code a token that was read.
    """

    threads: int
    token: float
    read: float
    further: float
    code: float

    def seconds(self, coder: TextCoder, size: int) -> float:
        """Seconds to encode a block with `size` bytes of text."""
        tokens, streams = self.cut(coder, size)
        work, pieces = tokens * self.code, 0
        for span, count in spans(coder.windows, tokens):
            work += self.again(span.first - span.context + count)
            pieces += streams
        if size > _LONG:
            work += tokens * _SAMPLED * (self.read + self.code)
        return work * streams * self.threads / min(self.threads, pieces)

    def cut(self, coder: TextCoder, size: int) -> tuple[float, int]:
        """How many tokens each stream of such a block has, and how many streams there are."""
        streams = coder.streams or default_streams(size, coder.windows.window)
        return max(1.0, size / self.token / streams), streams

    def again(self, tokens: float) -> float:
        """Seconds to read so many tokens of a window from its start, by each of the threads."""
        return tokens * (self.read + self.further * tokens / 2)


@dataclass(frozen=True)
class Restoring:
    """What restoring a text takes on this machine.

    Attributes:
        step: seconds for a token of each stream, at the start of a window;
        further: more for each place before it.
        alone: what a step of one stream takes of that, 0 to 1.
    """

    step: float
    further: float
    alone: float

    def seconds(self, coder: TextCoder, reading: Reading, size: int) -> float:
        """Seconds to decode a block with `size` bytes of text."""
        tokens, streams = reading.cut(coder, size)
        again = streams * reading.threads / min(reading.threads, streams)
        total = 0.0
        for span, count in spans(coder.windows, tokens):
            seen = span.first - span.context
            total += again * reading.again(seen)
            total += count * (self.step + self.further * (seen + count / 2))
        if streams > 1:
            total += min(coder.windows.prefix, tokens) * self.alone * self.step
        return total


def prepare(coder: TextCoder) -> None:
    """Load and compile everything, lest it is counted.

    Raises:
        ModelMissing, NczError: a model is not here, or cannot be used.
    """
    coder.cut(1).encode(_PLAIN)


def modelled(coder: TextCoder, raw: bytes) -> bytes:
    """The parts of `raw` that the model would be asked about, end to end."""
    model = coder.ready()
    with model.lock:
        runs = segments.plan(raw, model)
    return b"".join(piece for run, piece in layout.pieces(raw, runs) if run.kind == MODEL)


def enough(coder: TextCoder) -> int | None:
    """How many bytes to measure on; None for as many as there are."""
    if coder.second is not None:
        return ENOUGH_FOR_TWO
    return ENOUGH if coder.ready().predictor.top is None else None


def coding(coder: TextCoder, text: bytes) -> Coding | None:
    """Code `text`, some kilobytes, by a coder that is prepared.

    None where that is no text that the model would be asked about.
    """
    most = _CUTS if len(text) <= ENOUGH else _CUTS_FOR_DEVICE
    cuts = max(1, min(most, len(text) // _CUT))
    many = coder.cut(cuts)
    spent, coded = _timed(lambda: many.encode(text))
    if coded is None:
        return None
    if len(text) >= _CUT:  # of less, what begins and ends every block is a part
        spent -= _timed(lambda: many.encode(_PLAIN))[0]
    tokens = max(1, coder.ready().entries(text).size)
    return Coding(
        size=len(text),
        tokens=tokens,
        coded=len(coded) - STREAM * (cuts - 1),
        seconds=max(0.0, spent),
        busy=min(coder.threads, cuts),
        seen=tokens / cuts / 2,
    )


def reading(coder: TextCoder, coding: Coding) -> Reading:
    """Time the parts of coding, of which `coding` is all together.

    A device reads many windows in one batch, and its time is not the sum of theirs: there it is
    taken as a whole.
    """
    threads = coder.threads
    read = further = 0.0
    if coder.ready().predictor.top is None:
        read, further = _reads(coder, threads)
    each = coding.seconds * coding.busy / threads / coding.tokens
    token = coding.size / coding.tokens
    return Reading(threads, token, read, further, max(0.0, each - read - further * coding.seen))


def restoring(coder: TextCoder, text: bytes, token: float, streams: int) -> Restoring:
    """Time the restoring of as much of `text` as is needed, in so many streams.

    Args:
        coder: which is prepared.
        text: that the model would be asked about.
        token: bytes of a token of it.
        streams: to measure with.
    """
    step, further, alone = _steps(coder, streams)
    whole = _restored(coder.cut(streams), text[: round(_ROUNDS * streams * token)], token)
    return Restoring(max(step, whole), further, alone)


def readings(tokens: float, windows: Windows) -> float:
    """How often the model reads each of a stream's tokens on average, at least 1."""
    later = max(0.0, tokens - windows.window) / windows.hop
    return (min(tokens, windows.window) + later * windows.window) / tokens


def spans(windows: Windows, tokens: float) -> Iterator[tuple[Span, float]]:
    """The windows of a stream, and how many tokens each codes."""
    for span in itertools.takewhile(lambda span: span.first < tokens, windows.spans()):
        yield span, min(span.last, tokens) - span.first


def _reads(coder: TextCoder, threads: int) -> tuple[float, float]:
    """Seconds to read a token with all threads at it, and how much more for each place before."""
    model = coder.ready()
    network, share = model.predictor.network, model.predictor.share
    count = min(_READ, max(1, coder.windows.window // 2))
    far = coder.windows.window - count
    caches = [_room(network, 1, far + count) for _ in range(threads)]
    tokens = np.full(count, model.predictor.begin)

    def read(start: int) -> float:
        def one(cache: Any) -> None:
            network.read(cache, 0, tokens, start)

        return min(_timed(lambda: share.all(one, caches))[0] for _ in range(2))

    near = read(0)
    return near / (count * threads), max(0.0, read(far) - near) / far / (count * threads)


def _steps(coder: TextCoder, streams: int) -> tuple[float, float, float]:
    """Seconds the models take for a token of each stream, more for each place before it, and
    the part of the first that one stream takes by itself.
    """
    model = coder.ready()
    share = model.predictor.share
    far = coder.windows.window - 1

    def step(network: Engine, cache: Any, count: int, position: int) -> float:
        def some(mine: np.ndarray) -> None:
            tokens = np.full(mine.size, network.model.shape.begin)
            network.step(cache, mine, tokens, np.full(mine.size, position))

        groups = np.array_split(np.arange(count), min(share.threads, count))
        return min(_timed(lambda: share.all(some, groups))[0] for _ in range(_STEPS))

    networks = [model.predictor.network]
    if (second := coder.beside(model)) is not None:
        networks.append(second.network)
    near = further = alone = 0.0
    for network in networks:
        cache = _room(network, streams, far + 1)
        now = step(network, cache, streams, 0)
        near += now
        alone += step(network, cache, 1, 0) if streams > 1 else now
        further += max(0.0, step(network, cache, streams, far) - now)
    return near, further / far, min(1.0, alone / near)


def _restored(coder: TextCoder, text: bytes, token: float) -> float:
    """Seconds to decode a token of each stream of `coder`, which has so many."""
    streams = coder.streams or 1
    parts = [(1, text)]
    if len(text) >= 2 * len(_PLAIN):
        parts.append((-1, _PLAIN))  # what begins and ends every block
    spent = rounds = 0.0
    for sign, part in parts:
        coded = coder.encode(part)
        if coded is None:
            return 0.0
        spent += sign * _timed(partial(coder.decode, coded, len(part)))[0]
        rounds += sign * max(1.0, len(part) / token / streams)
    return max(0.0, spent) / max(1.0, rounds)


def _room(network: Engine, streams: int, capacity: int) -> Any:
    """A cache whose memory the system has given, which it does at the first write."""
    cache = network.cache(streams, capacity)
    for part in getattr(cache, "past", ()):
        part[...] = 0
    return cache


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result
