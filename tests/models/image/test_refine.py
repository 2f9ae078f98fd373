import numpy as np
import pytest
import torch

from ncz.models.image import latents, network, refine
from ncz.models.image.codec import ImageCodec, padded
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


def weight_of(codec: ImageCodec, level: int) -> float:
    return float(network.weight_of(torch.tensor(level / (codec.integers.qualities - 1))))


@pytest.mark.parametrize("effort", [2, 4, 6])
def test_a_refined_picture_costs_less(effort: int) -> None:
    codec, pixels = tiny.codec(), tiny.picture(64, 64, 6)
    plain = codec.encode(codec.analyse(pixels, 200))
    refined = codec.encode(codec.analyse(pixels, 200, effort))
    assert codec.encode(codec.analyse(pixels, 200, effort)) == refined, "twice the same"
    costs = []
    for coded in (plain, refined):
        error = float(np.square(codec.synthesise(codec.decode(coded)) - pixels).mean())
        costs.append(8 * len(coded) / 64**2 + 255**2 * weight_of(codec, 200) * error)
    assert costs[1] < costs[0]


def picture_and_start(level: int) -> tuple[refine.Picture, tuple[torch.Tensor, torch.Tensor]]:
    codec = tiny.codec()
    x = torch.from_numpy(tiny.picture(64, 80, 3)).permute(2, 0, 1)[None] - 0.5
    mix = codec.mix(level)
    with torch.no_grad():
        y = codec.transforms.analysis(padded(x, 64), mix)
        z = codec.transforms.hyper_analysis(y)
    y = y[0].permute(1, 2, 0)[:4, :5].contiguous()
    smooth = refine.Smooth(codec.integers, level)
    weight = weight_of(codec, level)
    picture = refine.Picture(smooth, codec.transforms.synthesis, x, mix, weight)
    return picture, (y, z[0].permute(1, 2, 0).contiguous())


def test_what_costs_more_is_not_taken() -> None:
    picture, start = picture_and_start(180)
    y, z = refine.refined(picture, start, refine.Pace(straight=0, annealed=2, rate=300.0))
    assert torch.equal(y, start[0]) and torch.equal(z, start[1])


def test_latents_that_were_drawn_are_rounded_to_what_was_drawn() -> None:
    picture, (y, z) = picture_and_start(180)
    total, known, centres = refine._passed(picture.smooth, y, z, refine._nearest)
    firm = refine._firm(known, centres)
    again, settled, _ = refine._passed(picture.smooth, firm, z, refine._settled)
    torch.testing.assert_close(settled, known, atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(again.detach(), total)


def test_gradients_of_rounded_latents_are_those_of_noise() -> None:
    rest = (torch.rand(2000) * 4 - 2).requires_grad_(True)
    scale = torch.full_like(rest, -0.5)
    whole, bits = refine._straight(rest, scale, torch.round)
    assert torch.equal(whole, torch.round(rest))
    torch.testing.assert_close(bits, network.bits(torch.round(rest), scale))
    bits.sum().backward()
    shifted = rest.detach()[:, None] + torch.linspace(-0.5, 0.5, 2001)
    shifted.requires_grad_(True)
    network.bits(shifted, scale[:, None]).mean(1).sum().backward()
    assert rest.grad is not None and shifted.grad is not None
    torch.testing.assert_close(rest.grad, shifted.grad.sum(1), atol=0.01, rtol=0.01)


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
