"""A picture in memory: samples, alpha, and what its file said of colours and of the camera."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO

from ncz.codec.errors import PictureError
from ncz.formats.picture.grid import MAX_SIDE

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ORIENTATION = 274  # the tag of EXIF
_UPRIGHT = 1


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture.

    Attributes:
        pixels: uint8 or uint16 (height, width, channels); 1 channel is grey, 3 are red, green and
            blue. As they are in the file: where EXIF says that they are to be turned, they are not.
        alpha: the same type (height, width), None if all is opaque.
        icc: the ICC profile of the colours, empty for none.
        exif: EXIF, from the TIFF head on, empty for none.
        xmp: XMP, empty for none.
        notes: what was not taken over from the file it was read from, a sentence each.
    """

    pixels: NDArray[Any]
    alpha: NDArray[Any] | None = None
    icc: bytes = b""
    exif: bytes = b""
    xmp: bytes = b""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        import numpy as np

        pixels, alpha = self.pixels, self.alpha
        if pixels.dtype not in (np.uint8, np.uint16):
            raise PictureError(f"pixels are uint8 or uint16, not {pixels.dtype}; scale them first")
        if pixels.ndim != 3 or pixels.shape[2] not in (1, 3):
            raise PictureError(
                f"pixels are of shape (height, width, 1 or 3), not {pixels.shape}; alpha is apart"
            )
        if not all(1 <= side <= MAX_SIDE for side in pixels.shape[:2]):
            raise PictureError(
                f"a picture of {self.width} x {self.height}: sides are 1 to {MAX_SIDE} pixels"
            )
        if alpha is not None and (alpha.shape != pixels.shape[:2] or alpha.dtype != pixels.dtype):
            raise PictureError("alpha is of the type, height and width of the pixels")

    @classmethod
    def of(cls, array: NDArray[Any]) -> Picture:
        """The picture that an array is: (height, width) grey, or with 1 to 4 channels, of which
        the second or fourth is alpha.

        Raises:
            PictureError: it is of another shape or type.
        """
        if array.ndim == 2:
            array = array[:, :, None]
        if array.ndim == 3 and array.shape[2] in (2, 4):
            return cls(array[:, :, :-1], array[:, :, -1])
        return cls(array)

    @property
    def width(self) -> int:
        """Pixels."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Pixels."""
        return int(self.pixels.shape[0])

    @property
    def channels(self) -> int:
        """1 or 3, alpha apart."""
        return int(self.pixels.shape[2])

    @property
    def depth(self) -> int:
        """Bits of a sample."""
        return 8 * int(self.pixels.dtype.itemsize)

    @property
    def orientation(self) -> int:
        """How EXIF wants it turned: 1 (not) to 8."""
        if not self.exif:
            return _UPRIGHT
        from PIL import Image

        exif = Image.Exif()
        try:
            exif.load(self.exif)
            found = int(exif.get(_ORIENTATION, _UPRIGHT))
        except Exception:  # EXIF is what cameras write, and there is no end to what they write
            return _UPRIGHT
        return found if found in range(1, 9) else _UPRIGHT

    def upright(self) -> Picture:
        """The same turned as EXIF says, and without EXIF, which is true no more."""
        turn = self.orientation

        def turned(plane: NDArray[Any]) -> NDArray[Any]:
            if turn >= 5:
                plane = plane.swapaxes(0, 1)
            if turn in (2, 3, 6, 7):
                plane = plane[:, ::-1]
            if turn in (3, 4, 7, 8):
                plane = plane[::-1]
            return plane

        alpha = None if self.alpha is None else turned(self.alpha)
        return replace(self, pixels=turned(self.pixels), alpha=alpha, exif=b"")

    def array(self) -> NDArray[Any]:
        """Pixels and alpha in one array (height, width, 1 to 4)."""
        import numpy as np

        if self.alpha is None:
            return self.pixels
        return np.concatenate([self.pixels, self.alpha[:, :, None]], axis=2)

    def save(self, file: str | os.PathLike[str] | BinaryIO, kind: str | None = None) -> list[str]:
        """Write it as a file that others read.

        Args:
            file: a path, or a binary file object.
            kind: "png", "jpeg", "webp", "tiff", "bmp" or "ppm"; None: what the suffix of the path
                says, PNG for a file object.

        Returns:
            what this kind of file does not keep, a sentence each.

        Raises:
            PictureError: the suffix says nothing, or the kind cannot hold it.
        """
        from ncz.formats.picture import writing

        return writing.write(self, file, kind)
