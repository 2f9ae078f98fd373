"""The coder of text by llama.cpp: as the text coder, in one stream, with another source of odds.

Coded data: that of :mod:`ncz.models.text.coder` with one stream and one model. Encoder and decoder
read the same tokens one by one from an empty context, so that the same build gets the same
floats. Whether it does is tried, not believed: the coder is marked as not exact, so that each block
is decoded before it is accepted (:mod:`ncz.formats.verify`), and where that fails others have it.
"""

from __future__ import annotations

import functools
import math
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from ncz.codec import crew, varint
from ncz.codec.coder import CoderSpec, ModelRef
from ncz.codec.errors import FormatError, ModelError, UnsupportedError
from ncz.codec.jit import compiling
from ncz.codec.meter import metered
from ncz.models.contextmix.coder import ContextMix
from ncz.models.language.canonical import Mask
from ncz.models.language.tokenizer import Tokenizer
from ncz.models.language.vocabulary import longest_path
from ncz.models.llama import build, engine, files, tokens
from ncz.models.llama.build import Build
from ncz.models.text import framing, kernel, layout, pace, segments, state
from ncz.models.text.layout import BYTES, CONTEXTS, MODEL, Layout, Run
from ncz.models.text.windows import Windows

CODER_ID = 4
REVISION = 1
MAX_THREADS = 64

_MOST_USED = 8  # threads; more wait for memory, and for each other
_FOR_A_THREAD = 256 << 20  # bytes of weights that a thread more pays for
_TIMED = 16  # tokens that a measurement takes


@dataclass(frozen=True)
class Loaded:
    """A model in the memory, for the one thread that holds its lock."""

    model: engine.Model
    tokenizer: Tokenizer
    mask: Mask
    begin: int
    size: int  # bytes of the file
    lock: threading.Lock = field(default_factory=threading.Lock)


