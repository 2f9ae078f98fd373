import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from ncz.models.image import fitted, fused, pyramid
from tests.models.image import tiny


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """One thread: on tiny pictures others only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def picture(height: int = 37, width: int = 50) -> np.ndarray:
    return np.rint(tiny.picture(height, width, 3) * 255).astype(np.uint8)


def made() -> tuple[pyramid.Pyramid, torch.Tensor]:
    """One whose weights are all at work, and pixels."""
    torch.manual_seed(1)
    pixels = torch.from_numpy(picture() / np.float32(255)).permute(2, 0, 1).contiguous() - 0.5
    net = pyramid.Pyramid(pixels, 0.01)
    with torch.no_grad():
        for weight in (*net.law, *net.mix, *net.filters):
            weight += torch.randn_like(weight) * 0.05
    return net, pixels


def plainly(net: pyramid.Pyramid, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The same by torch, layer by layer, in double precision."""
    latents = latents.double()
    law, mix, filters, kernels = (
        [w.double() for w in part] for part in (net.law, net.mix, net.filters, net.kernels)
    )
    parts = latents.split([h * w for h, w in net.sizes])
    planes = [part.view(size) for part, size in zip(parts, net.sizes, strict=True)]
    bits = sum((bits_of(plane, law) for plane in planes), torch.zeros(()))
    rest = iter(planes)
    levels = [
        torch.stack([next(rest) for _ in range(count)]) * (net.step / 2**k)
        for k, count in enumerate(pyramid.PLANES)
    ]
    x = levels[-1]
    for e, level in zip(reversed(kernels), levels[-2::-1], strict=True):
        half = torch.stack([e[0], e[3], e[1], e[2]])
        kernel = torch.outer(*[torch.cat([half, half.flip(0)])] * 2).expand(len(x), 1, 8, 8)
        wide = functional.pad(x[None], (3, 3, 3, 3), mode="replicate")
        x = functional.conv_transpose2d(wide, kernel, stride=2, padding=9, groups=len(x))[0]
        x = torch.cat([level, x[:, : level.shape[1], : level.shape[2]]])
    w1, b1, w2, b2, w3 = mix
    flat = x.reshape(len(x), -1)
    x = w2 @ functional.relu(w1 @ flat + b1[:, None]) + b2[:, None] + w3 @ flat
    x = x.view(1, 3, *net.sizes[0])
    x = functional.relu(x + 0.5 + functional.conv2d(x, filters[0], padding=1)) - 0.5
    return bits, (x + functional.conv2d(x, filters[1], padding=1))[0]


def bits_of(plane: torch.Tensor, law: list[torch.Tensor]) -> torch.Tensor:
    w1, b1, w2, b2, w3, b3, w4 = law
    height, width = plane.shape
    wide = functional.pad(plane, (3, 3, 3, 0))
    x = torch.stack(
        [wide[3 + i : 3 + i + height, 3 + j : 3 + j + width] for i, j in fused.CONTEXT.tolist()]
    ).reshape(16, -1)
    one = torch.eye(pyramid.HIDDEN)
    h = functional.relu((w1 + one) @ x + b1[:, None])
    h = functional.relu((w2 + one) @ h + b2[:, None])
    centre, level = w3 @ h + b3[:, None] + w4 @ x
    told = torch.distributions.Laplace(centre, torch.exp(level))
    value = plane.reshape(-1)
    return -torch.log2(told.cdf(value + 0.5) - told.cdf(value - 0.5)).sum()


def test_a_tile_at_a_time_is_what_layers_are() -> None:
    net, pixels = made()
    latents = torch.randn(net.latents.shape)
    grads = []
    for run in (net, lambda y: plainly(net, y)):
        y = latents.clone().requires_grad_(True)
        net.zero_grad()
        bits, back = run(y)
        (bits / 1000 + 100 * (back - pixels).square().mean()).backward()
        weights = [*net.law, *net.mix, *net.filters, *net.kernels]
        grads.append(
            [float(bits.detach()), back.detach(), y.grad, *(w.grad.clone() for w in weights)]
        )
    assert grads[0][0] == pytest.approx(grads[1][0], rel=1e-3)
    for ours, plain in zip(grads[0][1:], grads[1][1:], strict=True):
        assert float((ours - plain).abs().max()) < 1e-3 * max(float(plain.abs().max()), 0.1)


def test_soft_rounding_is_between_what_it_is_given_and_the_integers() -> None:
    y = torch.linspace(-3, 3, 301, requires_grad=True)
    still = torch.zeros(301)
    hot = pyramid.softly(y, still, 0.0, 5.0).detach()
    cold = pyramid.softly(y, still, 0.0, 0.02).detach()
    assert float((hot - y.detach()).abs().max()) < 0.02
    whole = y.detach().round()
    sure = (y.detach() - whole).abs() < 0.4
    assert float((cold - whole)[sure].abs().max()) < 1e-3
    warm = pyramid.softly(y, still, 0.0, 0.3)
    warm.sum().backward()
    steps = (warm[2:] - warm[:-2]).detach() / 0.04
    even = (steps - y.grad[1:-1]).abs() < 0.1 * steps.abs().max()
    assert float(even.float().mean()) > 0.9, "the slope is that of the curve"


def test_more_rounds_cost_less_and_the_parts_are_the_whole() -> None:
    rows = [fitted.fit(picture(), fitted.Plan(rounds, 0.01)) for rounds in (2, 60)]
    assert rows[1].cost < rows[0].cost * 0.9
    for row in rows:
        assert row.bpp == pytest.approx(row.latents + row.weights)
        error = 255**2 / 10 ** (row.psnr / 10)
        assert row.cost == pytest.approx(row.bpp + 0.01 * error)


def test_who_loses_the_way_goes_back() -> None:
    far, near = (
        fitted.fit(picture(), fitted.Plan(100, 0.01, rate=rate)).cost for rate in (0.5, 0.015)
    )
    assert far < 3 * near


def test_weights_cost_what_their_law_says() -> None:
    same = torch.zeros(1000)
    assert fitted.weight_bits(same) < 100
    random = torch.distributions.Laplace(0.0, 20.0).sample((4000,)).round()
    entropy = 4000 * (1 + math.log(2 * 20.0)) / math.log(2)
    assert fitted.weight_bits(random) == pytest.approx(entropy, rel=0.05)


def test_the_command_adds_rows(tmp_path: Path) -> None:
    Image.fromarray(picture()).save(tmp_path / "a.png")
    out = tmp_path / "rows.json"
    for rounds in ("1", "2"):
        fitted.main([str(tmp_path / "a.png"), "--rounds", rounds, "--out", str(out)])
    rows = json.loads(out.read_text())
    assert [row["rounds"] for row in rows] == [1, 2]
    assert {row["picture"] for row in rows} == {"a.png"}
