"""A codec of pictures in the learned one's place: it rounds samples, and has no weights."""

from __future__ import annotations

import hashlib
import struct
from typing import Any

import numpy as np
import pytest

from ncz.codec.coder import CoderSpec, ModelRef
from ncz.codec.errors import FormatError, ModelMissing
from ncz.codec.zstd import Zstd

REF = ModelRef(hashlib.sha256(b"fake").digest(), "fake")
_HEAD = struct.Struct("<HHB")


class Codec:
    """Samples in steps of 1 (quality 100) to 100."""

    ref = REF

    def analyse(self, pixels: Any, quality: float, effort: int) -> bytes:
        assert pixels.dtype == np.float32
        assert 0 <= pixels.min() <= pixels.max() <= 1
        assert 1 <= effort <= 9
        step = round(101 - quality)
        height, width, channels = pixels.shape
        assert channels == 3
        return _HEAD.pack(height, width, step) + np.rint(pixels * 255 / step).astype("u1").tobytes()

    def synthesise(self, latents: bytes, height: int, width: int) -> Any:
        if len(latents) < _HEAD.size:
            raise FormatError("these are no latents")
        *size, step = _HEAD.unpack_from(latents)
        if size != [height, width] or len(latents) != _HEAD.size + height * width * 3:
            raise FormatError(f"these are the latents of {size[1]} x {size[0]}")
        values = np.frombuffer(latents, "u1", offset=_HEAD.size).reshape(height, width, 3)
        made = values.astype(np.float32) * np.float32(step)
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


def load(model: ModelRef | None = None, tune: str = "psnr") -> Codec:
    if model not in (None, REF):
        raise ModelMissing(model.digest.hex(), model.name)
    return Codec()


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the test is over, this is what pictures are coded with."""
    monkeypatch.setattr("ncz.formats.picture.codecs.load", load)
    monkeypatch.setattr("ncz.models.image.codec.LatentsCoder", LatentsCoder)
    monkeypatch.setattr(
        "ncz.models.image.codec.from_spec", lambda spec, models: LatentsCoder(models[0])
    )
