"""The integers say what the floats they were made of say, and the same on any arithmetic."""

import numpy as np
import torch

from ncz.models.image import latents
from ncz.models.image.exact import (
    BETWEEN,
    HIGHEST,
    LOWEST,
    SCALES,
    STEPS,
    UNIT,
    beside,
    spread,
    unfolded,
)
from ncz.models.image.network import SIGHT, blend, usual
from tests.models.image import tiny


def test_close_to_the_floats() -> None:
    codec, network = tiny.codec(), tiny.network()
    integers, level = codec.integers, 90
    known = codec.analyse(tiny.picture(64, 96, 2), level)
    mix = mix_of(level)
    gain = float(torch.exp(mix @ usual(tiny.SHAPE.anchors)))
    centre, _ = integers.hyper_law(level)
    hyper = known.hyper.astype(np.int32) * UNIT + centre
    z = torch.from_numpy(hyper.astype(np.float32) / UNIT).permute(2, 0, 1)[None]
    fine = torch.exp(mix @ network.predictor.hyper_gains)[:, :, None, None]
    features = network.predictor.features(z / fine, mix)
    ours = integers.features(hyper, level)[:4, :6]
    seen = np.zeros(known.known.shape, np.int32)
    for index in range(STEPS):
        centres, scales = integers.law(index, np.ascontiguousarray(ours), seen, level)
        firsts = integers.first_channel(index)
        y = torch.from_numpy(seen.astype(np.float32) / UNIT).permute(2, 0, 1)[None]
        y = y * (SIGHT / gain)
        x = features[:, :, :4, :6]
        told = network.predictor.steps[index](torch.cat((x, y), 1) if index else x)[0]
        theirs = told.permute(1, 2, 0).numpy().copy()
        theirs[..., : integers.latents] *= gain
        theirs[..., integers.latents :] += np.log(gain)
        wanted = latents.taken(theirs[..., : integers.latents], firsts, centres.shape[2])
        assert np.abs(centres / UNIT - wanted).max() < 0.05 * gain
        index_of = (theirs[..., integers.latents :] - LOWEST) / (HIGHEST - LOWEST) * (SCALES - 1)
        wanted = latents.taken(np.clip(index_of, 0, SCALES - 1), firsts, centres.shape[2])
        assert np.abs(scales - wanted).max() < 1.2
        latents.put(
            seen, latents.taken(known.known.astype(np.int32), firsts, centres.shape[2]), firsts
        )


def mix_of(level: int) -> torch.Tensor:
    return blend(torch.tensor([level / BETWEEN]), tiny.SHAPE.anchors)


def test_every_latent_is_in_one_step() -> None:
    integers = tiny.codec().integers
    counts = np.zeros((2, 2, integers.latents), int)
    for index in range(STEPS):
        firsts = integers.first_channel(index)
        mine = integers.latents // STEPS
        for i in range(2):
            for j in range(2):
                counts[i, j, firsts[i, j] : firsts[i, j] + mine] += 1
                assert (integers.order[i, j, firsts[i, j] : firsts[i, j] + mine] == index).all()
    assert (counts == 1).all()


def test_spreading_is_a_convolution() -> None:
    random = np.random.default_rng(1)
    x = random.integers(0, 4096, (5, 7, 3)).astype(np.int32)
    w = random.integers(-2047, 2048, (5, 5, 3)).astype(np.int32)
    theirs = torch.nn.functional.conv2d(
        torch.from_numpy(x.transpose(2, 0, 1)[None].astype(np.float64)),
        torch.from_numpy(w.transpose(2, 0, 1)[:, None].astype(np.float64)),
        padding=2,
        groups=3,
    )
    assert (spread(x, w) == theirs[0].numpy().transpose(1, 2, 0)).all()


def test_unfolding_and_what_is_beside_are_torch_s() -> None:
    x = np.arange(3 * 5 * 8, dtype=np.float64).reshape(3, 5, 8)
    t = torch.from_numpy(x.transpose(2, 0, 1)[None])
    theirs = torch.nn.functional.pixel_shuffle(t, 2)[0].numpy().transpose(1, 2, 0)
    assert (unfolded(x.reshape(15, 8), 3, 5) == theirs).all()
    weight = np.random.default_rng(2).integers(-9, 9, (4, 8, 3, 3)).astype(np.float64)
    flat = weight.transpose(0, 2, 3, 1).reshape(4, -1)
    theirs = torch.nn.functional.conv2d(t, torch.from_numpy(weight), padding=1)[0].numpy()
    assert (beside(x) @ flat.T == theirs.transpose(1, 2, 0).reshape(15, 4)).all()
