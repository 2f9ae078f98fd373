"""Where pictures meet the learned codec: the one place that knows how it is called.

The codec works on three planes of numbers from 0 to 1, or on their 8 bits; what is grey is given
to it three times.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Protocol, cast

from ncz.codec.coder import Coder, ModelRef
from ncz.codec.errors import FormatError, NczError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class PictureCodec(Protocol):
    """What makes latents of pixels and pixels of latents.

    Attributes:
        ref: its weights.
    """

    ref: ModelRef

    def analyse(self, rgb: NDArray[Any], quality: float, effort: int) -> bytes:
        """Latents of a tile, exact and self-contained.

        Args:
            rgb: uint8 (height, width, 3), or float32 of 0 to 1 if :attr:`floats`.
            quality: 1 to 100.
            effort: 1 to 9.
        """

    def synthesise(self, latents: bytes) -> NDArray[Any]:
        """The tile that they stand for, uint8 or float32 of 0 to 1 (height, width, 3).

        Raises:
            FormatError: they break their own framing.
        """


def load(model: ModelRef | None = None) -> PictureCodec:
    """The codec with these weights, or for None with those that pictures are coded with.

    Raises:
        ModelMissing: this machine lacks them.
    """
    codec = importlib.import_module("ncz.models.image.codec").ImageCodec
    return cast(PictureCodec, codec.load(model) if model is not None else codec.load())


def latents(codec: PictureCodec) -> Coder:
    """What codes its latents, exactly."""
    return cast(Coder, importlib.import_module("ncz.models.image.codec").LatentsCoder(codec.ref))


def analyse(codec: PictureCodec, tile: NDArray[np.float32], quality: float, effort: int) -> bytes:
    """Latents of a tile of samples from 0 to 1, float32 (height, width, 1 or 3)."""
    import numpy as np

    if tile.shape[2] == 1:
        tile = np.repeat(tile, 3, axis=2)
    if not getattr(codec, "floats", False):
        tile = np.rint(tile * 255).astype(np.uint8)
    return codec.analyse(tile, quality, effort)


def synthesise(
    codec: PictureCodec, coded: bytes, height: int, width: int, channels: int
) -> NDArray[np.float32]:
    """The tile back, float32 (height, width, channels).

    Raises:
        FormatError: the latents are of something else.
    """
    import numpy as np

    try:
        made = codec.synthesise(coded)
    except (NczError, MemoryError):
        raise
    except Exception as error:  # only a file that was made to be wrong comes here
        raise FormatError(f"a tile's latents cannot be rendered: {error}") from error
    if made.shape != (height, width, 3):
        raise FormatError(
            f"a tile of {width} x {height} pixels holds the latents of "
            f"{made.shape[1]} x {made.shape[0]}"
        )
    if made.dtype == np.uint8:
        made = made.astype(np.float32) / np.float32(255)
    if channels == 1:
        made = made.mean(axis=2, keepdims=True, dtype=np.float32)
    return cast("NDArray[np.float32]", made.astype(np.float32, copy=False))
