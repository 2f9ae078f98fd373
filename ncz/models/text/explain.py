"""Where the bits go: what each token of a text costs in the file, and what was expected there.

The text takes the way that the text coder takes, through the same predictor and the same
engine, in one stream. On the way two things are written down that coding itself has no use
for: how the model's vocabulary was ranked when each token came, and the bits of its decisions.
Both are for reports, so floating point is good enough for them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from ncz.codec import rangecoder as rc
from ncz.codec.jit import compiling, jit
from ncz.models import contextmix
from ncz.models.language import head
from ncz.models.language.head import Head
from ncz.models.language.network import CHUNK, Engine
from ncz.models.text import kernel, segments, state
from ncz.models.text.layout import BYTES, MODEL
from ncz.models.text.loading import Ready
from ncz.models.text.predictor import Predictor
from ncz.models.text.windows import Windows

Progress = Callable[[int, int], None]
"""Called with steps done and steps in all, two for each token."""

ALTERNATIVES = 5  # first choices of the model that are kept of each token
_BYTES_LEVEL = 6  # of context mixing, for what the text coder does not take as text


@dataclass(frozen=True)
class TokenCost:
    """What one token cost.

    Attributes:
        text: its bytes.
        bits: what it cost in the file: all decisions of its path, language model and contexts
            mixed.
        model_bits: what the language model alone would have taken; None where the model was
            not asked and contexts alone coded the bytes.
        rank: how many tokens the model thought likelier: 0 for its first choice; -1 if not asked.
        alternatives: the model's first choices, the likeliest first, and their probabilities;
            empty if not asked. ``alternatives[rank]`` is the token itself, if it is among them.
    """

    text: bytes
    bits: float
    model_bits: float | None
    rank: int
    alternatives: tuple[tuple[bytes, float], ...]

    @property
    def saved(self) -> float:
        """Bits that mixing saved over the model alone; negative where it cost some."""
        return 0.0 if self.model_bits is None else self.model_bits - self.bits

    @property
    def share(self) -> float:
        """What contexts did, as a part of the larger of both costs, -1 to 1.

        0.6: they took away 60 % of what the model alone would have needed. -0.5: half of what
        the token cost is owed to them, for the model alone would have done with the rest. 1
        where the model was not asked. "Contexts" are all that learns from the file itself:
        context mixing, what followed the same tokens before, and the maps that correct both.
        """
        if self.model_bits is None:
            return 1.0
        most = max(self.model_bits, self.bits)
        return self.saved / most if most > 0 else 0.0


@dataclass(frozen=True)
class Totals:
    """Sums over a text.

    Attributes:
        raw_size: its bytes.
        coded_size: bytes of its code as one stream, the file's framing not counted.
        tokens: how many the model was asked for.
        bits: what all tokens cost.
        model_bits: what the model alone would have taken; where it was not asked, what was paid.
        context_bits: what contexts alone (level 6) take for the same bytes.
        first_choices: tokens that were the model's first choice.
    """

    raw_size: int
    coded_size: int
    tokens: int
    bits: float
    model_bits: float
    context_bits: float
    first_choices: int

    def per_byte(self, bits: float) -> float:
        """Bits per byte of raw content."""
        return bits / self.raw_size if self.raw_size else 0.0


@dataclass(frozen=True)
class Explanation:
    """A text, token by token; ``b"".join(token.text for token in tokens)`` is the text."""

    tokens: tuple[TokenCost, ...]
    totals: Totals


def explain(
    data: bytes, model: Ready, windows: Windows, progress: Progress | None = None
) -> Explanation | None:
    """Code `data` and say what each token cost.

    Takes what compressing takes, some 2 ms a token, and half as much again for the ranking.

    Args:
        data: the text.
        model: the language model.
        windows: what it sees; its prefix plays no part with one stream.
        progress: told how far it is.

    Returns:
        None where the text coder would not ask the model, because the bytes are no text, or
        because contexts alone are cheaper.
    """
    if not data:
        return None
    with model.lock:
        with compiling("the text coder"):
            _warm_up(model, windows)
        runs = segments.plan(data, model)
        if not any(run.kind == MODEL for run in runs):
            return None
        alone = len(contextmix.coder(_BYTES_LEVEL).encode(data) or data)
        text = b"".join(piece for kind, piece in _cut(data, runs) if kind != BYTES)
        engine = _Engine(text, model)
        engine.expect(_entries(data, runs, model), windows, progress)
        tokens: list[TokenCost] = []
        coded = 0
        for kind, piece in _cut(data, runs):
            if kind == BYTES:
                size = len(contextmix.coder(_BYTES_LEVEL).encode(piece) or piece)
                coded += size
                tokens.append(TokenCost(piece, 8.0 * size, None, -1, ()))
            elif kind == MODEL:
                tokens += engine.tokens(len(piece))
            else:
                tokens += engine.alone(piece)
        coded += engine.finish()
    return Explanation(tuple(tokens), _sum(tokens, len(data), coded, 8.0 * alone))


def _warm_up(model: Ready, windows: Windows) -> None:
    """Call everything compiled once, so that what comes then is work and not a wait."""
    engine = _Engine(b"\n", model)
    engine.expect(model.entries(b"\n"), windows, None)
    engine.tokens(1)
    contextmix.coder(_BYTES_LEVEL).encode(b"\n")


def _sum(tokens: list[TokenCost], raw_size: int, coded_size: int, alone: float) -> Totals:
    return Totals(
        raw_size=raw_size,
        coded_size=coded_size,
        tokens=sum(token.model_bits is not None for token in tokens),
        bits=sum(token.bits for token in tokens),
        model_bits=sum(t.bits if t.model_bits is None else t.model_bits for t in tokens),
        context_bits=alone,
        first_choices=sum(token.rank == 0 for token in tokens),
    )


def _cut(data: bytes, runs: tuple[Any, ...]) -> list[tuple[int, bytes]]:
    """Kind and bytes of each run."""
    pieces, at = [], 0
    for run in runs:
        pieces.append((run.kind, data[at : at + run.length]))
        at += run.length
    return pieces


def _entries(data: bytes, runs: tuple[Any, ...], model: Ready) -> np.ndarray:
    """The tokens of all runs that the model codes, as entries, int32[any]."""
    return np.concatenate(
        [model.entries(piece) for kind, piece in _cut(data, runs) if kind == MODEL]
    )


class _Engine:
    """The coder's engine with one stream, and what it is to expect."""

    def __init__(self, text: bytes, model: Ready) -> None:
        self._model = model
        self._data = np.frombuffer(bytearray(text), np.uint8)
        self._code = np.empty(2 * len(text) + 1024, np.uint8)
        self._state = state.fresh(len(text), np.array([0], np.int64), np.array([len(text)]))
        vocabulary = model.predictor.vocabulary
        whole = vocabulary.bytes.tobytes()
        ends = (vocabulary.start + vocabulary.length).tolist()
        self._words = [whole[a:b] for a, b in zip(vocabulary.start.tolist(), ends, strict=True)]
        self._at = 0  # next token
        self._trace_at = 0

    def expect(self, entries: np.ndarray, windows: Windows, progress: Progress | None) -> None:
        """Ask the model about all tokens, `entries`, int32[any]."""
        predictor = self._model.predictor
        self._notes = _Notes(predictor.head, entries, progress)
        reader = _Listening(predictor, self._notes)
        coded = list(reader.encode([entries], windows))
        self._entries = np.concatenate([window.entries for window in coded])
        self._trace = np.concatenate([window.trace for window in coded])
        self._ends = np.cumsum(np.concatenate([window.counts for window in coded]))

    def tokens(self, size: int) -> list[TokenCost]:
        """Code the tokens that make up the next `size` bytes."""
        lengths = self._model.predictor.vocabulary.length
        first, last, left = self._at, self._at, size
        while left > 0:
            left -= int(lengths[self._entries[last]])
            last += 1
        costs = np.zeros((last - first, 4), np.float64)
        trace_end = int(self._ends[last - 1])
        kernel.encode_tokens(
            self._state,
            self._model.predictor.vocabulary,
            self._data,
            self._code,
            np.zeros(last - first, np.int64),
            self._entries[first:last],
            self._trace[self._trace_at : trace_end],
            costs,
        )
        self._at, self._trace_at = last, trace_end
        return [self._cost(first + k, costs[k]) for k in range(last - first)]

    def _cost(self, at: int, costs: np.ndarray) -> TokenCost:
        notes = self._notes
        best = zip(notes.best[at].tolist(), notes.chance[at].tolist(), strict=True)
        return TokenCost(
            text=self._words[self._entries[at]],
            bits=float(costs[0]),
            model_bits=float(costs[1]),
            rank=int(notes.rank[at]),
            alternatives=tuple((self._words[entry], chance) for entry, chance in best),
        )

    def alone(self, piece: bytes) -> list[TokenCost]:
        """Code the next bytes by contexts alone, each as if it were a token."""
        found, before = [], self._spent()
        for byte in piece:
            kernel.encode_bytes(self._state, self._data, self._code, 0, 1)
            after = self._spent()
            found.append(TokenCost(bytes([byte]), after - before, None, -1, ()))
            before = after
        return found

    def _spent(self) -> float:
        """Bits that the range coder has taken in, to a fraction."""
        coder = self._state.coder
        whole = 8 * int(coder[rc.POS] + coder[rc.PENDING])
        return whole + 32 - float(np.log2(float(coder[rc.RANGE])))

    def finish(self) -> int:
        """Bytes of the whole code."""
        return kernel.finish(self._state, self._code)


