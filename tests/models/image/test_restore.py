from __future__ import annotations

import numpy as np
import torch

from ncz.models.contextmix.prior import unpack
from ncz.models.image import export, restore
from tests.models.image import tiny


def test_a_restored_network_is_the_one_that_was_exported() -> None:
    found = unpack(tiny.packed())
    network = restore.network_of(found).eval().requires_grad_(False)
    x = torch.from_numpy(np.stack([tiny.picture(64, 64, seed) for seed in range(8)]))
    x = x.permute(0, 3, 1, 2) - 0.5
    qualities = torch.linspace(0, tiny.SHAPE.anchors - 1, 8)
    bits = []
    for one in (tiny.network(), network):
        torch.manual_seed(1)
        bits.append(one(x, qualities)[1])
    np.testing.assert_allclose(bits[0], bits[1], rtol=1e-3)
    with export.watching(network) as ranges:
        network(x, qualities)
    again = export.tensors(network, ranges)
    assert set(again) == set(found)
    for name, tensor in found.items():
        if tensor.dtype != np.float32:
            np.testing.assert_array_equal(again[name], tensor, err_msg=name)
            continue
        # Activations go a little farther or less far than on the crops they were first seen on.
        np.testing.assert_allclose(again[name], tensor, rtol=0.05, atol=2, err_msg=name)
