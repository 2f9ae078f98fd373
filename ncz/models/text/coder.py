"""The text coder: a language model mixed with contexts, a block at a time.

Coded data: the head (:mod:`ncz.models.text.layout`); where a part of the block is not text,
the size of the coded text; the range coder's bytes of the text; what is not text, coded by
:mod:`ncz.models.contextmix`, or stored. Which bytes are text and where the model pays is the
encoder's choice (:mod:`ncz.models.text.segments`).

The order of coding. Streams go side by side in rounds, each with its tokens by their index;
the index of a stream other than the first begins after the prefix. At the start of a round,
every stream that takes part codes the runs of contexts alone that stand where it is. Then
every stream that is not at its end codes a token. Streams are visited in their order.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from ncz.codec import varint
from ncz.codec.coder import CoderSpec, ModelRef
from ncz.codec.errors import FormatError, UnsupportedError
from ncz.codec.jit import compiling, prove
from ncz.codec.meter import metered
from ncz.models.contextmix.coder import ContextMix
from ncz.models.language import devices
from ncz.models.language.network import Cache, Engine
from ncz.models.text import framing, kernel, layout, segments, state
from ncz.models.text.layout import BYTES, MODEL, Layout
from ncz.models.text.loading import Ready, ready
from ncz.models.text.predictor import Predictor
from ncz.models.text.second import Second
from ncz.models.text.windows import MAX_STREAMS, Windows, default_streams

CODER_ID = 3
REVISION = 1


class TextCoder:
    """A coder of one or two models and one way to cut windows. Holds no state between blocks.

    Args:
        model: which language model.
        windows: what it sees.
        second: a second model, which has opinions at the first one's decisions.
        index: the place of the models, in this order, in the header's table.
        streams: of every block, or None for as many as :func:`default_streams` says.
        load: how to get the model ready.
    """

    exact = True

    def __init__(
        self,
        model: ModelRef,
        windows: Windows,
        *,
        second: ModelRef | None = None,
        index: int = 0,
        streams: int | None = None,
        load: Callable[[ModelRef], Ready] = ready,
    ) -> None:
        if streams is not None and not 1 <= streams <= MAX_STREAMS:
            raise ValueError(f"streams are 1 to {MAX_STREAMS}, not {streams}")
        self.model = model
        self.second = second
        self.windows = windows
        self._index = index
        self.streams = streams
        self._load = load

    @property
    def name(self) -> str:
        """``text``, the window and the models' names."""
        beside = f" and {self.second.name}" if self.second else ""
        return f"text-{self.windows.window} with {self.model.name}{beside}"

    @property
    def threads(self) -> int:
        """How many windows are computed at once; the model has to be here."""
        return self.ready().predictor.share.threads

    @property
    def spec(self) -> CoderSpec:
        """Revision, number of models, their place in the header's table, and the windows."""
        models = bytes([REVISION, self._models]) + varint.encode(self._index)
        return CoderSpec(CODER_ID, models + self.windows.pack())

    @property
    def _models(self) -> int:
        return 2 if self.second else 1

    def beside(self, first: Ready) -> Second | None:
        """The second model made ready beside the first, None where there is one only."""
        if self.second is None:
            return None
        return first.beside(self.second, self._load_second(self.second))

    def _load_second(self, second: ModelRef) -> Ready:
        """The second model is read a token at a time, which is no work for a GPU."""
        with devices.using(devices.CPU):
            return self._load(second)

    def cut(self, streams: int) -> TextCoder:
        """The same with so many streams, none of which sees the beginning of another."""
        return TextCoder(
            self.model,
            Windows(self.windows.window, self.windows.hop, 0),
            second=self.second,
            index=self._index,
            streams=streams,
            load=self._load,
        )

    def encode(self, raw: bytes) -> bytes | None:
        """Coded bytes of a non-empty block, or None where the model would not pay.

        Raises:
            ModelMissing: the model is not here.
        """
        model = self.ready()
        with model.lock:
            self._prove(model)
            runs = segments.plan(raw, model)
            if not any(run.kind == MODEL for run in runs):
                return None
            return self._encode(raw, runs, model)

    def _encode(self, raw: bytes, runs: tuple[layout.Run, ...], model: Ready) -> bytes:
        plan = _plan(raw, runs, model, self.streams, self.windows)
        text = plan.text
        starts = np.array([0, *plan.layout.ends[:-1]], np.int64)
        ends = np.array(plan.layout.ends, np.int64)
        mixer = state.fresh(text.size, starts, ends, self._models)
        second = self.beside(model)
        code = np.empty(len(raw) + 64, np.uint8)
        vocabulary = model.predictor.vocabulary
        prefix = self.windows.prefix if len(starts) > 1 else 0
        waiting = plan.contexts_alone(prefix)
        model.predictor.read_ahead = 0
        position = partial(_encoded, mixer, model.predictor, text.size, plan.entries.size)
        with metered(position, text.size, len(raw)):
            for coded in model.predictor.encode(plan.streams(), self.windows, second):
                at = trace_at = 0
                trace_ends = np.cumsum(coded.counts)
                while at < coded.rounds.size:
                    # Up to the round before which contexts alone have a turn.
                    stop = coded.rounds.size
                    if waiting:
                        stop = int(np.searchsorted(coded.rounds, waiting[0][0]))
                        if stop <= at:
                            _, stream, length = waiting.pop(0)
                            kernel.encode_bytes(mixer, text, code, stream, length)
                            continue
                    trace_end = int(trace_ends[stop - 1])
                    kernel.encode_tokens(
                        mixer,
                        vocabulary,
                        text,
                        code,
                        coded.streams[at:stop],
                        coded.entries[at:stop],
                        coded.trace[trace_at:trace_end],
                        second_trace=coded.second[trace_at:trace_end] if second else None,
                    )
                    at, trace_at = stop, trace_end
            for _, stream, length in waiting:
                kernel.encode_bytes(mixer, text, code, stream, length)
        size = kernel.finish(mixer, code)
        if size > code.size:
            return raw + b"\0"  # longer than the block: whoever asked will not take it
        return framing.pack(plan.layout, code[:size].tobytes(), plan.other)

    def cuts_alike(self, coded: bytes, raw: bytes) -> bool:
        """Whether `coded` has the streams that :meth:`encode` would make of `raw` now.

        How many they are is the encoder's choice. Computes no probability.
        """
        try:
            found, _ = layout.parse(coded, len(raw))
        except FormatError:
            return False
        if not any(run.kind == MODEL for run in found.runs):
            return False
        model = self.ready()
        with model.lock:
            return _plan(raw, found.runs, model, self.streams, self.windows).layout == found

    def decode(self, coded: bytes, raw_size: int) -> bytes:
        """The raw bytes of a block.

        Raises:
            FormatError: the coded data breaks the coder's framing.
            ModelMissing: the model is not here.
        """
        found, coded_text, other = framing.split(coded, raw_size)
        model = self.ready()
        with model.lock:
            self._prove(model)
            text = self._decode(coded_text, found, model, len(coded))
        return framing.join(found, text, other)

    def _decode(self, coded: bytes, found: Layout, model: Ready, coded_size: int) -> np.ndarray:
        text = np.zeros(found.text_size, np.uint8)
        ends = np.array(found.ends, np.int64)
        starts = np.array([0, *found.ends[:-1]], np.int64)
        mixer = state.fresh(text.size, starts, ends, self._models)
        second = self.beside(model)
        code = np.frombuffer(bytearray(coded), np.uint8)
        kernel.start_decoder(mixer, code)
        predictor = model.predictor
        alone = dict(found.text_runs())
        longest = int((ends - starts).max())  # no token is shorter than a byte
        decoding = predictor.decoder(self.windows, starts.size, longest, second)
        entries = np.empty(starts.size, np.int32)
        active = np.flatnonzero(starts < ends)
        with metered(partial(_mixed, mixer), text.size, coded_size):
            while active.size:
                turn = decoding.turn(active)
                if alone:
                    for stream in turn.tolist():
                        while length := alone.pop(int(mixer.at[stream]), 0):
                            kernel.decode_bytes(mixer, text, code, stream, length)
                    active = active[mixer.at[active] < ends[active]]
                    turn = turn[mixer.at[turn] < ends[turn]]
                if turn.size == 0:
                    if active.size:
                        raise FormatError("the first stream ends within the prefix of all")
                    break
                sums, opinions = decoding.sums(turn)
                kernel.decode_tokens(
                    mixer,
                    predictor.vocabulary,
                    text,
                    code,
                    turn,
                    sums,
                    entries,
                    second.vocabulary if second else None,
                    opinions,
                )
                decoding.take(turn, entries[: turn.size])
                active = active[mixer.at[active] < ends[active]]
        return text

    def _prove(self, model: Ready) -> None:
        """Have everything compiled before the first block, and see that it can be read back.

        Raises:
            NczError: it cannot.
        """
        if self.second in model.proven:
            return
        with compiling("the text coder"):
            runs = (layout.Run(MODEL, len(_PROBE)),)
            coded = self._encode(_PROBE, runs, model)
            found, at = layout.parse(coded, len(_PROBE))
            text = self._decode(coded[at:], found, model, len(coded))
        prove("text coder", text.tobytes(), _PROBE)
        model.proven.add(self.second)

    def ready(self) -> Ready:
        """The first model, in the memory.

        Raises:
            ModelMissing: it is not here.
            ModelError: its file is damaged, or its windows are shorter.
        """
        model = self._load(self.model)
        self.windows.check(self.model.name, model.predictor.network.model.shape.context)
        model.predictor.check(self.windows)
        return model

    def memory(self, raw_size: int) -> int:
        """Bytes of working memory for a block of `raw_size`, the model's included.

        For decoding, of as many streams as ncz makes of it unless told otherwise.
        """
        return self._memory(
            self.streams or default_streams(raw_size, self.windows.window), raw_size
        )

    def memory_of(self, coded: bytes, raw_size: int) -> int:
        """The same for a coded block, with the streams that it has.

        Raises:
            FormatError: its head is damaged.
        """
        found, _ = layout.parse(coded, raw_size)
        return self._memory(len(found.ends), raw_size)

    def _memory(self, streams: int, raw_size: int) -> int:
        places = min(self.windows.window, raw_size + self.windows.prefix + 1)
        models = _memory(self.ready().predictor.network, streams, places)
        if self.second:
            second = self._load_second(self.second).predictor.network
            most = min(2 * self.windows.window, second.model.shape.context)
            models += _memory(second, streams, most)
        return models + ContextMix(framing.BYTES_LEVEL).memory(raw_size) + 4 * raw_size + _ENGINE


