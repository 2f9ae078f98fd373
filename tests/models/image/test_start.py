import numpy as np
import torch

from ncz.models.image import start
from ncz.models.image.network import LAMBDAS, Network, Shape, bits, blend, usual, weight_of
from tests.models.image import tiny

SHAPE = Shape(widths=(64, 208, 320), analysis=(1, 1, 1), synthesis=(1, 1, 1))


class Drawn:
    """Pictures in the place of crops."""

    def draw(self, count: int) -> np.ndarray:
        return np.stack([(tiny.picture(64, 64, n) * 255).astype(np.uint8) for n in range(count)])


def test_the_network_begins_as_principal_components() -> None:
    torch.manual_seed(0)
    network = Network(SHAPE).eval()
    start.begin(network, Drawn(), 12)  # type: ignore[arg-type]
    x = torch.from_numpy(tiny.picture(64, 64, 3)).permute(2, 0, 1)[None] - 0.5
    mix = blend(torch.tensor([2.0]), SHAPE.anchors)
    with torch.no_grad():
        y = network.analysis(x, mix)
        back = network.synthesis(y, mix)
        whole = network.synthesis(network.analysis(x, mix) * 0, mix)
    error = float((back - x).square().mean())
    assert error < 0.2 * float((whole - x).square().mean())
    assert error < 3e-4  # noise of 1/40 beyond the 320 components, which are 0.4 of all
    gain = torch.exp(mix @ usual(SHAPE.anchors))
    assert float(y[:, 0].abs().mean() / gain) > 20 * float(y[:, 300].abs().mean() / gain)


def test_lambdas() -> None:
    ends = weight_of(torch.tensor([0.0, 1.0]))
    assert torch.allclose(ends, torch.tensor(LAMBDAS))


def test_bits_are_those_of_a_logistic_law() -> None:
    for scale in (-2.0, 0.0, 2.5):
        counts = torch.arange(-400.0, 401.0)
        cost = bits(counts.double(), torch.full_like(counts, scale).double())
        assert abs(float((2**-cost).sum()) - 1) < 1e-6
        s = np.exp(scale)
        mass = 1 / (1 + np.exp(-2.5 / s)) - 1 / (1 + np.exp(-1.5 / s))
        assert abs(float(cost[402]) + np.log2(mass)) < 1e-6


def test_bits_far_out_still_have_a_slope() -> None:
    far = torch.tensor([900.0], requires_grad=True)
    bits(far, torch.zeros(1)).sum().backward()
    assert far.grad is not None and float(far.grad) > 0.5
