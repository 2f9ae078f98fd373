"""The decoder of each coder, alone: no check keeps anything from it.

An input is a size, a choice of parameters, and coded data. Decoding has to end, with as many
bytes as were asked for or with an error of the family, and the same bytes again.
"""

from __future__ import annotations

import functools
from pathlib import Path
from unittest import mock

import numpy as np

from fuzz.targets import Attack, Target
from ncz.codec.coder import Coder, ModelRef
from ncz.codec.errors import FormatError
from ncz.formats import coders
from ncz.formats.pixels.coder import PixelsCoder
from ncz.formats.records.coder import RecordsCoder
from ncz.models.image.codec import LatentsCoder
from ncz.models.image.exact import Integers
from ncz.models.language.exact import Exact
from ncz.models.llama import build, engine
from ncz.models.llama import coder as llama
from ncz.models.text import loading, segments
from ncz.models.text.coder import TextCoder
from ncz.models.text.loading import Ready
from ncz.models.text.windows import Windows
from tests import circuits
from tests.formats.pixels import streams
from tests.golden import make
from tests.models.image import tiny as tiny_image
from tests.models.language import tiny
from tests.models.llama import fake

_LONGEST = 400  # bytes of content
_TEXT = make.text(200)


def _attack(known: list[Coder]) -> Attack:
    def attack(data: bytes) -> None:
        if len(data) < 3:
            return
        size = 1 + (data[0] | data[1] << 8) % _LONGEST
        coder = known[data[2] % len(known)]
        try:
            raw = coder.decode(data[3:], size)
        except FormatError:
            return
        if len(raw) != size:
            raise AssertionError(f"{coder.name} gave {len(raw)} bytes, not {size}")
        if data[0] % 8 == 0 and coder.decode(data[3:], size) != raw:
            raise AssertionError(f"{coder.name} gave other bytes the second time")

    return attack


def _inputs(known: list[Coder], contents: list[bytes]) -> list[bytes]:
    found = []
    for index, coder in enumerate(known):
        for raw in contents:
            coded = coder.encode(raw)
            if coded is not None:
                found.append((len(raw) - 1).to_bytes(2, "little") + bytes([index]) + coded)
    return found


_KINDS = [_TEXT, make.records(240), make.machine_code(300), b"ab" * 60, make.MIXED[-1600:-1300]]


def _plain() -> list[Coder]:
    return [coders.zstd(1), coders.zstd(19), coders.store()]


def _mixing() -> list[Coder]:
    # The quick presets come more often; they differ in tables, not in code.
    return [coders.contextmix(preset) for preset in (2, 2, 2, 2, 3, 3, 4, 5, 6)]


@functools.cache
def _ready(which: str) -> Ready:
    model: Exact = tiny.model(which)
    return loading.of(model)


def _load(model: ModelRef) -> Ready:
    return _ready(model.name)


def _texts() -> list[Coder]:
    first, second = ModelRef(bytes(32), "llama"), ModelRef(bytes([1]) * 32, "gemma3")
    return [
        TextCoder(first, Windows(16, 12, 4), load=_load),
        TextCoder(first, Windows(64, 32, 8), streams=4, load=_load),
        TextCoder(second, Windows(32, 24, 0), second=first, load=_load),
    ]


def _text_inputs() -> list[bytes]:
    noise = make.noise(90)
    with mock.patch.object(segments, "PIECE", 40):
        return _inputs(_texts(), [_TEXT[:70], _TEXT, _TEXT[:80] + noise + _TEXT[:80], b"a\0b\xff"])


def _llama(folder: Path) -> Attack:
    return _attack(_fake_llama(folder))


def _fake_llama(folder: Path) -> list[Coder]:
    """The coder with the tests' engine in llama.cpp's place, for as long as the process lives."""
    for module, name, value in (
        (engine, "Model", fake.Model),
        (engine, "Context", fake.Context),
        (build, "here", lambda: fake.BUILD),
    ):
        mock.patch.object(module, name, value).start()
    path = folder / "tiny.gguf"
    if not path.exists():
        tiny.write_gguf(path)
    return [llama.make(path, Windows(*windows, 0)) for windows in ((64, 48), (16, 12))]


def _llama_inputs() -> list[bytes]:
    head = b"\x01\x00"  # one stream of one run
    rng = np.random.default_rng(1)
    return [bytes([60, 0, which]) + head + rng.bytes(40) for which in (0, 1)]


def _circuits() -> list[Coder]:
    return [RecordsCoder(data=data) for data in (circuits.of_pixels(), circuits.of_rows())]


def _circuit_inputs() -> list[bytes]:
    records = [circuits.pixels(40), b"ab" + circuits.pixels(3), circuits.rows(12)]
    return _inputs(_circuits(), [*records, circuits.rows(9) + b"an odd line\n7,e,twenty,1\nend"])


def _pixel_inputs() -> list[bytes]:
    steps = bytes((3 * x + y * y // 9) & 255 for y in range(20) for x in range(30))
    pictures = [b"P6 10 20 255\n" + steps, b"P5 15 20 65535\n" + steps, b"P5 30 20 255\n" + steps]
    return _inputs([PixelsCoder()], [*pictures, streams.png(4, 8)])


class _Latents(LatentsCoder):
    """By tiny weights, for which 400 bytes are a picture."""

    def _integers(self) -> Integers:
        integers: Integers = tiny_image.codec().integers
        return integers


def _latents() -> list[Coder]:
    return [_Latents(tiny_image.codec().ref)]


def _latent_inputs() -> list[bytes]:
    codec = tiny_image.codec()
    sizes = [(1, 1, 0), (17, 30, 100), (33, 20, 200)]
    pictures = [
        codec.analyse(tiny_image.picture(height, width, level), level).packed()
        for height, width, level in sizes
    ]
    return _inputs(_latents(), pictures)


TARGETS = {
    "zstd": Target(lambda folder: _attack(_plain()), lambda: _inputs(_plain(), _KINDS), 500),
    "contextmix": Target(
        lambda folder: _attack(_mixing()), lambda: _inputs(_mixing(), _KINDS), 500
    ),
    "text": Target(lambda folder: _attack(_texts()), _text_inputs, 500),
    "circuit": Target(lambda folder: _attack([RecordsCoder()] * 2), _circuit_inputs, 4000),
    "pixels": Target(lambda folder: _attack([PixelsCoder()]), _pixel_inputs, 500),
    "latents": Target(lambda folder: _attack(_latents()), _latent_inputs, 1000),
    "llama": Target(_llama, _llama_inputs, 300),
}
