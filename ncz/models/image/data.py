"""Crops of pictures to train on, drawn by a seed.

`DATA` says what the shipped weights saw and where it is to be had. No test picture is among it:
not Kodak, CLIC, the validation part of CID22 nor the test part of BSDS500.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Source:
    """A folder of pictures below the one given to training.

    Args:
        folder: its name.
        share: of all crops, how many out of it.
        shrink: by how much a picture is shrunk before it is cut, which takes away what JPEG left.
        largest: pixels on the long side a picture is shrunk to where it is larger.
        what: what it is, where from, and its terms.
    """

    folder: str
    share: float
    shrink: float
    largest: int
    what: str


DATA = (
    Source("cid22", 0.5, 1.0, 4096, "CID22, training part: 208 photos of 512 x 512, CC BY-SA 4.0"),
    Source(
        "imagenet",
        0.25,
        0.7,
        1600,
        "1,000 samples of ImageNet, github.com/EliSchwartz/imagenet-sample-images",
    ),
    Source("bsds", 0.13, 0.9, 4096, "BSDS500, train and val: github.com/BIDS/BSDS500"),
    Source(
        "wallpapers",
        0.12,
        0.5,
        2048,
        "Debian's plasma-workspace-wallpapers, mate-backgrounds, lomiri-wallpapers-20.04 and "
        "ukui-wallpapers, CC BY-SA and LGPL",
    ),
)
SMALLEST = 200


def load(folder: Path, source: Source) -> list[Pixels]:
    """The pictures of one source, shrunk, (H, W, 3); those that are too small are left out.

    Raises:
        FileNotFoundError: there are none.
    """
    from PIL import Image

    pictures = []
    found = (p for p in (folder / source.folder).rglob("*") if p.is_file())
    for path in sorted(found):
        if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
            continue
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
        factor = min(source.shrink, source.largest / max(picture.size))
        if factor < 1:
            size = [max(round(side * factor), 1) for side in picture.size]
            picture = picture.resize(
                (size[0], size[1]),
                Image.Resampling.BOX if factor < 0.4 else Image.Resampling.BICUBIC,
            )
        if min(picture.size) >= SMALLEST:
            pictures.append(np.asarray(picture))
    if not pictures:
        raise FileNotFoundError(f"{folder / source.folder} has no pictures: {source.what}")
    return pictures


class Crops:
    """Squares of pictures, turned and mirrored at random; the same for the same seed.

    Args:
        folder: has a folder for each of `DATA`.
        side: pixels on a side, at most what a picture has (smaller ones are mirrored outwards).
        seed: of what is drawn.
    """

    def __init__(self, folder: Path, side: int, seed: int) -> None:
        self.side = side
        self.random = np.random.default_rng(seed)
        self.sources = [load(folder, source) for source in DATA]
        self.shares = np.array([source.share for source in DATA])
        # A large picture is drawn more often, but not as much more often as it is larger.
        self.weights = []
        for pictures in self.sources:
            weight = np.array([p.shape[0] * p.shape[1] for p in pictures], dtype=float) ** 0.5
            self.weights.append(weight / weight.sum())

    def draw(self, count: int) -> Pixels:
        """`count` crops, (count, side, side, 3)."""
        return np.stack([self._one() for _ in range(count)])

    def _one(self) -> Pixels:
        random, side = self.random, self.side
        source = random.choice(len(self.sources), p=self.shares)
        picture = self.sources[source][
            random.choice(len(self.sources[source]), p=self.weights[source])
        ]
        height, width = picture.shape[:2]
        top = int(random.integers(0, max(height - side, 0) + 1))
        left = int(random.integers(0, max(width - side, 0) + 1))
        crop = picture[top : top + side, left : left + side]
        missing = [(0, side - crop.shape[0]), (0, side - crop.shape[1]), (0, 0)]
        crop = np.pad(crop, missing, mode="symmetric")
        crop = np.rot90(crop, int(random.integers(0, 4)))
        if random.integers(0, 2):
            crop = crop[:, ::-1]
        return np.ascontiguousarray(crop)
