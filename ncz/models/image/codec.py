"""The learned image codec: pixels to latents, latents to bytes, and back.

`analyse` and `synthesise` are floats, and two machines may differ in them by what no eye sees;
between them stand latents, which are integers and the same everywhere (latents.py).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ncz.codec.coder import CoderSpec, ModelRef
from ncz.codec.errors import FormatError, UnsupportedError
from ncz.models.image import latents as coding
from ncz.models.image import weights
from ncz.models.image.exact import BETWEEN, UNIT, Integers, between
from ncz.models.image.latents import HYPER_STRIDE, Latents
from ncz.models.image.weights import Transforms

if TYPE_CHECKING:
    from torch import Tensor

ID = 8
REVISION = 1
BEST = 100
"""The finest quality a user can ask for; the coarsest is 1."""

Pixels = npt.NDArray[np.float32]

PACES = {
    2: (8, 0),
    3: (16, 0),
    4: (32, 0),
    5: (24, 80),
    6: (30, 110),
    7: (30, 150),
    8: (40, 400),
    9: (60, 1000),
}
"""By effort, in how many steps a picture is refined, straight and annealed (`refine.Pace`). Fewer
than some 80 of the second kind are wasted: the draws have not settled."""


@dataclass(frozen=True)
class ImageCodec:
    """A set of weights, ready.

    Args:
        integers: what decides probabilities.
        transforms: between pixels and latents; None where only bytes are wanted.
        ref: how a header names the weights.
    """

    integers: Integers
    transforms: Transforms
    ref: ModelRef

    @classmethod
    def load(cls, name: str = weights.DEFAULT) -> ImageCodec:
        """The weights of that name.

        Raises:
            NczError: their file is missing or damaged.
        """
        return _loaded(name)

    def level(self, quality: float) -> int:
        """The network's quality for a user's, 1 (coarsest) … 100."""
        share = (min(max(quality, 1), BEST) - 1) / (BEST - 1)
        return round(share * (self.integers.qualities - 1))

    def analyse(self, pixels: Pixels, level: int, effort: int = 1) -> Latents:
        """Latents of pixels.

        Args:
            pixels: float32 (H, W, 3), 0 … 1.
            level: 0 … qualities - 1, as :meth:`level` says it.
            effort: 1, the network's guess, to 9: refined for longer and longer.
        """
        import torch

        from ncz.models.image import refine
        from ncz.models.image.network import weight_of

        height, width = pixels.shape[:2]
        x = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None] - 0.5
        mix = self.mix(level)
        with torch.no_grad():
            full = padded(x, HYPER_STRIDE)
            y, z = (part[0].permute(1, 2, 0) for part in self._guess(full, mix, level))
        places = coding.shapes(height, width, self.integers)[1]
        y = y[: places[0], : places[1]].contiguous()
        pace = PACES.get(effort)
        if pace is not None:
            weight = float(weight_of(torch.tensor(level / (self.integers.qualities - 1))))
            tune = weights.tune_of(self.ref.name)
            smooth = refine.Smooth(self.integers, level)
            picture = refine.Picture(smooth, self.transforms.synthesis, x, mix, weight, tune)
            y, z = refine.refined(picture, (y, z), refine.Pace(*pace))
        return coding.rounded(self.integers, y.numpy(), z.numpy(), level, (height, width))

    def _guess(self, x: Tensor, mix: Tensor, level: int) -> tuple[Tensor, Tensor]:
        import torch

        from ncz.models.image.network import SIGHT

        y = self.transforms.analysis(x, mix)
        z = self.transforms.hyper_analysis(y * (SIGHT * float(self.integers.gain[1, level])))
        fine = torch.from_numpy(4096 / between(self.integers.fine, level)[0]).float()
        return y, z * fine[None, :, None, None]

    def synthesise(self, latents: Latents) -> Pixels:
        """Pixels, float32 (H, W, 3), 0 … 1, of latents."""
        import torch

        with torch.inference_mode():
            known = latents.known.astype(np.float32) / UNIT
            y = torch.from_numpy(known).permute(2, 0, 1)[None]
            x = self.transforms.synthesis(y, self.mix(latents.quality))
            x = (x[0, :, : latents.height, : latents.width] + 0.5).clamp(0, 1)
            return x.permute(1, 2, 0).contiguous().numpy()

    def encode(self, latents: Latents) -> bytes:
        """Coded bytes of latents.

        Raises:
            ValueError: no rounding makes these latents.
        """
        coded = coding.encode(self.integers, latents)
        if coded is None:
            raise ValueError("these latents are not of this network")
        return coded

    def decode(self, coded: bytes) -> Latents:
        """Latents of coded bytes.

        Raises:
            FormatError: their head is damaged.
        """
        return coding.decode(self.integers, coded)

    def mix(self, level: int) -> Tensor:
        """The blend of anchors at a level, (1, anchors)."""
        import torch

        from ncz.models.image.network import blend

        return blend(torch.tensor([level / BETWEEN]), self.transforms.analysis.gains.table.shape[0])


def padded(x: Tensor, multiple: int) -> Tensor:
    """(1, c, H, W) with its last rows and columns repeated up to a multiple."""
    from torch.nn import functional

    down, right = -x.shape[2] % multiple, -x.shape[3] % multiple
    return functional.pad(x, (0, right, 0, down), mode="replicate")


@functools.lru_cache(maxsize=2)
def _loaded(name: str) -> ImageCodec:
    return ImageCodec(weights.integers(name), weights.transforms(name), weights.ref(name))


def compress_pixels(
    rgb: npt.NDArray[np.uint8], quality: float, effort: int = 1, name: str = weights.DEFAULT
) -> bytes:
    """Coded bytes of a picture, uint8 (H, W, 3), without a file around them, by these weights."""
    codec = ImageCodec.load(name)
    pixels = (rgb / np.float32(255)).astype(np.float32)
    return codec.encode(codec.analyse(pixels, codec.level(quality), effort))


def restore_pixels(coded: bytes, name: str = weights.DEFAULT) -> npt.NDArray[np.uint8]:
    """The inverse of :func:`compress_pixels`, but for what was lost."""
    codec = ImageCodec.load(name)
    pixels = codec.synthesise(codec.decode(coded))
    return np.rint(pixels * 255).astype(np.uint8)


def estimate_bits(coded: bytes, name: str = weights.DEFAULT) -> float:
    """Bits of what :func:`compress_pixels` made, by the network's probabilities alone."""
    codec = ImageCodec.load(name)
    return coding.estimate(codec.integers, codec.decode(coded))


