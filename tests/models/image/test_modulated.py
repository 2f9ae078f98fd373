import numpy as np
import torch

from ncz.models.image import modulated
from tests.models.image import tiny


def test_nothing_is_bent_outside() -> None:
    synthesis = tiny.codec().transforms.synthesis
    y, mix = torch.randn(1, 32, 4, 4), tiny.codec().mix(100)
    with torch.no_grad():
        plain = synthesis(y, mix)
        with modulated.Bent(synthesis) as bent:
            assert torch.equal(synthesis(y, mix), plain)
            bent.offsets[2] += 0.1
            assert torch.allclose(synthesis(y, mix), plain + 0.1, atol=1e-6)
            bent.factors[1] += 0.5
            assert not torch.allclose(synthesis(y, mix), plain + 0.1, atol=1e-4)
        assert torch.equal(synthesis(y, mix), plain)


def test_a_picture_is_never_worse_off() -> None:
    # The tiny network's decoder knows nothing of pictures, so that there is much to gain.
    rgb = np.rint(tiny.picture(96, 80, 4) * 255).astype(np.uint8)
    row = modulated.measure(rgb, 50, 30, tiny.codec())
    assert row.fitted > row.psnr + 0.3 and row.most > 0 and row.sent > 5
    without = modulated.measure(rgb, 50, 0, tiny.codec())
    assert without.fitted == without.psnr == row.psnr
    assert without.sent == 1 and without.gain == 0 and -1 < without.saved < 0
