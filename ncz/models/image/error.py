"""What a picture has lost, as encoders and training are charged for it."""

from __future__ import annotations

from torch import Tensor

from ncz.models.image.quality import MS_SSIM_SIDE
from ncz.models.image.similar import similarity

PSNR, MS_SSIM = "psnr", "ms-ssim"
TUNES = (PSNR, MS_SSIM)
"""The measures that a set of weights may be tuned to."""

_SIMILAR = 1200.0
"""What a whole MS-SSIM is worth, in squares of 8-bit samples: where both measures ask for about the
same bits."""
_SQUARES = 0.05
"""Of the squared error, what counts beside MS-SSIM, which alone would let colours drift."""


def error(tune: str, x: Tensor, back: Tensor, stride: int = 1) -> Tensor:
    """What lambda is charged for, (N,): of `PSNR` the mean square error of samples 0 … 255, of
    `MS_SSIM` mostly what is missing there.

    Args:
        tune: one of `TUNES`.
        x, back: float32 (N, 3, H, W), about -0.5 … 0.5; pictures of fewer than 161 pixels on a
            side have no MS-SSIM and are charged their squares.
        stride: see :func:`~ncz.models.image.similar.similarity`.
    """
    squares = 255**2 * (back - x).square().mean((1, 2, 3))
    if tune == PSNR or min(x.shape[2:]) < MS_SSIM_SIDE:
        return squares
    return _SIMILAR * (1 - similarity(x + 0.5, back + 0.5, stride)) + _SQUARES * squares