class _Notes:
    """What the model expected instead of each token, written down as the tokens are asked for."""

    def __init__(self, top: Head, entries: np.ndarray, progress: Progress | None) -> None:
        kept = min(ALTERNATIVES, top.vocabulary.order.size)
        self.rank = np.zeros(entries.size, np.int64)
        self.best = np.zeros((entries.size, kept), np.int64)  # entries
        self.chance = np.zeros((entries.size, kept), np.float64)  # and their probabilities
        self._top = top
        self._entries = entries
        self._progress = progress
        self._steps = 0
        self._lock = threading.Lock()

    def take(self, first: int, product: np.ndarray, units: np.ndarray, never: np.ndarray) -> None:
        """Rank the vocabulary in rows of logits and masks of the tokens from `first` on."""
        some = slice(first, first + units.size)
        _rank(
            product,
            units,
            self._top.scale,
            self._top.said,
            never,
            self._entries[some],
            self.rank[some],
            self.best[some],
            self.chance[some],
        )
        self.step(units.size)

    def step(self, count: int) -> None:
        """So much more is done. Windows overlap, so that more is read than there is."""
        with self._lock:
            self._steps += count
            if self._progress is not None:
                total = 2 * self._entries.size
                self._progress(min(self._steps, total), total)


class _Listening(Predictor):
    """A predictor that lets notes be taken of one stream."""

    def __init__(self, heard: Predictor, notes: _Notes) -> None:
        vars(self).update(vars(heard))  # what that one has made ready serves this one too
        self._notes = notes
        self.top = None  # whose output nobody sees
        self.network = cast(Engine, _Reading(heard.network, notes))

    def look(self, first: int, product: np.ndarray, units: np.ndarray, never: np.ndarray) -> None:
        """:meth:`ncz.models.text.predictor.Predictor.look`."""
        self._notes.take(first, product, units, never)


