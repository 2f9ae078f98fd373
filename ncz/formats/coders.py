"""From the coder id in a file's header to the coder: the one place where ids are known.

Coders are imported when asked for: a file without language models decodes without torch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ncz.codec.coder import Coder, CoderSpec, ModelRef
from ncz.codec.errors import FormatError, ModelError, NczError, UnsupportedError

if TYPE_CHECKING:
    from ncz.formats.pixels.glimpse import Glimpse
    from ncz.formats.pixels.raster import Raster

_NOISY = 3 / 16  # of its bytes are what a photograph takes at least
Cut = Callable[[bytes, int], int]
"""Where a block that starts with some bytes ends best, within so many."""

STORE, ZSTD, CONTEXTMIX, TEXT, LLAMA, RECORDS, CIRCUIT, PIXELS, LATENTS = range(9)
WITH_MODELS = (TEXT, LLAMA, CIRCUIT, LATENTS)
"""The coders that need what the header lists as models."""


def from_spec(spec: CoderSpec, models: tuple[ModelRef, ...] = ()) -> Coder:
    """The coder that decodes what `spec` says, in a file whose header lists `models`.

    Raises:
        UnsupportedError: this build does not know the coder, or not these parameters of it.
    """
    if spec.id == STORE:
        if spec.params:
            raise UnsupportedError("this file's store coder has parameters; install a newer ncz")
        return store()
    if spec.id == ZSTD:
        from ncz.codec import zstd

        return zstd.from_params(spec.params)
    if spec.id == CONTEXTMIX:
        from ncz.models import contextmix

        return contextmix.from_params(spec.params)
    if spec.id == TEXT:
        from ncz.models.text import coder

        return coder.from_params(spec.params, models)
    if spec.id == LLAMA:
        from ncz.models.llama import coder as llama

        return llama.from_params(spec.params, models)
    if spec.id in (RECORDS, CIRCUIT):
        from ncz.formats.records import coder as of_records

        return of_records.from_spec(spec, models)
    if spec.id == LATENTS:
        from ncz.models.image import codec

        return codec.from_spec(spec, models)
    if spec.id == PIXELS:
        from ncz.formats.pixels import coder as of_pixels

        return of_pixels.from_params(spec.params)
    raise UnsupportedError(
        f"this file needs coder {spec.id}, which this ncz does not know; install a newer ncz"
    )


def name(spec: CoderSpec, models: tuple[ModelRef, ...] = ()) -> str:
    """The name of the coder that `spec` asks for, ``unknown (ID)`` if this build lacks it."""
    try:
        return from_spec(spec, models).name
    except NczError:
        return f"unknown ({spec.id})"


def cuts_alike(coder: Coder, coded: bytes, raw: bytes) -> bool:
    """Whether `coder` would cut `raw` into the streams that `coded` has, which no header says."""
    if coder.spec.id != TEXT:
        return True
    from ncz.models.text.coder import TextCoder

    return not isinstance(coder, TextCoder) or coder.cuts_alike(coded, raw)


def memory_of(coder: Coder, coded: bytes, raw_size: int) -> int:
    """Bytes of working memory that `coder` takes to decode this block, all that it says counted.

    Raises:
        FormatError: its head is damaged.
        NczError: as decoding does.
    """
    spec_id = coder.spec.id
    if spec_id == TEXT:
        from ncz.models.text.coder import TextCoder

        if isinstance(coder, TextCoder):
            return coder.memory_of(coded, raw_size)
    if spec_id in (RECORDS, CIRCUIT):
        from ncz.formats.records.coder import RecordsCoder

        if isinstance(coder, RecordsCoder):
            return coder.memory_of(coded, raw_size)
    if spec_id == PIXELS:
        from ncz.formats.pixels.coder import PixelsCoder

        if isinstance(coder, PixelsCoder):
            return coder.memory_of(coded, raw_size)
    return coder.memory(raw_size)


def store() -> Coder:
    """The coder that copies."""
    from ncz.codec.store import Store

    return Store()


def zstd(level: int) -> Coder:
    """Zstandard at one of its own levels, 1 to 22."""
    from ncz.codec.zstd import Zstd

    return Zstd(level)


def contextmix(level: int) -> Coder:
    """Context mixing at an ncz level, 2 to 6."""
    from ncz.models import contextmix

    return contextmix.coder(level)


def pixels(row: Raster | None = None) -> Coder:
    """The coder of pictures; for later blocks of one, with a row of it."""
    from ncz.formats.pixels.coder import PixelsCoder

    return PixelsCoder(row)


def settles(coder: Coder, coded: bytes, raw_size: int) -> bool:
    """Whether `coder` has made so much of a block that bytes need not be tried: of a photograph.

    It has noise in it, so that nothing in it occurs twice, and a part of it has been tried.
    """
    if coder.spec.id != PIXELS:
        return False
    from ncz.formats.pixels.coder import PHOTO_CD, WAYS, way

    told = way(coded)
    noisy = _NOISY * raw_size < len(coded) < raw_size
    return told == PHOTO_CD or (noisy and told != WAYS[0])


def goes_on(raw: bytes) -> tuple[Raster, Cut] | None:
    """Of a picture that starts with `raw` and has rows beyond it: a row, and where blocks end."""
    from ncz.formats.pixels import raster

    row = raster.beyond(raw)
    return None if row is None else (row, partial(raster.cut, row, raw[: row.start]))


def starts_picture(raw: bytes) -> bool:
    """Whether `raw` starts like a picture that :func:`pixels` may know."""
    from ncz.formats.pixels import detect

    return detect.looks(raw)


def picture_part(raw: bytes, size: int) -> Glimpse | None:
    """What stands for the picture in a file of `size` bytes that starts with `raw`."""
    from ncz.formats.pixels import glimpse

    return glimpse.glimpse(raw, size) if starts_picture(raw) else None


def whole_picture(raw: bytes, most: int) -> bool:
    """Whether `raw` starts like a file that :func:`pixels` takes only as a whole.

    With at most so many bytes of pixels.
    """
    from ncz.formats.pixels import detect

    if not detect.starts_png(raw):
        return False
    from ncz.formats.pixels import png

    return png.foreseen(raw, most)


def text(models: tuple[ModelRef, ...], windows: tuple[int, int, int], streams: int | None) -> Coder:
    """One or two language models, all that the header lists, mixed with contexts.

    Windows are window, hop and prefix in tokens.
    """
    from ncz.models.text.coder import TextCoder
    from ncz.models.text.windows import Windows

    second = models[1] if len(models) > 1 else None
    return TextCoder(models[0], Windows(*windows), second=second, streams=streams)


def llama(gguf: Path, windows: tuple[int, int, int]) -> tuple[Coder, ModelRef]:
    """llama.cpp with a GGUF file in place of the exact engine, in one stream, and its model.

    Windows are as for :func:`text`; they have no prefix here.
    """
    from ncz.models.llama.coder import make
    from ncz.models.text.windows import Windows

    coder = make(gguf, Windows(windows[0], windows[1], 0))
    return coder, coder.model


def with_circuit(coder: Coder, coded: bytes) -> bytes:
    """A block of records with their circuit, from the same coded by the circuit that is named."""
    from ncz.formats.records.coder import RecordsCoder

    assert isinstance(coder, RecordsCoder)
    return coder.around(coded)


def latents(model: ModelRef) -> Coder:
    """What codes the latents of pictures by these weights."""
    from ncz.models.image.codec import LatentsCoder

    return LatentsCoder(model)


def circuit(path: Path) -> tuple[tuple[Coder, Coder], ModelRef, Callable[[bytes, int], int]]:
    """A circuit as coders, standing in each block and named by a header, and as a model.

    The last is where blocks of its records are cut.

    Raises:
        ModelError: there is no circuit in that file, or one that is not of records.
    """
    from ncz.formats.records.coder import RecordsCoder, layout_of
    from ncz.models.circuit import files

    model = files.offer(path)
    try:
        layout = layout_of(files.find(model))
    except FormatError as error:
        raise ModelError(f"{path}: {error}; train one with: ncz train") from None
    return (RecordsCoder(data=files.read(path)), RecordsCoder(model)), model, layout.cut
