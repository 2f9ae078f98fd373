import torch

from ncz.models.image.muon import Muon, orthogonal


def test_singular_values_become_about_one() -> None:
    torch.manual_seed(1)
    for shape in ((3, 24, 24), (2, 16, 64), (2, 64, 16)):
        values = torch.linalg.svdvals(orthogonal(torch.randn(shape)))
        assert values.min() > 0.3 and values.max() < 1.3


def test_matrices_of_a_batch_do_not_touch() -> None:
    torch.manual_seed(2)
    some = torch.randn(4, 16, 40)
    alone = torch.cat([orthogonal(one[None]) for one in some])
    assert torch.allclose(orthogonal(some), alone, atol=0.02)


def test_a_step_goes_against_the_gradient_and_as_far_as_asked() -> None:
    torch.manual_seed(3)
    weights = [torch.nn.Parameter(torch.randn(shape)) for shape in ((8, 4, 3, 3), (8, 4, 3, 3))]
    before = [weight.detach().clone() for weight in weights]
    for weight in weights:
        weight.grad = torch.randn_like(weight)
    Muon(weights, lr=0.01).step()
    for weight, old in zip(weights, before, strict=True):
        assert weight.grad is not None
        change = (weight.detach() - old).flatten(1)
        assert (change * weight.grad.flatten(1)).sum() < 0
        # An orthogonal matrix of 8 rows has a norm of sqrt(8).
        assert 0.7 < change.norm() / (0.01 * 8**0.5) < 1.2


def test_what_has_no_gradient_stays() -> None:
    weight = torch.nn.Parameter(torch.ones(4, 4))
    Muon([weight], lr=0.1).step()
    assert torch.equal(weight.detach(), torch.ones(4, 4))
