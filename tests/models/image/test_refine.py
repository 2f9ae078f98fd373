import numpy as np
import torch

from ncz.models.image import latents, refine
from ncz.models.image.exact import STEPS, UNIT
from tests.models.image import tiny


def test_floats_say_what_the_integers_say() -> None:
    codec, level = tiny.codec(), 130
    made = codec.analyse(tiny.picture(64, 80, 4), level)
    integers = codec.integers
    smooth = refine.Smooth(integers, level)
    centre, _ = integers.hyper_law(level)
    hyper = made.hyper.astype(np.int32) * UNIT + centre
    ours = integers.features(hyper, level)
    floats = smooth.features(torch.from_numpy(hyper / UNIT).float())
    assert np.abs(floats.numpy() - ours).max() < 60  # of 4095
    seen = np.zeros(made.known.shape, np.int32)
    for index in range(STEPS):
        features = np.ascontiguousarray(ours[: seen.shape[0], : seen.shape[1]])
        centres, _ = integers.law(index, features, seen, level)
        told, _ = smooth.law(
            index, torch.from_numpy(features).float(), torch.from_numpy(seen / UNIT).float()
        )
        assert np.abs(told.numpy() - centres / UNIT).max() < 0.05
        firsts = integers.first_channel(index)
        part = latents.taken(made.known.astype(np.int32), firsts, centres.shape[2])
        latents.put(seen, part, firsts)


def test_a_refined_picture_costs_less() -> None:
    codec, pixels = tiny.codec(), tiny.picture(64, 64, 6)
    plain = codec.encode(codec.analyse(pixels, 200))
    refined = codec.encode(codec.analyse(pixels, 200, effort=6))
    assert codec.encode(codec.analyse(pixels, 200, effort=6)) == refined, "twice the same"
    errors = [
        float(np.square(codec.synthesise(codec.decode(coded)) - pixels).mean())
        for coded in (plain, refined)
    ]
    weight = 255**2 * float(refine_weight(200, codec.integers.qualities))
    costs = [
        8 * len(coded) / 64**2 + weight * error
        for coded, error in zip((plain, refined), errors, strict=True)
    ]
    assert costs[1] < costs[0]


def refine_weight(level: int, qualities: int) -> torch.Tensor:
    from ncz.models.image.network import weight_of

    return weight_of(torch.tensor(level / (qualities - 1)))


def test_draws_lie_between_the_integers_and_settle() -> None:
    torch.manual_seed(2)
    x = torch.rand(1000) * 6 - 3
    dice = torch.Generator().manual_seed(3)
    warm, cold = refine.drawn(x, 0.5, dice), refine.drawn(x, 0.02, dice)
    below = torch.floor(x)
    assert bool(((warm >= below) & (warm <= below + 1)).all())
    assert float((cold - cold.round()).abs().quantile(0.98)) < 0.1
    sure = (x - x.round()).abs() < 0.2
    assert float((cold[sure].round() == x[sure].round()).float().mean()) > 0.99