_READING = 0.9  # of the time that coding takes is the model's
_PROBE = b"ncz is exact\r\n\xff"
_ENGINE = 200 << 20  # bytes: buffers of a chunk, logits of some rows, and what torch takes


def _memory(network: Engine, streams: int, places: int) -> int:
    model = network.model
    # The embedding, and its rows in the order of the vocabulary, for the output.
    tables = 2 * model.embedding.weight.nbytes
    return network.size + tables + Cache.memory(model, streams, places)


def from_params(
    params: bytes, models: tuple[ModelRef, ...], load: Callable[[ModelRef], Ready] = ready
) -> TextCoder:
    """The coder that a file's header asks for.

    Raises:
        UnsupportedError: another revision.
        FormatError: parameters that break the rules.
    """
    if not params or params[0] != REVISION:
        raise UnsupportedError(
            f"this file needs the text coder with parameters {params.hex()}, and this ncz knows "
            f"revision {REVISION} only; install a newer ncz"
        )
    try:
        count = params[1] if len(params) > 1 else 0
        index, at = varint.decode(params, 2)
        window, at = varint.decode(params, at)
        hop, at = varint.decode(params, at)
        prefix, at = varint.decode(params, at)
        if at != len(params) or not 1 <= count <= 2 or index + count > len(models):
            raise ValueError("too long, or naming a model that the header lacks")
        windows = Windows(window, hop, prefix)
    except (varint.Incomplete, ValueError) as error:
        raise FormatError(f"the text coder's parameters are damaged: {error}") from None
    second = models[index + 1] if count == 2 else None
    return TextCoder(models[index], windows, second=second, index=index, load=load)


