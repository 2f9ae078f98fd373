from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ncz.models.contextmix.prior import unpack
from ncz.models.image import data, restore, train, weights
from ncz.models.image.network import Network
from tests.models.image import tiny

SIDE = 64


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder for each source, with a picture in it."""
    for number, source in enumerate(data.DATA):
        folder = tmp_path / "data" / source.folder
        folder.mkdir(parents=True)
        pixels = np.rint(tiny.picture(420, 440, number) * 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "one.png")
    return tmp_path / "data"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "Shape", lambda: tiny.SHAPE)
    monkeypatch.setattr(train, "begin", lambda network, crops: None)


def run(pictures: Path, out: Path, *more: str) -> None:
    size = ["--batch", "2", "--side", str(SIDE)]
    train.main(["--data", str(pictures), "--out", str(out), *size, *more])


def checkpoint(out: Path) -> dict[str, dict[str, torch.Tensor]]:
    kept: dict[str, dict[str, torch.Tensor]] = torch.load(out / "checkpoint.pt", weights_only=True)
    return kept


def test_steps_make_the_loss_smaller(pictures: Path, small: None, tmp_path: Path) -> None:
    crops = data.Crops(pictures, SIDE, 3)
    x = torch.from_numpy(crops.draw(4)).permute(0, 3, 1, 2).float() / 255 - 0.5
    quality = torch.tensor([0.0, 2.0, 4.0, 7.0])

    def loss(weights: dict[str, torch.Tensor]) -> float:
        network = Network(tiny.SHAPE)
        network.load_state_dict(weights)
        torch.manual_seed(1)
        with torch.no_grad():
            return float(train.loss_of(network, x, quality)[0])

    run(pictures, tmp_path / "run", "--steps", "1")
    first = loss(checkpoint(tmp_path / "run")["network"])
    run(pictures, tmp_path / "run", "--steps", "40", "--rate", "0.05")
    assert loss(checkpoint(tmp_path / "run")["network"]) < 0.9 * first


def test_a_run_goes_on_and_cooling_leaves_it_as_it_was(
    pictures: Path, small: None, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    run(pictures, out, "--steps", "2")
    run(pictures, out, "--steps", "3", "--cool", "2")
    before = (out / "checkpoint.pt").read_bytes()
    assert checkpoint(out)["done"] == 2
    cooled = torch.load(out / "cooled.pt", weights_only=True)["weights"]
    assert set(cooled) == set(checkpoint(out)["average"])
    run(pictures, out, "--steps", "4", "--tune", "ms-ssim")
    assert checkpoint(out)["done"] == 4 and (out / "checkpoint.pt").read_bytes() != before


def test_training_goes_on_from_weights_that_ship(
    pictures: Path, small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "tensors", lambda name: unpack(tiny.packed()))
    out = tmp_path / "run"
    restore.main([weights.DEFAULT, "--done", "7", "--out", str(out)])
    before = checkpoint(out)["network"]
    run(pictures, out, "--steps", "9")
    after = checkpoint(out)
    assert after["done"] == 9
    assert any(not torch.equal(after["network"][name], before[name]) for name in before)


def test_length_of_steps() -> None:
    lengths = [train.length(step, 10_000, 1000) for step in range(11_000)]
    assert max(lengths) == 1 and lengths[train.WARM] == lengths[train.STEADY - 1] == 1
    assert lengths[4 * train.STEADY - 1] == pytest.approx(0.5)
    assert all(
        a >= b for a, b in zip(lengths[train.WARM :], lengths[train.WARM + 1 :], strict=False)
    )
    assert lengths[-1] == pytest.approx(0.001 * lengths[10_000])


def test_crops_are_the_same_for_the_same_seed(pictures: Path) -> None:
    one, same, other = (data.Crops(pictures, SIDE, seed).draw(3) for seed in (1, 1, 2))
    assert one.shape == (3, SIDE, SIDE, 3) and one.dtype == np.uint8
    assert np.array_equal(one, same) and not np.array_equal(one, other)


def test_a_source_without_pictures_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=data.DATA[0].what[:5]):
        data.Crops(tmp_path, SIDE, 1)