class _Reading:
    """A network that reads a chunk at a time, and says when it has."""

    def __init__(self, network: Engine, notes: _Notes) -> None:
        self._network = network
        self._notes = notes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    def read(self, cache: Any, stream: int, tokens: np.ndarray, start: int = 0) -> np.ndarray:
        """:meth:`ncz.models.language.network.Network.read`."""
        rows = []
        for at in range(0, tokens.size, CHUNK):
            piece = tokens[at : at + CHUNK]
            rows.append(self._network.read(cache, stream, piece, start + at))
            self._notes.step(piece.size)
        return np.concatenate(rows)


@jit
def _rank(
    product: np.ndarray,
    units: np.ndarray,
    scale: np.ndarray,
    said: np.ndarray,
    never: np.ndarray,
    entries: np.ndarray,
    rank: np.ndarray,
    best: np.ndarray,
    chance: np.ndarray,
) -> None:
    """For rows of logits: the rank of each row's entry, the best entries, their probabilities.

    Of entries with the same weight the first comes first.
    """
    kept = best.shape[1]
    weights = np.empty(kept, np.int64)
    powers = np.empty(said.size, np.float32)
    sums = np.empty(never.shape[1] + 1, np.int64)
    for r in range(entries.size):
        head.cumulate(product, units, r, scale, said, never[r], powers, sums)
        entry = entries[r]
        own = sums[entry + 1] - sums[entry]
        before = 0
        filled = 0
        for e in range(sums.size - 1):
            w = sums[e + 1] - sums[e]
            before += w > own or (w == own and e < entry)
            if filled < kept or w > weights[kept - 1]:
                k = min(filled, kept - 1)
                while k > 0 and weights[k - 1] < w:
                    weights[k] = weights[k - 1]
                    best[r, k] = best[r, k - 1]
                    k -= 1
                weights[k] = w
                best[r, k] = e
                filled = min(filled + 1, kept)
        rank[r] = before
        for k in range(kept):
            chance[r, k] = weights[k] / sums[sums.size - 1]
