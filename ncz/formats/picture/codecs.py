"""Where pictures meet the learned codec: the one place that knows how it is called.

It works on three planes of numbers from 0 to 1; what is grey is given to it three times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ncz.codec import varint
from ncz.codec.coder import Coder, ModelRef
from ncz.codec.errors import FormatError, NczError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ncz.models.image.codec import ImageCodec


class PictureCodec(Protocol):
    """What makes latents of pixels and pixels of latents."""

    @property
    def ref(self) -> ModelRef:
        """Its weights."""

    def analyse(self, pixels: NDArray[np.float32], quality: float, effort: int) -> bytes:
        """Latents of a tile, exact and self-contained.

        Args:
            pixels: float32 (height, width, 3), 0 to 1.
            quality: 1 to 100.
            effort: 1 to 9.
        """

    def synthesise(self, latents: bytes, height: int, width: int) -> NDArray[np.float32]:
        """The tile that they stand for, float32 (height, width, 3), 0 to 1.

        Raises:
            FormatError: they break their own framing, or are of another size.
        """


@dataclass(frozen=True)
class Learned:
    """The learned codec of :mod:`ncz.models.image`."""

    codec: ImageCodec

    @property
    def ref(self) -> ModelRef:
        """Its weights."""
        return self.codec.ref

    def analyse(self, pixels: NDArray[np.float32], quality: float, effort: int) -> bytes:
        """See :class:`PictureCodec`."""
        return self.codec.analyse(pixels, self.codec.level(quality), effort).packed()

    def synthesise(self, latents: bytes, height: int, width: int) -> NDArray[np.float32]:
        """See :class:`PictureCodec`."""
        from ncz.models.image.latents import Latents

        known = Latents.unpacked(latents, self.codec.integers)
        if (known.height, known.width) != (height, width):
            raise FormatError(
                f"a tile of {width} x {height} pixels holds the latents of "
                f"{known.width} x {known.height}"
            )
        return self.codec.synthesise(known)


def load(model: ModelRef | None = None, tune: str = "psnr") -> PictureCodec:
    """The codec with these weights, or for None with those that pictures are coded with.

    Args:
        model: as a header names them.
        tune: for None, the measure that they are to be best in, "psnr" or "ms-ssim".

    Raises:
        ModelMissing: this machine lacks them.
    """
    from ncz.models.image import weights
    from ncz.models.image.codec import ImageCodec

    name = weights.TUNED[tune] if model is None else weights.name_of(model)
    return Learned(ImageCodec.load(name))


def analyse(codec: PictureCodec, tile: NDArray[np.float32], quality: float, effort: int) -> bytes:
    """Latents of a tile of samples from 0 to 1, float32 (height, width, 1 or 3)."""
    import numpy as np

    if tile.shape[2] == 1:
        tile = np.repeat(tile, 3, axis=2)
    return codec.analyse(tile, quality, effort)


def synthesise(
    codec: PictureCodec, latents: bytes, height: int, width: int, channels: int
) -> NDArray[np.float32]:
    """The tile back, float32 (height, width, channels).

    Raises:
        FormatError: the latents are of something else.
    """
    import numpy as np

    try:
        made = codec.synthesise(latents, height, width)
    except (NczError, MemoryError):
        raise
    except (ValueError, varint.Incomplete) as error:  # of a file that was made to be wrong
        raise FormatError(f"the latents of a tile are damaged: {error}") from None
    if channels == 1:
        made = made.mean(axis=2, keepdims=True, dtype=np.float32)
    return made


def latents(codec: PictureCodec) -> Coder:
    """What codes its latents, exactly."""
    from ncz.formats import coders

    return coders.latents(codec.ref)
