"""The weights that ship: which there are, their digests, and what is made of their files."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

from ncz.codec.coder import ModelRef
from ncz.codec.errors import ModelMissing
from ncz.models.contextmix.prior import pinned
from ncz.models.image.exact import Floats, Integers, Layer, Step

if TYPE_CHECKING:
    from ncz.models.image.network import Analysis, HyperAnalysis, Synthesis

DIGESTS: dict[str, str] = {
    "image-1": "2f8a2b74a6f38d4c30ea72ae8915a79bb670ae66acc567fd0ba5a2b1808d35dc",
    "image-1-ms-ssim": "23e66c8a0210ff1aabd1c7af62b6ae51504c8949ae582ce0d93145af55b5ca4b",
}
"""SHA-256 of the files in `trained`, in hex, by name. A name never gets other weights."""

TUNED = {"psnr": "image-1", "ms-ssim": "image-1-ms-ssim"}
"""Which weights code pictures, by what they are tuned to."""

DEFAULT = TUNED["psnr"]


@dataclass(frozen=True)
class Transforms:
    """The networks between pixels and latents, in floats."""

    analysis: Analysis
    synthesis: Synthesis
    hyper_analysis: HyperAnalysis


def ref(name: str = DEFAULT) -> ModelRef:
    """How a header names the weights."""
    return ModelRef(bytes.fromhex(DIGESTS[name]), name)


def tune_of(name: str) -> str:
    """What the weights of that name are tuned to."""
    return "ms-ssim" if name.endswith("ms-ssim") else "psnr"


def name_of(model: ModelRef) -> str:
    """The name of the weights with that digest.

    Raises:
        ModelMissing: they did not come with this ncz.
    """
    for name, digest in DIGESTS.items():
        if digest == model.digest.hex():
            return name
    raise ModelMissing(
        model.digest.hex(), model.name, "it comes with a newer ncz; install that one"
    )


@functools.lru_cache(maxsize=2)
def tensors(name: str) -> dict[str, np.ndarray]:
    """What a file of weights holds.

    Raises:
        NczError: it is missing, or not the one it should be.
    """
    folder = resources.files(__package__) / "trained"
    return pinned(folder / f"{name}.safetensors", DIGESTS[name])


@functools.lru_cache(maxsize=2)
def integers(name: str) -> Integers:
    """What decides probabilities."""
    return integers_of(tensors(name))


def integers_of(found: dict[str, np.ndarray]) -> Integers:
    """The same, out of the tensors of a file."""

    def floats(key: str) -> Floats:
        return np.ascontiguousarray(found[key], dtype=np.float64)

    def layer(key: str, rows: slice = slice(None)) -> Layer:
        weight = np.ascontiguousarray(found[f"{key}.weight"][rows].T, dtype=np.float64)
        return Layer(weight, floats(f"{key}.scale")[rows], floats(f"{key}.offset")[rows])

    order = found["order"].astype(np.int64)
    mine = order.shape[2] // 4
    latents = order.shape[2]

    def step(index: int) -> Step:
        key = f"steps.{index}"
        around = found[f"{key}.around.weight"].astype(np.int32)
        firsts = [int(np.argmax(order[i, j] == index)) for i in range(2) for j in range(2)]
        rows = [np.r_[f : f + mine, latents + f : latents + f + mine] for f in firsts]
        out = layer(f"{key}.out")
        return Step(
            layer(f"{key}.told"),
            layer(f"{key}.known") if index else None,
            np.ascontiguousarray(around.T).reshape(5, 5, -1),
            floats(f"{key}.around.scale"),
            floats(f"{key}.around.offset"),
            layer(f"{key}.mixed"),
            tuple(
                Layer(np.ascontiguousarray(out.weight[:, r]), out.scale[r], out.offset[r])
                for r in rows
            ),
        )

    return Integers(
        order,
        floats("hyper"),
        floats("fine")[None],
        layer("up_half"),
        layer("half"),
        layer("up_whole"),
        floats("quality"),
        floats("gain"),
        tuple(step(index) for index in range(4)),
    )


@functools.lru_cache(maxsize=2)
def transforms(name: str) -> Transforms:
    """The networks between pixels and latents."""
    return transforms_of(tensors(name))


def transforms_of(found: dict[str, np.ndarray]) -> Transforms:
    """The same, out of the tensors of a file."""
    import torch

    from ncz.models.image.network import Analysis, HyperAnalysis, Synthesis, shape_of

    shape = shape_of({name: tensor.shape for name, tensor in found.items()})
    parts = {
        "analysis": Analysis(shape),
        "synthesis": Synthesis(shape),
        "hyper_analysis": HyperAnalysis(shape),
    }
    for part, module in parts.items():
        state = {
            key.removeprefix(f"{part}."): torch.from_numpy(tensor.astype(np.float32))
            for key, tensor in found.items()
            if key.startswith(f"{part}.")
        }
        module.load_state_dict(state)
        module.eval().requires_grad_(False)
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Transforms(**parts)  # type: ignore[arg-type]
