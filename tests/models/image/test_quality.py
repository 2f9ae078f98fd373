from __future__ import annotations

import math
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ncz.codec.errors import MissingExtra
from ncz.models.image import quality
from tests.pictures import noisy, scene


@given(
    arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))),
    st.integers(0, 2**32 - 1),
)
def test_psnr_is_what_its_formula_says(one: np.ndarray, seed: int) -> None:
    other = np.random.default_rng(seed).integers(0, 256, one.shape).astype(np.uint8)
    error = float(np.mean((one.astype(float) - other) ** 2))
    wanted = 10 * math.log10(255**2 / error) if error else math.inf
    assert quality.psnr(one, other) == pytest.approx(wanted)
    assert quality.psnr(other, one) == quality.psnr(one, other)
    assert quality.psnr(one, one) == math.inf


def test_psnr_knows_the_peak_of_16_bits_and_goes_on_in_bands(monkeypatch) -> None:
    one = scene(20, 30, np.uint16)
    off = np.where(one > 30000, one - 1000, one + 1000).astype(np.uint16)
    wanted = 20 * math.log10(65.535)
    assert quality.psnr(one, off) == pytest.approx(wanted)
    monkeypatch.setattr(quality, "_BAND", 7)
    assert quality.psnr(one, off) == pytest.approx(wanted)
    black, white = np.zeros((300, 300, 3), np.uint16), np.full((300, 300, 3), 65535, np.uint16)
    assert quality.psnr(black, white) == 0


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_ms_ssim_is_that_of_the_reference(dtype: type) -> None:
    reference = pytest.importorskip("pytorch_msssim")
    import torch

    one = scene(dtype=dtype)
    other = noisy(one, 0.05)
    left, right = (
        torch.from_numpy(p.astype(np.float32)).permute(2, 0, 1)[None] for p in (one, other)
    )
    wanted = reference.ms_ssim(left, right, data_range=np.iinfo(dtype).max).item()
    assert quality.ms_ssim(one, other) == pytest.approx(wanted, abs=1e-6)
    assert 0.5 < wanted < 0.999


def test_more_noise_is_farther_away() -> None:
    pytest.importorskip("pytorch_msssim")
    one = scene()
    worse = [noisy(one, part) for part in (0.0, 0.02, 0.05, 0.15)]
    assert quality.ms_ssim(one, worse[0]) == 1
    for measure in (quality.psnr, quality.ms_ssim):
        found = [measure(one, other) for other in worse]
        assert found == sorted(found, reverse=True)
        assert len(set(found)) == len(found)


def test_small_pictures_have_no_ms_ssim() -> None:
    pytest.importorskip("pytorch_msssim")
    one = scene(161, 161)
    assert quality.ms_ssim(one, noisy(one, 0.05)) < 1
    for height, width in ((160, 400), (400, 160)):
        small = scene(height, width)
        with pytest.raises(quality.NotMeasurable, match="at least 161 pixels on each side"):
            quality.ms_ssim(small, small)


def test_without_its_package_ms_ssim_says_how_to_get_it(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pytorch_msssim", None)
    with pytest.raises(MissingExtra, match=r"MS-SSIM .*pip install 'ncz\[media\]'"):
        quality.ms_ssim(scene(), scene())


def test_unlike_pictures_are_a_mistake_of_the_caller() -> None:
    one = scene(170, 170)
    for other in (one[:-1], one.astype(np.uint16), one[:, :, 0]):
        for measure in (quality.psnr, quality.ms_ssim, quality.lpips):
            with pytest.raises(ValueError, match="cannot be measured against"):
                measure(one, other)
    for none in (one[:0], one.astype(np.float32)):
        with pytest.raises(ValueError, match="uint8 or uint16"):
            quality.psnr(none, none)


def test_lpips_says_what_it_lacks(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert quality.no_lpips() is not None
    with pytest.raises(quality.NotMeasurable, match="pip install lpips"):
        quality.lpips(scene(40, 40), scene(40, 40))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: SimpleNamespace())
    with pytest.raises(quality.NotMeasurable, match=r"needs AlexNet's weights, alexnet-owt.*: put"):
        quality.lpips(scene(40, 40), scene(40, 40))


def test_a_broken_lpips_is_a_sentence(monkeypatch, tmp_path: Path) -> None:
    def broken(**options):
        raise RuntimeError("operator torchvision::nms\ndoes not exist")

    monkeypatch.setattr(quality, "no_lpips", lambda: None)
    monkeypatch.setitem(sys.modules, "lpips", SimpleNamespace(LPIPS=broken))
    quality._network.cache_clear()
    with pytest.raises(quality.NotMeasurable, match="cannot be loaded: operator torchvision::nms"):
        quality.lpips(scene(40, 40), scene(40, 40))


def test_lpips_hands_pictures_to_the_network_as_it_wants_them(monkeypatch, tmp_path: Path) -> None:
    class Network:
        """Takes what LPIPS takes, and measures the mean difference in its stead."""

        def __init__(self, net: str, verbose: bool) -> None:
            print(f"loading {net}")

        def eval(self) -> Network:
            return self

        def __call__(self, left, right):
            for side in (left, right):
                assert tuple(side.shape) == (1, 3, 40, 50)
                assert side.min() >= -1 and side.max() <= 1
            return (left - right).abs().mean()

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    kept = tmp_path / "hub" / "checkpoints"
    kept.mkdir(parents=True)
    (kept / "alexnet-owt-7be5be79.pth").write_bytes(b"")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: SimpleNamespace())
    monkeypatch.setitem(sys.modules, "lpips", SimpleNamespace(LPIPS=Network))
    quality._network.cache_clear()
    try:
        for dtype in (np.uint8, np.uint16):
            peak = np.iinfo(dtype).max
            black, white = np.zeros((40, 50, 3), dtype), np.full((40, 50, 3), peak, dtype)
            assert quality.lpips(black, white) == pytest.approx(2)
            assert quality.lpips(white, white) == 0
        with pytest.raises(quality.NotMeasurable, match="at least 31 pixels"):
            quality.lpips(black[:30], white[:30])
    finally:
        quality._network.cache_clear()