@dataclass(frozen=True)
class LatentsCoder:
    """The coder of packed latents, exact.

    Args:
        model: the weights, as a header names them.
    """

    model: ModelRef
    exact = True

    @property
    def name(self) -> str:
        """How it is called."""
        return f"latents {self.model.name}"

    @property
    def spec(self) -> CoderSpec:
        """What a header says."""
        return CoderSpec(ID, bytes([REVISION]))

    def encode(self, raw: bytes) -> bytes | None:
        """Coded bytes, or None for what are no latents of these weights."""
        integers = self._integers()
        try:
            latents = Latents.unpacked(raw, integers)
        except FormatError:
            return None
        if latents.packed() != raw:
            return None
        return coding.encode(integers, latents)

    def decode(self, coded: bytes, raw_size: int) -> bytes:
        """The packed latents.

        Raises:
            FormatError: the head is damaged, or says another size than the block.
        """
        integers = self._integers()
        height, width, _, at = coding.head_of(coded, integers)
        first, second = coding.shapes(height, width, integers)
        if at + 2 * int(np.prod(first)) + 2 * int(np.prod(second)) != raw_size:
            raise FormatError("the latents of a picture are damaged")
        return coding.decode(integers, coded).packed()

    def memory(self, raw_size: int) -> int:
        """Bytes of working memory."""
        return 24 * raw_size + (64 << 20)

    def _integers(self) -> Integers:
        return weights.integers(weights.name_of(self.model))


def from_spec(spec: CoderSpec, models: tuple[ModelRef, ...]) -> LatentsCoder:
    """The coder that a header asks for.

    Raises:
        UnsupportedError: another revision, or no weights named.
    """
    if spec.params != bytes([REVISION]) or not models:
        raise UnsupportedError(
            "this file's picture needs a newer revision of the codec; install a newer ncz"
        )
    return LatentsCoder(models[0])
