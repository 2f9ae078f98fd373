"""What a level would take for a file, estimated from parts of it that are coded here and now.

Three things make the parts unlike the whole, and are reckoned with. The whole has repeats that lie
between the parts: zstandard, which is quick enough for all of the sample, shows what they are
worth. Beyond that, context mixing learns from all that it sees: how fast is seen from parts of two
sizes. And a language model is the slower the longer its window (:mod:`ncz.models.text.pace`).
Of a
picture, some squares are coded by their pixels, and the rest is taken to be like them. Loading
machine code and models is timed by itself. What is left is an estimate:
``python -m ncz.corpora.foresight FILE…`` shows how far it is off.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from ncz.codec import crew
from ncz.codec.coder import Coder
from ncz.codec.errors import ModelMissing, NczError
from ncz.formats import coders, levels, oneshot
from ncz.formats.levels import DEFAULT, Plan
from ncz.formats.options import CompressOptions, fit_threads, held, planned
from ncz.formats.sample import PIECE, Sample, spread

if TYPE_CHECKING:
    from ncz.models.text import pace
    from ncz.models.text.coder import TextCoder

T = TypeVar("T")

CPU = "cpu"

_FRAME = 77  # bytes of a file of one block beside the coded ones
_BLOCK = 40  # bytes of the head and the entry of each block more
_FIRST = 32 << 10  # bytes that show how quick context mixing is, and that are restored
_MOST = 128 << 10  # bytes that it codes, if it is quick enough
_SLOWER = 0.75  # of what four times the content have taught, the next four times teach
_LEAST_STEP = 2.0  # less content tells less
_PATIENCE_S = 1.5  # for coding them
_LOOKED_AT = 64 << 10  # bytes of which it is seen how much the language model is asked about
_PYTHON = 25 << 20  # bytes of a process that has done nothing yet,
_COMPILED = 185 << 20  # and more with the machine code of context mixing


@dataclass(frozen=True)
class Estimate:
    """What a level would take for a file; or why that is not known, and all numbers are None.

    Attributes:
        level: 1 to 9.
        device: what computes the language model, if there is one: ``cpu``, ``cuda:0``.
        seconds_in: to compress,
        seconds_out: and to restore, once all is ready.
        seconds_ready: until machine code and models are loaded, once in a run.
        memory: bytes at the peak of either.
        size: bytes of the compressed file.
        how: what this is based on, or the reason.
    """

    level: int
    device: str
    seconds_in: float | None
    seconds_out: float | None
    seconds_ready: float | None
    memory: int | None
    size: int | None
    how: str


class Calibration:
    """What was measured on a sample, each thing once. For one thread.

    Args:
        sample: of the content.
        device: that computes language models, such as ``cpu`` or ``cuda:0``; None for the one that
            was chosen for this process.
    """

    def __init__(self, sample: Sample, device: str | None = None) -> None:
        self._sample = sample
        self._device = device
        self._mixing: dict[int, _Rate] = {}
        self._texts: dict[object, _Text | None] = {}
        self._readings: dict[object, pace.Reading] = {}
        self._ready: dict[object, float] = {}

    def on(self, device: str) -> Calibration:
        """Of the same sample for another device; what does not depend on it is kept."""
        other = Calibration(self._sample, device)
        other._mixing = self._mixing
        other._ready = {key: spent for key, spent in self._ready.items() if isinstance(key, bool)}
        return other

    def estimate(self, options: CompressOptions) -> Estimate:
        """What compressing by `options`, without a `gguf`, takes. No model is fetched for it.

        Where a circuit is no help, it is what compressing takes without.
        """
        device = self._device or CPU
        try:
            with self._on_device():
                if options.circuit is not None and self._sample.size:
                    return self._with_circuit(options, device)
                plan = planned(options)
                if self._sample.size:
                    return self._estimate(options, plan, device)
            nothing = len(oneshot.compress(b"", min(options.level, DEFAULT)))
            return Estimate(options.level, device, 0.0, 0.0, 0.0, _PYTHON, nothing, "empty")
        except ModelMissing as error:
            how = f"{error.name} is not here: ncz models pull {error.name}"
        except NczError as error:
            how = str(error)
        return Estimate(options.level, device, None, None, None, None, None, how)

    def seconds_in(self, options: CompressOptions) -> float:
        """Seconds to compress, one block after another, which are the sooner known by themselves.

        Raises:
            ModelMissing, NczError: the level's model is not here, or cannot be used.
        """
        with self._on_device():
            plan = planned(options)
            block = max(1, min(self._sample.size, plan.block_size))
            return self._block_in(options.level, plan, block) * self._sample.size / block

    def _on_device(self) -> AbstractContextManager[None]:
        if self._device is None:
            return nullcontext()
        from ncz.models.language import devices

        return devices.using(self._device)

    def _estimate(self, options: CompressOptions, plan: Plan, device: str) -> Estimate:
        level, size = options.level, self._sample.size
        block = min(size, plan.block_size)
        blocks = -(-size // block)
        rate = self._rate(level)
        seconds_in = self._block_in(level, plan, block)
        seconds_out, coded, how = rate.seconds_out * block, rate.coded * block, rate.how
        ready = self._ready[level > 1]
        if plan.models:
            from ncz.models.text.pace import STREAM

            coder = _as_text(plan.coders[-1])
            text = self._text(coder)
            ready += self._ready[_models(coder)]
            if text is None:
                how = f"no text for a model: as -{DEFAULT}"
            else:
                part = math.ceil(block * text.share)
                reading = self._reading(coder, text)
                streams = reading.cut(coder, part)[1]
                seconds_out *= 1 - text.share
                seconds_out += text.restoring(coder, reading, streams).seconds(coder, reading, part)
                # What is no text takes more than its share of the coded bytes, or less.
                of_text = min(1.0, text.share * text.alone / rate.coded)
                coded *= 1 - of_text * (1 - text.ratio)
                coded = min(coded + STREAM * (streams - 1), rate.coded * block)
                how = f"{len(text.data):,} bytes of its text"
        limit = options.memlimit
        threads = min(fit_threads(options.threads, plan.memory, plan.block_size, limit), blocks)
        memory = threads * replace(plan, block_size=block).memory
        memory += held(threads, block)
        waves = max(1.0, size / block / (1 if plan.models else min(threads, crew.cores())))
        return Estimate(
            level,
            device,
            seconds_in * waves,
            seconds_out * waves,
            ready,
            memory + _PYTHON + (_COMPILED if level > 1 else 0),
            min(round(coded * size / block), size) + _FRAME + _BLOCK * (blocks - 1),
            how,
        )

    def _with_circuit(self, options: CompressOptions, device: str) -> Estimate:
        size, level = self._sample.size, options.level
        ready, plan = _timed(lambda: planned(options))
        within, named = plan.coders[-2:]
        mixing = self._rate(level)
        records = self._of_records(plan, named)
        if records is None or (not options.only and records.coded >= mixing.coded):
            if options.only:
                raise NczError("not the records of the circuit")
            plain = replace(options, circuit=None)
            found = self._estimate(plain, planned(plain), device)
            return replace(found, how=f"not the records of {plan.models[0].name}: as -{level}")
        block = min(size, plan.block_size)
        blocks = -(-size // block)
        file = len(coders.with_circuit(within, b""))
        inside = (records.coded * block + file) < mixing.coded * block
        threads = fit_threads(options.threads, plan.memory, plan.block_size, options.memlimit)
        threads = min(threads, blocks)
        waves = max(1.0, size / block / min(threads, crew.cores())) * block
        others = 0.0 if options.only else mixing.seconds_in  # tried, too, where records are coded
        return Estimate(
            level,
            device,
            (records.seconds_in + others) * waves,
            records.seconds_out * waves,
            ready + self._ready[level > 1],
            threads * replace(plan, block_size=block).memory
            + held(threads, block)
            + _PYTHON
            + _COMPILED,
            round(records.coded * size) + inside * file * blocks + _FRAME + _BLOCK * (blocks - 1),
            f"circuit {plan.models[0].name}, {records.how}",
        )

    def _of_records(self, plan: Plan, named: Coder) -> _Rate | None:
        """What the coder of records takes; None where these are not its records."""
        assert plan.cut is not None
        data = self._sample.data[: min(_MOST, plan.block_size)]
        whole = len(data) == self._sample.size
        part = data if whole else data[: plan.cut(data, len(data))]
        if named.encode(part) is None:  # compiles, too
            return None
        seconds_in, coded = _timed(lambda: named.encode(part))
        assert coded is not None
        seconds_out, _ = _timed(lambda: named.decode(coded, len(part)))
        how = "all of it" if whole else f"{len(part):,} bytes of it"
        size = len(part)
        return _Rate(seconds_in / size, seconds_out / size, len(coded) / size, how)

    def _block_in(self, level: int, plan: Plan, block: int) -> float:
        """Seconds to encode one block of `block` bytes."""
        mixing = self._rate(level).seconds_in * block
        coder = plan.coders[-1]
        again = 2 if plan.verifies(coder) else 1  # decoding takes about as long
        if not plan.models:
            return again * mixing
        if coder.spec.id == coders.LLAMA:
            from ncz.models.llama.coder import LlamaCoder

            assert isinstance(coder, LlamaCoder)
            return mixing + again * coder.seconds(block)
        text = self._text(_as_text(coder))
        if text is None:
            return again * mixing
        part = math.ceil(block * text.share)
        reading = self._reading(_as_text(coder), text)
        # Contexts alone code everything, too, to see where the model pays.
        seconds = 2 * mixing + reading.seconds(_as_text(coder), part)
        if again > 1:
            streams = reading.cut(_as_text(coder), part)[1]
            back = text.restoring(_as_text(coder), reading, streams)
            seconds += back.seconds(_as_text(coder), reading, part)
        return seconds

    def _rate(self, level: int) -> _Rate:
        """What the coder of bytes at `level` takes, which stands beside a model in the upper."""
        level = min(level, DEFAULT)
        if level not in self._mixing:
            plan = levels.plan(level)
            if (level > 1) not in self._ready:
                self._ready[level > 1] = _timed(lambda: levels.encode(plan, _PLAIN))[0]
            rate = self._rated(plan, level)
            of_picture = self._of_picture(plan) if plan.pictures else None
            if of_picture is not None and of_picture.coded < rate.coded:
                rate = of_picture
            self._mixing[level] = rate
        return self._mixing[level]

    def _of_picture(self, plan: Plan) -> _Rate | None:
        """What the coder of pictures takes; None where this is no picture for it."""
        sample = self._sample
        first = sample.data if sample.whole else sample.data[:PIECE]
        spent, seen = _timed(lambda: coders.picture_part(first, sample.size))
        if seen is None:
            return None
        plan = levels.with_pictures(plan)
        levels.encode(plan, seen.part)  # compiles
        seconds_in, (index, coded) = _timed(lambda: levels.encode(plan, seen.part))
        seconds_out, _ = _timed(lambda: plan.coders[index].decode(coded, len(seen.part)))
        # What a stream is made of is made anew about as long as it was looked for.
        whole_in, whole_out, whole = (
            seen.times * part + more
            for part, more in ((seconds_in, spent), (seconds_out, spent), (len(coded), seen.beside))
        )
        how = f"{len(seen.part):,} bytes of its pixels"
        return _Rate(whole_in / sample.size, whole_out / sample.size, whole / sample.size, how)

    def _rated(self, plan: Plan, level: int) -> _Rate:
        sample = self._sample
        if level == 1:
            return _measured(plan, sample.data, sample.data, sample.whole)
        first = sample.take(_FIRST)
        spent, few = _timed(lambda: _coded(plan, first))
        size = int(len(first) * _PATIENCE_S / max(spent, 1e-6))
        part = sample.take(max(len(first), min(size, _MOST)))
        rate = _measured(plan, part, first, len(part) == sample.size)
        if len(part) == sample.size:
            return rate
        quick = levels.plan(1)
        few_quick, quick_coded = _coded(quick, first) / few, _coded(quick, part) / len(part)
        coded = rate.coded * self._rate(1).coded / quick_coded
        if len(part) > len(first):
            gained = rate.coded / quick_coded * few_quick
            block = min(plan.block_size, sample.size)
            coded *= _learned(gained, len(part) / len(first), block / len(part))
        return replace(rate, coded=min(1.0, coded))

    def _text(self, coder: TextCoder) -> _Text | None:
        """The text in the sample, and what became of it."""
        from ncz.models.text import pace

        key = _models(coder)
        if key not in self._texts:
            self._ready[key] = _timed(lambda: pace.prepare(coder))[0]
            part = self._sample.take(_LOOKED_AT)
            asked = pace.modelled(coder, part)
            data = spread(asked, pace.enough(coder) or len(asked))
            coding = pace.coding(coder, data) if data else None
            if coding is None:
                self._texts[key] = None
            else:
                alone = len(levels.encode(levels.plan(DEFAULT), data)[1])
                self._texts[key] = _Text(
                    data,
                    len(asked) / len(part),
                    alone / len(data),
                    min(1.0, coding.coded / alone),
                    coding,
                )
        return self._texts[key]

    def _reading(self, coder: TextCoder, text: _Text) -> pace.Reading:
        from ncz.models.text import pace

        key = _models(coder), coder.windows
        if key not in self._readings:
            self._readings[key] = pace.reading(coder, text.coding)
        return self._readings[key]


@dataclass(frozen=True)
class _Rate:
    """What a coder of bytes takes for each of them: seconds, and coded bytes."""

    seconds_in: float
    seconds_out: float
    coded: float
    how: str


@dataclass(frozen=True)
class _Text:
    """Text that a language model is asked about.

    Attributes:
        data: some of it.
        share: of all bytes.
        alone: coded bytes for each of `data`, by contexts alone.
        ratio: those with the model, as a part of them.
        coding: what became of `data`.
    """

    data: bytes
    share: float
    alone: float
    ratio: float
    coding: pace.Coding

    def restoring(self, coder: TextCoder, reading: pace.Reading, streams: int) -> pace.Restoring:
        from ncz.models.text import pace

        return pace.restoring(coder, self.data, reading.token, streams)


_PLAIN = b"Loads and compiles everything.\n"


def _learned(gained: float, by: float, times: float) -> float:
    """What is left of the coded bytes of `times` as many, for what is learned from them.

    Args:
        gained: what was left, beside zstandard's, of those of `by` as many.
        by: more than 1.
        times: at least 1.
    """
    of_four = min(1.0, gained) ** (math.log(4) / math.log(max(by, _LEAST_STEP)))
    return float(of_four ** (_SLOWER / (1 - _SLOWER) * (1 - _SLOWER ** math.log(times, 4))))


def _measured(plan: Plan, data: bytes, first: bytes, whole: bool) -> _Rate:
    """The rate of the coder of bytes of `plan`: coding `data`, and restoring `first`."""
    seconds_in, coded = _timed(lambda: _coded(plan, data))
    index, code = levels.encode(plan, first[: plan.block_size])
    size = min(len(first), plan.block_size)
    seconds_out, _ = _timed(lambda: plan.coders[index].decode(code, size))
    how = "all of it" if whole else f"{len(data):,} bytes of it"
    return _Rate(seconds_in / len(data), seconds_out / size, coded / len(data), how)


def _coded(plan: Plan, data: bytes) -> int:
    """Coded bytes of the blocks of `data`."""
    starts = range(0, len(data), plan.block_size)
    return sum(len(levels.encode(plan, data[at : at + plan.block_size])[1]) for at in starts)


def _as_text(coder: object) -> TextCoder:
    from ncz.models.text.coder import TextCoder

    assert isinstance(coder, TextCoder)
    return coder


def _models(coder: TextCoder) -> object:
    return coder.model, coder.second


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result
