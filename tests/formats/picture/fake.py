"""A codec of pictures in the learned one's place: it rounds samples, and has no weights."""

from __future__ import annotations

import hashlib
import struct
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ncz.codec.coder import CoderSpec, ModelRef
from ncz.codec.errors import FormatError, ModelMissing
from ncz.codec.zstd import Zstd

REF = ModelRef(hashlib.sha256(b"fake").digest(), "fake")
_HEAD = struct.Struct("<HHB")


class ImageCodec:
    """Samples in steps of 1 (quality 100) to 100."""

    floats = True
    ref = REF

    @classmethod
    def load(cls, model: ModelRef | None = None) -> ImageCodec:
        if model not in (None, REF):
            raise ModelMissing(model.digest.hex(), model.name)
        return cls()

    def analyse(self, rgb: Any, quality: float, effort: int) -> bytes:
        assert rgb.dtype == np.float32
        assert rgb.shape[2] == 3
        assert 1 <= effort <= 9
        step = round(101 - quality)
        height, width, _ = rgb.shape
        return _HEAD.pack(height, width, step) + np.rint(rgb * 255 / step).astype("u1").tobytes()

    def synthesise(self, latents: bytes) -> Any:
        height, width, step = _HEAD.unpack_from(latents)
        values = np.frombuffer(latents, "u1", offset=_HEAD.size)
        if values.size != height * width * 3:
            raise FormatError("the latents have another size")
        made = values.reshape(height, width, 3).astype(np.float32) * np.float32(step)
        return np.minimum(made / np.float32(255), np.float32(1))


class LatentsCoder(Zstd):
    """Zstandard with another id."""

    exact = True

    def __init__(self, model: ModelRef) -> None:
        super().__init__(3)
        self.model = model

    @property
    def name(self) -> str:
        return "latents fake"

    @property
    def spec(self) -> CoderSpec:
        return CoderSpec(8, b"\0")


def from_params(params: bytes, models: tuple[ModelRef, ...]) -> LatentsCoder:
    return LatentsCoder(models[0])


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the test is over, this is what pictures are coded with."""
    name = "ncz.models.image.codec"
    for above in ("ncz.models.image",):
        if above not in sys.modules:
            monkeypatch.setitem(sys.modules, above, ModuleType(above))
    module = ModuleType(name)
    for made in (ImageCodec, LatentsCoder, from_params):
        setattr(module, made.__name__, made)
    monkeypatch.setitem(sys.modules, name, module)
