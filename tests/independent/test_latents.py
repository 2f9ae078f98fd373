"""What the codec of pictures writes, the decoder written from docs/latents.md reads."""

import pytest

from tests.independent import latents as independent
from tests.models.image import tiny


@pytest.mark.parametrize(
    ("height", "width", "level"), [(1, 1, 0), (33, 70, 100), (50, 20, 252), (17, 17, 36)]
)
def test_pictures(height: int, width: int, level: int) -> None:
    codec = tiny.codec()
    made = codec.analyse(tiny.picture(height, width, level), level)
    coded = codec.encode(made)
    assert independent.decode(tiny.packed(), coded) == made.packed()
