from importlib import resources

import numpy as np
import pytest

from ncz.codec.coder import ModelRef
from ncz.codec.errors import ModelMissing
from ncz.models.image import weights
from ncz.models.image.codec import ImageCodec
from ncz.models.image.error import TUNES
from tests.models.image import tiny


def test_there_are_weights_for_each_measure() -> None:
    assert set(weights.TUNED) == set(TUNES)
    for tune, name in weights.TUNED.items():
        assert weights.tune_of(name) == tune
        assert weights.name_of(weights.ref(name)) == name


@pytest.mark.parametrize("name", weights.DIGESTS)
def test_what_ships_is_whole_and_says_how_it_was_trained(name: str) -> None:
    folder = resources.files("ncz.models.image") / "trained"
    assert len((folder / f"{name}.safetensors").read_bytes()) <= 15_000_000
    assert "--cool" in (folder / f"{name}.log").read_text("utf-8")
    codec = ImageCodec.load(name)
    pixels = tiny.picture(70, 90, 3)
    sizes, errors = [], []
    for level in (60, 180):
        coded = codec.encode(codec.analyse(pixels, level))
        back = codec.synthesise(codec.decode(coded))
        sizes.append(len(coded))
        errors.append(float(np.square(back - pixels).mean()))
    assert sizes[0] < sizes[1]
    assert errors[1] < errors[0] < 0.01


def test_weights_of_a_newer_ncz_are_named() -> None:
    with pytest.raises(ModelMissing, match="newer ncz"):
        weights.name_of(ModelRef(b"\7" * 32, "image-99"))
