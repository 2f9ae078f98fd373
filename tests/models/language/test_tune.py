from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from ncz.models.contextmix.prior import unpack
from ncz.models.language import addition, exact, plain, tune
from ncz.models.language.convert import convert
from ncz.models.language.source import open_source
from tests.models.language import tiny

TEXT = b"the cat and the hat of the man that was in the house and you with it " * 60


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """So small matrices are not worth the waiting for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=["llama", "gemma3"])
def model(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    tiny.write_gguf(tmp_path / "tiny.gguf", request.param)
    return tmp_path / "tiny.gguf"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    for name in ("a", "b"):
        (tmp_path / "data" / name).write_bytes(TEXT)
    return tmp_path / "data"


def train(data: Path, model: Path, output: Path, steps: int) -> str:
    run = CliRunner().invoke(
        tune.main,
        f"{data} --model {model} -o {output} --held-back {data} --rank 2 --length 64 --batch 4 "
        f"--rate 0.02 --steps {steps}",
    )
    assert run.exit_code == 0, run.output
    return run.output


def test_training_lowers_the_loss_and_what_it_writes_can_be_added(
    data: Path, model: Path, tmp_path: Path
) -> None:
    said = train(data, model, tmp_path / "added", 40)
    costs = [float(line.split()[-4]) for line in said.splitlines() if "held back" in line]
    assert costs[-1] < 0.8 * costs[0]
    source = open_source(model)
    added = addition.add(source, unpack((tmp_path / "added").read_bytes()))
    again = tune.Network(added, 1)
    tokens = torch.arange(1, 65)[None] % 40
    assert again(tokens).item() != tune.Network(source, 1)(tokens).item()
    convert(model, tmp_path / "exact", "x", None, unpack((tmp_path / "added").read_bytes()))
    exact.load(tmp_path / "exact")


def test_goes_on_where_it_stopped(data: Path, model: Path, tmp_path: Path) -> None:
    train(data, model, tmp_path / "added", 40)
    kept = (tmp_path / "added").read_bytes()
    (tmp_path / "added").unlink()
    assert "from step 40" in train(data, model, tmp_path / "added", 40)
    assert (tmp_path / "added").read_bytes() == kept


def test_the_network_is_what_the_exact_one_computes(model: Path, tmp_path: Path) -> None:
    convert(model, tmp_path / "exact", "x")
    loaded = exact.load(tmp_path / "exact")
    tokens = np.random.Generator(np.random.PCG64(2)).integers(0, 40, 100)
    network = plain.Network(loaded)
    cache = network.cache(1, 100)
    x = network.read(cache, 0, tokens[:-1])
    product, units = network.product(
        x, network.prepare(loaded.head or loaded.embedding), loaded.norm
    )
    scale = (loaded.head or loaded.embedding).scale
    logits = torch.tensor(product[:, : scale.size] * (units[:, None] * scale))
    wanted = torch.nn.functional.cross_entropy(logits, torch.tensor(tokens[1:]))
    found = tune.Network(open_source(model), 1)(torch.tensor(tokens)[None])
    assert found.item() == pytest.approx(wanted.item(), rel=0.02)


@pytest.mark.parametrize("most", [300, 70])
def test_attention_and_its_gradients_are_those_of_the_library(most: int) -> None:
    torch.manual_seed(1)
    q, k, v = (torch.randn(2, heads, 300, 8, requires_grad=True) for heads in (6, 2, 2))
    for given in (q, k, v):
        given.retain_grad()
    out = tune._applied(tune._Attention, q * 8**-0.5, k, v, most)
    out.square().sum().backward()
    found = [given.grad for given in (q, k, v)]
    for given in (q, k, v):
        given.grad = None
    wide = (given.repeat_interleave(3, 1) for given in (k, v))
    places = torch.arange(300)
    back = places[:, None] - places
    seen = (back >= 0) & (back < most)
    wanted = torch.nn.functional.scaled_dot_product_attention(q, *wide, attn_mask=seen)
    torch.testing.assert_close(out, wanted)
    wanted.square().sum().backward()
    for given, grad in zip((q, k, v), found, strict=True):
        torch.testing.assert_close(grad, given.grad)


def test_the_loss_and_its_gradient_are_those_of_the_library() -> None:
    torch.manual_seed(1)
    head = torch.randn(50, 16).bfloat16()
    x = torch.randn(300, 16, requires_grad=True)
    wanted = torch.randint(0, 50, (300,))
    loss = tune._applied(tune._Loss, x, head, wanted)
    loss.backward()
    found, x.grad = x.grad, None
    library = torch.nn.functional.cross_entropy((x.bfloat16() @ head.T).float(), wanted)
    library.backward()
    assert loss.item() == pytest.approx(library.item(), rel=1e-3)
    torch.testing.assert_close(found, x.grad, rtol=0.1, atol=1e-4)


def test_a_low_rank_sum_is_kept_to_a_hundredth() -> None:
    torch.manual_seed(1)
    up, down = torch.randn(40, 4) * torch.tensor([1.0, 3, 0.1, 10]), torch.randn(4, 30)
    wanted = (up @ down).numpy()
    found = addition.product(*tune.integers(up, down))
    assert np.abs(found - wanted).max() < 0.01 * np.abs(wanted).max()