class LlamaCoder:
    """A coder of one GGUF, one way to cut windows, and one build. Holds no state between blocks.

    Args:
        model: the GGUF.
        windows: what it sees; without a prefix.
        made_by: the build that a file is made by.
        threads: that llama.cpp computes with.
        index: the place of the model in the header's table.
    """

    exact = False

    def __init__(
        self, model: ModelRef, windows: Windows, made_by: Build, threads: int, *, index: int = 0
    ) -> None:
        self.model = model
        self.windows = windows
        self.build = made_by
        self.threads = threads
        self._index = index

    @property
    def name(self) -> str:
        """``llama``, the window, the model's name, and the build's version and fingerprint."""
        mark = self.build.fingerprint(self.threads, self.windows.window)
        made_by = f"build {self.build.version}-{mark}"
        return f"llama-{self.windows.window} with {self.model.name}, {made_by}"

    @property
    def spec(self) -> CoderSpec:
        """Revision, the model's place in the header's table, window, hop, threads, build."""
        numbers = (self._index, self.windows.window, self.windows.hop, self.threads)
        params = bytes([REVISION]) + b"".join(map(varint.encode, numbers))
        return CoderSpec(CODER_ID, params + self.build.pack())

    def encode(self, raw: bytes) -> bytes | None:
        """Coded bytes of a non-empty block, or None where the model would not pay.

        Raises:
            NczError: as :meth:`decode`.
        """
        loaded = self._ready()
        with loaded.lock:
            runs = segments.plan_by(raw, partial(self._cost, loaded))
            size = sum(run.length for run in runs if run.kind != BYTES)
            if not any(run.kind == MODEL for run in runs):
                return None
            mixers: list[kernel.State] = []
            with metered(partial(_position, mixers), size, len(raw)):
                coded = self._encode(raw, runs, loaded, mixers)
        return coded if len(coded) < len(raw) else None

    def decode(self, coded: bytes, raw_size: int) -> bytes:
        """The raw bytes of a block.

        Raises:
            FormatError: the coded data breaks the coder's framing.
            MissingExtra: llama-cpp-python is not installed.
            ModelMissing: the GGUF is not here, or nobody knows where.
            ModelError: another build of llama.cpp is here, or it cannot load the GGUF.
        """
        loaded = self._ready()
        mixers: list[kernel.State] = []
        position = partial(_position, mixers)
        with loaded.lock, metered(position, raw_size, len(coded)):
            return self._decode(coded, raw_size, loaded, mixers)

    def memory(self, raw_size: int) -> int:
        """Bytes of working memory for a block of `raw_size`, the model's included."""
        loaded = self._ready()
        context = loaded.model.memory(self.windows.window)
        mixing = ContextMix(framing.BYTES_LEVEL).memory(raw_size)
        return loaded.size + context + mixing + 4 * raw_size + (100 << 20)

    def seconds(self, size: int) -> float:
        """Seconds that a block of `size` bytes of text takes, either way, by a few tokens."""
        loaded = self._ready()
        with loaded.lock:
            reading = _Reading(loaded, self.windows, self.threads)
            reading.sums()
            started = time.perf_counter()
            for _ in range(_TIMED):
                reading.take(0)
                reading.sums()
            each = (time.perf_counter() - started) / _TIMED
        count = size / pace.TOKEN
        return each * count * pace.readings(count, self.windows)

    def _ready(self) -> Loaded:
        here = build.here()
        if here != self.build:
            raise ModelError(self.build.against(here))
        path = files.find(self.model)
        loaded = _load(path, self.model.digest)
        self.windows.check(self.model.name, loaded.model.context)
        return loaded

    def _encode(
        self, raw: bytes, runs: tuple[Run, ...], loaded: Loaded, mixers: list[kernel.State]
    ) -> bytes:
        pieces = list(layout.pieces(raw, runs))
        other = b"".join(piece for run, piece in pieces if run.kind == BYTES)
        whole = b"".join(piece for run, piece in pieces if run.kind != BYTES)
        text = np.frombuffer(bytearray(whole), np.uint8)
        mixer = _fresh(text.size)
        mixers.append(mixer)
        code = np.empty(len(raw) + 64, np.uint8)
        reading = _Reading(loaded, self.windows, self.threads)
        vocabulary = loaded.tokenizer.vocabulary
        room = np.empty(longest_path(vocabulary), np.uint32)
        for run, piece in pieces:
            if run.kind == CONTEXTS:
                kernel.encode_bytes(mixer, text, code, 0, run.length)
            elif run.kind == MODEL:
                for entry in loaded.tokenizer.entries(piece):
                    count = kernel.trace(vocabulary, reading.sums(), entry, room)
                    entries = np.array([entry], np.int32)
                    kernel.encode_tokens(
                        mixer, vocabulary, text, code, _STREAM, entries, room[:count]
                    )
                    reading.take(int(entry))
        size = kernel.finish(mixer, code)
        if size > code.size:
            return raw + b"\0"  # longer than the block: it is not taken
        return framing.pack(Layout(runs, (text.size,)), code[:size].tobytes(), other)

    def _decode(
        self, coded: bytes, raw_size: int, loaded: Loaded, mixers: list[kernel.State]
    ) -> bytes:
        found, coded_text, other = framing.split(coded, raw_size)
        if len(found.ends) != 1:
            raise FormatError("the llama.cpp engine writes one stream, and here are more")
        text = np.zeros(found.text_size, np.uint8)
        mixer = _fresh(text.size)
        mixers.append(mixer)
        code = np.frombuffer(bytearray(coded_text), np.uint8)
        kernel.start_decoder(mixer, code)
        reading = _Reading(loaded, self.windows, self.threads)
        entries = np.empty(1, np.int32)
        end = 0
        for run in found.runs:
            end += run.length if run.kind != BYTES else 0
            if run.kind == CONTEXTS:
                kernel.decode_bytes(mixer, text, code, 0, run.length)
            while run.kind == MODEL and mixer.at[0] < end:
                kernel.decode_tokens(
                    mixer,
                    loaded.tokenizer.vocabulary,
                    text,
                    code,
                    _STREAM,
                    reading.sums()[None],
                    entries,
                )
                reading.take(int(entries[0]))
            if mixer.at[0] != end:
                raise FormatError("a token goes on past the end of its run")
        return framing.join(found, text, other)

    def _cost(self, loaded: Loaded, sample: bytes) -> float:
        """Bits that the model alone takes for `sample`, of which it knows no past."""
        reading = _Reading(loaded, self.windows, self.threads)
        bits = 0.0
        for entry in loaded.tokenizer.entries(sample).tolist():
            sums = reading.sums()
            bits -= math.log2((sums[entry + 1] - sums[entry]) / sums[-1])
            reading.take(entry)
        return bits


