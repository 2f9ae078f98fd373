import pytest
import torch

from ncz.models.image.error import MS_SSIM, PSNR, error
from ncz.models.image.similar import similarity


def pictures(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(height * width)
    i, j = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    waves = [torch.sin(i / 7 + k) * torch.cos(j / (5 + k)) / 3 + 0.5 for k in range(3)]
    x = torch.stack([torch.stack(waves), torch.stack(waves[::-1])]).float()
    noise = torch.randn_like(x) * torch.tensor([0.02, 0.2])[:, None, None, None]
    return x, (x + noise).clamp(0, 1)


@pytest.mark.parametrize(("height", "width"), [(161, 175), (192, 256)])
def test_it_is_the_measure_of_the_field(height: int, width: int) -> None:
    field = pytest.importorskip("pytorch_msssim")
    x, y = pictures(height, width)
    wanted = field.ms_ssim(x, y, data_range=1.0, size_average=False)
    assert torch.allclose(similarity(x, y), wanted, atol=2e-5)
    assert torch.allclose(similarity(x, y, 2), wanted, atol=5e-3)
    assert float(wanted[0] - wanted[1]) > 0.1


def test_gradients_lead_to_the_picture() -> None:
    x, y = pictures(176, 176)
    y.requires_grad_()
    before = similarity(x, y)
    before.sum().backward()
    assert y.grad is not None
    after = similarity(x, y.detach() + y.grad * 300)
    assert bool((after > before + 1e-4).all())


def test_what_is_charged() -> None:
    x, y = pictures(192, 192)
    squares = 255**2 * (x - y).square().mean((1, 2, 3))
    assert torch.allclose(error(PSNR, x - 0.5, y - 0.5), squares, rtol=1e-4)
    charged = error(MS_SSIM, x - 0.5, y - 0.5)
    assert torch.allclose(charged, 1200 * (1 - similarity(x, y)) + squares / 20, rtol=1e-3)
    small = error(MS_SSIM, x[:, :, :100], y[:, :, :100])
    assert torch.allclose(small, error(PSNR, x[:, :, :100], y[:, :, :100])), "too small for it"