@dataclass(frozen=True)
class _Plan:
    """A block, ready to be coded.

    Attributes:
        layout: runs and streams.
        text: uint8[n].
        other: what is not text.
        entries: int32[m]: all tokens.
        before: int64[m]: for each the start of it in the text.
    """

    layout: Layout
    text: np.ndarray
    other: bytes
    entries: np.ndarray
    before: np.ndarray

    def _cuts(self) -> list[int]:
        return [0, *np.searchsorted(self.before, self.layout.ends).tolist()]

    def streams(self) -> list[np.ndarray]:
        """The tokens of each stream."""
        return [self.entries[a:b] for a, b in itertools.pairwise(self._cuts())]

    def contexts_alone(self, prefix: int) -> list[tuple[int, int, int]]:
        """Round, stream and length of every run of contexts alone, in the order of coding."""
        cuts, found = self._cuts(), []
        for start, length in self.layout.text_runs():
            stream = int(np.searchsorted(self.layout.ends, start, side="right"))
            token = int(np.searchsorted(self.before, start))
            found.append((token - cuts[stream] + (prefix if stream else 0), stream, length))
        return sorted(found, key=lambda run: run[:2])


def _plan(
    raw: bytes, runs: tuple[layout.Run, ...], model: Ready, streams: int | None, windows: Windows
) -> _Plan:
    entries, before, text, other = [], [], [], []
    size = modelled = 0
    v = model.predictor.vocabulary
    for run, piece in layout.pieces(raw, runs):
        if run.kind == BYTES:
            other.append(piece)
            continue
        text.append(piece)
        if run.kind == MODEL:
            found = model.entries(piece)
            ends = np.cumsum(v.length[found], dtype=np.int64)
            entries.append(found)
            before.append(size + ends - v.length[found])
            modelled += run.length
        size += run.length
    whole, starts = np.concatenate(entries), np.concatenate(before)
    count = streams or default_streams(modelled, windows.window)
    cuts = layout.cut(starts, size, count)
    while count > 1 and np.searchsorted(starts, cuts[0]) < windows.prefix:
        count //= 2  # the first stream has to say the prefix of all
        cuts = layout.cut(starts, size, count)
    return _Plan(
        Layout(runs, cuts),
        np.frombuffer(bytearray(b"".join(text)), np.uint8),
        b"".join(other),
        whole,
        starts,
    )


def _mixed(mixer: kernel.State) -> int:
    """Bytes of the text that are coded."""
    return int((mixer.at - mixer.start).sum())


def _encoded(mixer: kernel.State, predictor: Predictor, size: int, tokens: int) -> int:
    """Bytes of `size` that are done: the model reads windows of all streams ahead of coding."""
    read = size * predictor.read_ahead // tokens
    return int(_READING * read + (1 - _READING) * _mixed(mixer))