def make(gguf: Path, windows: Windows) -> LlamaCoder:
    """The coder for writing, with the build that is here and windows that the model can read.

    Raises:
        MissingExtra: llama-cpp-python is not installed.
        ModelError: `gguf` is no model that llama.cpp loads and whose tokenizer can be inverted.
    """
    made_by = build.here()
    model = files.offer(gguf)
    loaded = _load(files.find(model), model.digest)
    longest = loaded.model.context
    if longest < windows.window:
        windows = Windows(longest, max(1, longest * windows.hop // windows.window), 0)
    threads = min(loaded.size // _FOR_A_THREAD, crew.cores(), _MOST_USED)
    return LlamaCoder(model, windows, made_by, max(1, threads))


def from_params(params: bytes, models: tuple[ModelRef, ...]) -> LlamaCoder:
    """The coder that a file's header asks for; llama.cpp is not needed before it is used.

    Raises:
        UnsupportedError: another revision.
        FormatError: parameters that break the rules.
    """
    if not params or params[0] != REVISION:
        raise UnsupportedError(
            f"this file needs the llama.cpp coder with parameters {params.hex()}, and this ncz "
            f"knows revision {REVISION} only; install a newer ncz"
        )
    try:
        index, at = varint.decode(params, 1)
        window, at = varint.decode(params, at)
        hop, at = varint.decode(params, at)
        threads, at = varint.decode(params, at)
        made_by, at = build.parse(params, at)
        if at != len(params) or index >= len(models) or not 1 <= threads <= MAX_THREADS:
            raise ValueError("too long, or naming a model or threads that cannot be")
        windows = Windows(window, hop, 0)
    except (varint.Incomplete, ValueError) as error:
        raise FormatError(f"the llama.cpp coder's parameters are damaged: {error}") from None
    return LlamaCoder(models[index], windows, made_by, threads, index=index)


_STREAM = np.zeros(1, np.int64)
_LOADING = threading.Lock()


def _load(path: Path, digest: bytes) -> Loaded:
    with _LOADING:
        return _loaded(path, digest)


@functools.lru_cache(maxsize=1)
def _loaded(path: Path, digest: bytes) -> Loaded:
    tokenizer, begin = tokens.read(path)
    model = engine.Model(path)
    if tokenizer.vocabulary.order.max() >= model.tokens or begin >= model.tokens:
        raise ModelError(
            f"{path} has {model.tokens} outputs and a tokenizer of more; fetch it again"
        )
    with compiling("the llama.cpp engine"):
        _compile(tokenizer)
    return Loaded(model, tokenizer, Mask(tokenizer), begin, path.stat().st_size)


def _compile(tokenizer: Tokenizer) -> None:
    """Call once what is compiled at its first call, lest the wait begins within a block."""
    vocabulary = tokenizer.vocabulary
    sums = np.arange(vocabulary.order.size + 1)
    none = np.zeros(vocabulary.order.size, np.uint8)
    tokens.cumulate(np.zeros(vocabulary.rank.size, np.float32), vocabulary.order, none, sums)
    entries = tokenizer.entries(b"a")[:1]
    room = np.empty(longest_path(vocabulary), np.uint32)
    trace = room[: kernel.trace(vocabulary, sums, entries[0], room)]
    data, code = np.frombuffer(bytearray(b"a"), np.uint8), np.empty(64, np.uint8)
    mixer = _fresh(1)
    kernel.encode_tokens(mixer, vocabulary, data, code, _STREAM, entries, trace)
    kernel.finish(mixer, code)
    mixer = _fresh(1)
    kernel.start_decoder(mixer, code)
    kernel.decode_tokens(mixer, vocabulary, data, code, _STREAM, sums[None], entries)


class _Reading:
    """What a model says after the tokens so far, token after token, window after window."""

    def __init__(self, loaded: Loaded, windows: Windows, threads: int) -> None:
        self._loaded = loaded
        self._context = engine.Context(loaded.model, windows.window, threads)
        self._vocabulary = loaded.tokenizer.vocabulary
        self._said: list[int] = []  # tokens; an escape, which none says, is the beginning
        self._spans = windows.spans()
        self._span = next(self._spans)
        self._sums = np.empty(self._vocabulary.order.size + 1, np.int64)

    def sums(self) -> np.ndarray:
        """int64[entries + 1]: cumulative sums for the next token, until the next call.

        To be called once before each :meth:`take`.
        """
        index = len(self._said)
        if index == self._span.last:
            self._span = next(self._spans)
        if index == self._span.first:
            self._context.clear()
            logits = self._context.read(self._loaded.begin)
            for token in self._said[self._span.context :]:
                logits = self._context.read(token)
        else:
            logits = self._context.read(self._said[-1])
        never = self._loaded.mask.after(self._said[-1] if index else self._loaded.begin)
        if not tokens.cumulate(logits, self._vocabulary.order, never, self._sums):
            raise ModelError("the model computes what is no number; choose another one")
        return self._sums

    def take(self, entry: int) -> None:
        """Go on by an entry."""
        token = int(self._vocabulary.order[entry])
        self._said.append(token if token >= 0 else self._loaded.begin)


def _fresh(size: int) -> kernel.State:
    return state.fresh(size, np.zeros(1, np.int64), np.array([size], np.int64))


def _position(mixers: list[kernel.State]) -> int:
    """Bytes that are coded, or decoded."""
    return sum(int(mixer.at[0]) for mixer in mixers)
