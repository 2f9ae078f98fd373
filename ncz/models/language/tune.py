"""Trains what ncz adds to the weights of a language model before it converts them.

    python -m ncz.models.language.tune DATA --model FILE -o addition.safetensors

A small model that was tuned to instructions and then cut to four bits has lost some of what it
knew of plain text. A low-rank sum for every matrix of its layers, and other norms, bring that
back. DATA holds documents, one a file. They are cut into sequences, which begin with the model's
own beginning, as windows of a block do; a seed says in what order. At intervals what is learned
so far is kept beside the output, and a second start goes on from there.

What is written: for a matrix ``name`` int8 ``name.up`` [outputs, rank], int8 ``name.down``
[rank, inputs] and int8 ``name.shift`` [rank]; :mod:`ncz.models.language.addition` says how they
are added. Norms are written whole.

Source: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (2021).
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ncz.models.language.source import Source, open_source
from ncz.models.language.tokenizer import Tokenizer

PRODUCTS = (
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
)
"""The matrices of a layer, as Hugging Face calls them."""

NORMS = {
    "llama": ("input_layernorm", "post_attention_layernorm"),
    "gemma3": (
        "input_layernorm",
        "self_attn.q_norm",
        "self_attn.k_norm",
        "post_attention_layernorm",
        "pre_feedforward_layernorm",
        "post_feedforward_layernorm",
    ),
}
"""The norms of a layer, by architecture."""


@click.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--model", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
@click.option("--held-back", type=click.Path(exists=True, path_type=Path), help="To look at.")
@click.option("--rank", default=16, show_default=True)
@click.option("--length", default=1024, show_default=True, help="Tokens of a sequence.")
@click.option("--batch", default=8, show_default=True, help="Sequences of a step.")
@click.option("--rate", default=6e-4, show_default=True, help="The highest learning rate.")
@click.option("--steps", default=0, help="Steps to take; 0 for one pass.")
@click.option("--seed", default=1, show_default=True)
@click.option("--device", default="cpu", show_default=True)
def main(
    data: Path,
    model: Path,
    output: Path,
    held_back: Path | None,
    rank: int,
    length: int,
    batch: int,
    rate: float,
    steps: int,
    seed: int,
    device: str,
) -> None:
    """Train what is added to MODEL, on the documents in DATA."""
    torch.manual_seed(seed)
    source = open_source(model)
    tokenizer = Tokenizer(source.vocabulary, source.shape.tokenizer, source.shape.pre)
    network = Network(source, rank).to(device)
    sequences = _cut(data, tokenizer, source.shape.begin, length)
    seen = _cut(held_back, tokenizer, source.shape.begin, length) if held_back else None
    steps = steps or len(sequences) // batch
    order = torch.randperm(len(sequences)).repeat(-(-steps * batch // len(sequences)))
    adam = torch.optim.AdamW(network.parameters(), rate, betas=(0.9, 0.98), weight_decay=0.0)
    kept = output.with_suffix(".checkpoint.pt")
    first = _resume(kept, network, adam)
    say(f"{len(sequences)} sequences of {length}, {steps} steps of {batch}, from step {first}")
    started = time.monotonic()
    recent: list[float] = []
    for step in range(first, steps):
        if seen is not None and step % 40 == 0:
            say(f"step {step}: held back {_held_back(network, seen, device):.4f} bits a token")
        warm = min(1.0, (step + 1) / 20)
        now = rate * warm * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / steps)))
        for group in adam.param_groups:
            group["lr"] = now
        total = 0.0
        for i in torch.split(order[step * batch : (step + 1) * batch], 2):
            tokens = sequences[i].to(device)
            loss = network(tokens) * (len(i) / batch)
            loss.backward()
            total += loss.item()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        adam.step()
        adam.zero_grad()
        recent.append(total / math.log(2))
        if (step + 1) % 10 == 0:
            pace = (step + 1 - first) * batch * length / (time.monotonic() - started)
            mean = sum(recent[-50:]) / len(recent[-50:])
            say(f"step {step + 1}: {mean:.4f} bits a token, {pace:.0f} tokens/s")
        if (step + 1) % 40 == 0:
            torch.save(
                {"step": step + 1, "network": network.learned(), "adam": adam.state_dict()}, kept
            )
            _write(network, output, data)
    if seen is not None:
        say(f"in the end: held back {_held_back(network, seen, device):.4f} bits a token")
    _write(network, output, data)


def say(line: str) -> None:
    """One line of the log."""
    print(line, file=sys.stderr, flush=True)


class Added(nn.Module):
    """A frozen matrix, and what is added to it: up @ down, of a low rank."""

    def __init__(self, weight: np.ndarray, rank: int) -> None:
        super().__init__()
        outputs, inputs = weight.shape
        self.weight: Tensor
        self.register_buffer("weight", torch.tensor(weight).bfloat16(), persistent=False)
        self.down = nn.Parameter(torch.randn(rank, inputs) / math.sqrt(inputs))
        self.up = nn.Parameter(torch.zeros(outputs, rank))

    def forward(self, x: Tensor) -> Tensor:
        """bfloat16[..., inputs] to bfloat16[..., outputs]."""
        added = F.linear(F.linear(x, self.down.bfloat16()), self.up.bfloat16())
        return F.linear(x, self.weight) + added


class Layer(nn.Module):
    """One layer of a Llama or of a Gemma 3.

    Sources: Touvron et al., "LLaMA" (2023); Gemma Team, "Gemma 3 Technical Report" (2025).
    """

    def __init__(self, source: Source, i: int, rank: int) -> None:
        super().__init__()
        self.shape = source.shape
        self.slides = source.shape.slides(i)

        def tensor(name: str) -> np.ndarray:
            return source.tensor(f"model.layers.{i}.{name}.weight")

        self.products = nn.ModuleDict({_last(name): Added(tensor(name), rank) for name in PRODUCTS})
        norms = NORMS[source.shape.architecture]
        self.norms = nn.ParameterDict(
            {_last(name): nn.Parameter(torch.tensor(tensor(name))) for name in norms}
        )

    def forward(self, x: Tensor, turns: tuple[Turn, Turn]) -> Tensor:
        """float32[sequences, tokens, width] to the same."""
        shape, product = self.shape, self.products
        gemma = shape.architecture == "gemma3"
        n, length, _ = x.shape

        def heads(name: str, count: int) -> Tensor:
            return product[name](y).view(n, length, count, shape.head_width).transpose(1, 2)

        y = self._normed(x, "input_layernorm").bfloat16()
        q, k = heads("q_proj", shape.heads), heads("k_proj", shape.kv_heads)
        if gemma:
            q, k = self._normed(q, "q_norm"), self._normed(k, "k_norm")
        q, k = (_turn(part, turns[self.slides]).bfloat16() for part in (q, k))
        v = heads("v_proj", shape.kv_heads)
        most = shape.sliding if self.slides else length
        seen: Tensor = _applied(_Attention, q * shape.head_width**-0.5, k, v, most)
        y = product["o_proj"](seen.transpose(1, 2).reshape(n, length, -1)).float()
        x = x + (self._normed(y, "post_attention_layernorm") if gemma else y)
        before = "pre_feedforward_layernorm" if gemma else "post_attention_layernorm"
        y = self._normed(x, before).bfloat16()
        gate = product["gate_proj"](y)
        gate = F.gelu(gate, approximate="tanh") if gemma else F.silu(gate)
        y = product["down_proj"](gate * product["up_proj"](y)).float()
        return x + (self._normed(y, "post_feedforward_layernorm") if gemma else y)

    def _normed(self, x: Tensor, name: str) -> Tensor:
        weight = self.norms[name]
        return F.rms_norm(x.float(), weight.shape, weight, self.shape.epsilon)


def _last(name: str) -> str:
    return name.rpartition(".")[2]


class Network(nn.Module):
    """A frozen model, and what is added to it; returns the loss of sequences of tokens."""

    def __init__(self, source: Source, rank: int) -> None:
        super().__init__()
        shape = source.shape
        embedding = source.tensor("model.embed_tokens.weight")
        tied = "lm_head.weight" not in source.names
        head = embedding if tied else source.tensor("lm_head.weight")
        self.embedding: Tensor
        self.head: Tensor
        self.register_buffer("embedding", torch.tensor(embedding).bfloat16(), persistent=False)
        self.register_buffer("head", torch.tensor(head).bfloat16(), persistent=False)
        self.norm = nn.Parameter(torch.tensor(source.tensor("model.norm.weight")))
        self.layers = nn.ModuleList(Layer(source, i, rank) for i in range(shape.layers))
        self.shape = shape

    def learned(self) -> dict[str, Tensor]:
        """What training moves."""
        return dict(self.named_parameters())

    def added(self, i: int, name: str) -> Added:
        """One of :data:`PRODUCTS` of layer i."""
        found: Any = self.layers[i]
        added: Added = found.products[_last(name)]
        return added

    def normed(self, i: int, name: str) -> Tensor:
        """One of :data:`NORMS` of layer i."""
        found: Any = self.layers[i]
        norm: Tensor = found.norms[_last(name)]
        return norm

    def forward(self, tokens: Tensor) -> Tensor:
        """The mean loss, in nats, of int64[sequences, tokens] after the first of each."""
        shape = self.shape
        x = self.embedding[tokens[:, :-1]].float()
        if shape.architecture == "gemma3":
            x = x * shape.width**0.5
        bases = shape.rope_base, shape.rope_base_local
        turns = tuple(_rotary(base, shape.head_width, x.shape[1], x.device) for base in bases)
        for layer in self.layers:
            x = layer(x, turns)
        x = F.rms_norm(x, x.shape[-1:], self.norm, shape.epsilon).flatten(0, 1)
        loss: Tensor = _applied(_Loss, x, self.head, tokens[:, 1:].flatten())
        return loss


def _applied(function: Any, *given: Any) -> Tensor:
    """``function.apply``, which has no types."""
    out: Tensor = function.apply(*given)
    return out


class _Attention(torch.autograd.Function):
    """Causal attention to the last so many keys, some queries at a time.

    On CPUs it is thrice as fast as what torch has.
    """

    QUERIES = 128

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, most: int) -> Tensor:
        ctx.save_for_backward(q, k, v)
        ctx.most = most
        out = torch.empty_like(q)
        for queries, keys in _Attention._parts(q.shape[2], most):
            some = q[:, :, queries]
            _, seen = _Attention._seen(some, k[:, :, keys], most)
            out[:, :, queries] = (seen @ v[:, :, keys]).view(some.shape)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        q, k, v = ctx.saved_tensors
        dq, dk, dv = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        for queries, keys in _Attention._parts(q.shape[2], ctx.most):
            some, seen = _Attention._seen(q[:, :, queries], k[:, :, keys], ctx.most)
            back = grads[0][:, :, queries].reshape(some.shape)
            dv[:, :, keys] += seen.mT @ back
            weights = seen * (back @ v[:, :, keys].mT)
            weights -= seen * weights.sum(-1, keepdim=True)
            dq[:, :, queries] = (weights @ k[:, :, keys]).view(q[:, :, queries].shape)
            dk[:, :, keys] += weights.mT @ some
        return dq, dk, dv, None

    @staticmethod
    def _parts(length: int, most: int) -> Iterator[tuple[slice, slice]]:
        """Some queries, and all keys that any of them sees."""
        for a in range(0, length, _Attention.QUERIES):
            b = min(a + _Attention.QUERIES, length)
            yield slice(a, b), slice(max(0, a + 1 - most), b)

    @staticmethod
    def _seen(q: Tensor, k: Tensor, most: int) -> tuple[Tensor, Tensor]:
        """Queries by heads of keys, and how much they see of each key; both end at one place."""
        n, heads, count, width = q.shape
        kv, keys = k.shape[1], k.shape[2]
        some = q.reshape(n, kv, -1, width)
        scores = (some @ k.mT).view(n, kv, heads // kv, count, keys)
        back = torch.arange(keys - count, keys)[:, None] - torch.arange(keys)
        scores.masked_fill_(((back < 0) | (back >= most)).to(q.device), -torch.inf)
        return some, torch.softmax(scores, -1).view(n, kv, -1, keys)


class _Loss(torch.autograd.Function):
    """Cross entropy behind a frozen matrix, some rows at a time, without all logits at once."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, head: Tensor, wanted: Tensor) -> Tensor:
        total, back = x.new_zeros(()), torch.empty_like(x)
        for rows in torch.split(torch.arange(len(x), device=x.device), 128):
            logits = F.linear(x[rows].bfloat16(), head).float()
            some = wanted[rows, None]
            sums = torch.logsumexp(logits, 1, keepdim=True)
            total += (sums - logits.gather(1, some)).sum()
            logits.sub_(sums).exp_()
            logits.scatter_add_(1, some, logits.new_full(some.shape, -1.0))
            back[rows] = (logits.bfloat16() @ head).float()
        ctx.save_for_backward(back / len(x))
        return total / len(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (back,) = ctx.saved_tensors
        return back * grads[0], None, None


Turn = tuple[Tensor, Tensor]
"""Cosines and sines, by place and pair."""


def _rotary(base: float, width: int, length: int, device: torch.device) -> Turn:
    half = width // 2
    steps = base ** (-torch.arange(half, device=device) / half)
    angles = torch.arange(length, device=device)[:, None] * steps
    return angles.cos().bfloat16(), angles.sin().bfloat16()


def _turn(x: Tensor, turn: Turn) -> Tensor:
    cos, sin = turn
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


def _cut(data: Path, tokenizer: Tokenizer, begin: int, length: int) -> Tensor:
    """int64[sequences, length + 1]: documents in the order of their names, cut."""
    paths = sorted(path for path in data.iterdir() if path.is_file())
    pieces = list(_pieces(paths, tokenizer, length))
    whole = torch.tensor(np.stack(pieces).astype(np.int64))
    return torch.cat([torch.full((len(whole), 1), begin), whole], 1)


def _pieces(paths: list[Path], tokenizer: Tokenizer, length: int) -> Iterator[np.ndarray]:
    """int32[length] each: what is left of a document goes before the next."""
    left = np.zeros(0, np.int32)
    for path in paths:
        tokens = tokenizer.encode(path.read_bytes())
        left = np.concatenate([left, tokens[tokens >= 0]])
        while left.size >= length:
            yield left[:length]
            left = left[length:]


@torch.no_grad()
def _held_back(network: Network, sequences: Tensor, device: str) -> float:
    losses = [network(tokens.to(device)).item() for tokens in torch.split(sequences, 4)]
    return sum(losses) / len(losses) / math.log(2)


def _resume(kept: Path, network: Network, adam: torch.optim.Optimizer) -> int:
    if not kept.exists():
        return 0
    found = torch.load(kept, weights_only=True)
    network.load_state_dict(found["network"], strict=False)
    adam.load_state_dict(found["adam"])
    return int(found["step"])


def _write(network: Network, output: Path, data: Path) -> None:
    from ncz.models.contextmix.prior import pack

    digests = {
        path.name: sha256(path.read_bytes()).hexdigest()
        for path in sorted(data.iterdir())
        if path.is_file()
    }
    tensors: dict[str, np.ndarray] = {"norm": network.norm.detach().cpu().numpy()}
    for i in range(network.shape.layers):
        for name in NORMS[network.shape.architecture]:
            tensors[f"layers.{i}.{name}"] = network.normed(i, name).detach().cpu().numpy()
        for name in PRODUCTS:
            added = network.added(i, name)
            up, down, shift = integers(added.up.detach(), added.down.detach())
            at = f"layers.{i}.{name}"
            tensors |= {f"{at}.up": up, f"{at}.down": down, f"{at}.shift": shift}
    digest = sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()
    packed = pack(tensors, {"data": digest})
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(packed)
    say(f"{output}: {len(packed):,} bytes, SHA-256 {sha256(packed).hexdigest()}")


def integers(up: Tensor, down: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The low-rank sum ``up @ down`` as integers.

    Args:
        up: float32[outputs, rank].
        down: float32[rank, inputs].

    Returns:
        int8[outputs, rank], int8[rank, inputs] and int8[rank]: the sum over r of
        ``up[:, r] * down[r] * 2**shift[r]``.
    """
    # Columns that stand at right angles to each other lose least when they are rounded.
    a, b = torch.linalg.qr(up.double()), torch.linalg.qr(down.double().T)
    u, s, v = torch.linalg.svd(a.R @ b.R.T)
    left, right = a.Q @ u * s, (b.Q @ v.T).T
    right_unit = right.abs().amax(1).clamp_min(1e-30) / 127
    right = right / right_unit[:, None]
    left = left * right_unit
    shift = torch.ceil(torch.log2(left.abs().amax(0).clamp_min(2.0**-120) / 127))
    left = left / torch.exp2(shift)
    return (
        torch.round(left).clamp(-127, 127).to(torch.int8).numpy(),
        torch.round(right).to(torch.int8).numpy(),
        shift.to(torch.int8).numpy(),
    )


if __name__ == "__main__":
    main()
