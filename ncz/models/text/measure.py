"""What exact arithmetic costs: bits per byte beside float32 on the weights it was made from.

``python -m ncz.models.text.measure MODEL.gguf TEXT…`` converts the model, runs both over the
same windows of the same tokens and prints what the model alone would take for each text. The
float network is plain torch and shares nothing with the exact one but the tokens.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ncz.models.language import convert, exact, source
from ncz.models.language.source import Source
from ncz.models.text import loading
from ncz.models.text.windows import Windows

_WINDOWS = Windows(2048, 1024, 0)


class FloatNetwork:
    """The published weights in float32, for one sequence at a time."""

    def __init__(self, model: Source) -> None:
        import torch

        self._shape = model.shape
        self._weights = {
            name: torch.from_numpy(model.tensor(name).copy())
            for name in model.names
            if name.endswith(".weight") and name.startswith(("model.", "lm_head."))
        }

    def log_probabilities(self, tokens: np.ndarray) -> Any:
        """float32[n, vocabulary] tensor: natural logarithms, after each of int64[n] tokens."""
        import torch
        import torch.nn.functional as f

        shape, w = self._shape, self._weights
        gemma = shape.architecture == "gemma3"
        x = w["model.embed_tokens.weight"][torch.from_numpy(tokens)]
        if gemma:
            x = x * shape.width**0.5
        position = torch.arange(tokens.size)
        for i in range(shape.layers):
            at = f"model.layers.{i}."

            def linear(y: Any, name: str, at: str = at) -> Any:
                return y @ w[f"{at}{name}.weight"].t()

            def norm(y: Any, name: str, at: str = at) -> Any:
                return f.rms_norm(y, y.shape[-1:], w[f"{at}{name}.weight"], shape.epsilon)

            slides = shape.sliding > 0 and (i + 1) % shape.sliding_period != 0
            y = norm(x, "input_layernorm")
            q, k, v = (
                linear(y, f"self_attn.{part}_proj")
                .view(tokens.size, -1, shape.head_width)
                .transpose(0, 1)
                for part in "qkv"
            )
            if gemma:
                q, k = norm(q, "self_attn.q_norm"), norm(k, "self_attn.k_norm")
            base = shape.rope_base_local if slides else shape.rope_base
            q, k = _rotated(q, base), _rotated(k, base)
            group = shape.heads // shape.kv_heads
            k, v = k.repeat_interleave(group, 0), v.repeat_interleave(group, 0)
            distance = position[:, None] - position
            seen = (distance >= 0) & (distance < (shape.sliding if slides else tokens.size))
            y = f.scaled_dot_product_attention(q, k, v, seen)
            y = linear(y.transpose(0, 1).reshape(tokens.size, -1), "self_attn.o_proj")
            x = x + (norm(y, "post_attention_layernorm") if gemma else y)
            y = norm(x, "pre_feedforward_layernorm" if gemma else "post_attention_layernorm")
            gate = linear(y, "mlp.gate_proj")
            gate = f.gelu(gate, approximate="tanh") if gemma else f.silu(gate)
            y = linear(gate * linear(y, "mlp.up_proj"), "mlp.down_proj")
            x = x + (norm(y, "post_feedforward_layernorm") if gemma else y)
        x = f.rms_norm(x, x.shape[-1:], w["model.norm.weight"], shape.epsilon)
        top = w.get("lm_head.weight", w["model.embed_tokens.weight"])
        return f.log_softmax(x @ top.t(), -1)


def _rotated(x: Any, base: float) -> Any:
    import torch

    count, half = x.shape[1], x.shape[2] // 2
    angle = torch.arange(count)[:, None] * base ** (-torch.arange(half) / half)
    low, high = x[..., :half], x[..., half:]
    cos, sin = angle.cos().float(), angle.sin().float()
    return torch.cat([low * cos - high * sin, high * cos + low * sin], -1)


def float_bits(network: FloatNetwork, tokens: np.ndarray, begin: int, windows: Windows) -> float:
    """Bits that the float network takes for int64[n] tokens."""
    total = 0.0
    for span in windows.spans():
        if span.first >= tokens.size:
            break
        last = min(span.last, tokens.size)
        seen = np.concatenate([[begin], tokens[span.context : last - 1]])
        logs = network.log_probabilities(seen)[span.first - span.context :].numpy()
        total -= float(logs[np.arange(last - span.first), tokens[span.first : last]].sum())
    return total / float(np.log(2))


def exact_bits(model: loading.Ready, entries: np.ndarray, windows: Windows) -> float:
    """Bits that the exact network takes for int32[n] entries."""
    predictor = model.predictor
    total = 0.0
    cache = predictor.network.cache(1, windows.window)
    for span in windows.spans():
        if span.first >= entries.size:
            return total
        last = min(span.last, entries.size)
        seen = predictor.tokens(entries[span.context : last - 1])
        x = predictor.network.read(cache, 0, np.concatenate([[predictor.begin], seen]))
        start = span.first - span.context
        before = np.concatenate([[predictor.begin], seen])[start:]
        total += float(predictor.bits(x[start:], entries[span.first : last], before).sum())
    return total


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m ncz.models.text.measure")
    parser.add_argument("model", type=Path, help="a .gguf or .safetensors model")
    parser.add_argument("texts", type=Path, nargs="+")
    parser.add_argument("--bytes", type=int, default=24_000, help="of each text, from its start")
    options = parser.parse_args(arguments)
    published = source.open_source(options.model)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "model.safetensors"
        convert.convert(options.model, target, "measured")
        ready = loading.of(exact.load(target), 1)
    network = FloatNetwork(published)
    print("text  bytes  tokens  float32 bpb  exact bpb  more")
    for path in options.texts:
        data = path.read_bytes()[: options.bytes]
        entries = ready.entries(data)
        tokens = ready.predictor.tokens(entries)
        begin = ready.predictor.begin
        floating = float_bits(network, tokens, begin, _WINDOWS) / len(data)
        exactly = exact_bits(ready, entries, _WINDOWS) / len(data)
        print(
            f"{path.name}  {len(data)}  {tokens.size}  {floating:.4f}  {exactly:.4f}  "
            f"{100 * (exactly / floating - 1):+.2f} %"
        )


if __name__ == "__main__":
    main()
