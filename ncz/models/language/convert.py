"""From published float weights to the exact file.

Each output channel's weights become int8 with one scale, the rotary embedding becomes a
table, and tokens become bytes. All of it is integer arithmetic or single IEEE operations, so
the same source gives the same file, and so the same digest, on every machine.
"""

from __future__ import annotations

import decimal
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from ncz.codec.errors import ModelError
from ncz.models.language.addition import Tensors, add
from ncz.models.language.exact import LONGEST, REVISION, assemble, check
from ncz.models.language.source import Source, blaming, open_source

Progress = Callable[[int, int], None]
_BITS = 96  # of fixed-point arithmetic in the rotary tables
_DIGITS = 60  # of the decimal arithmetic that their angles come from


def convert(
    source: Path,
    target: Path,
    name: str,
    progress: Progress | None = None,
    added: Tensors | None = None,
) -> None:
    """Write the exact file of the model at `source`: a .gguf, a .safetensors file or its folder.

    Args:
        source: what was published.
        target: the file to write; its folder exists.
        name: what the model shall be called, in messages and in headers.
        progress: told steps done and steps in all.
        added: what to add to its weights, see :mod:`ncz.models.language.addition`.

    Raises:
        ModelError: `source` is damaged, of an unknown architecture, too wide for exact sums, or
            has a tokenizer that cannot be turned back into bytes.
        OSError: reading or writing fails.
    """
    from safetensors.numpy import save_file

    model = open_source(source)
    if added is not None:
        model = add(model, added)
    with blaming(source):
        head, tensors = _exact(model, name, progress)
    # One entry alone: the library writes several in an order of chance.
    save_file(tensors, target, {"ncz": json.dumps(head, sort_keys=True)})


def _exact(
    model: Source, name: str, progress: Progress | None
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    shape = replace(model.shape, context=min(model.shape.context, LONGEST))
    check(shape)
    out: dict[str, np.ndarray] = {}
    _linear(out, "embedding", model.tensor("model.embed_tokens.weight"))
    if "lm_head.weight" in model.names:
        _linear(out, "head", model.tensor("lm_head.weight"))
    out["norm"] = model.tensor("model.norm.weight")
    for i in range(shape.layers):
        _layer(out, model, i)
        if progress:
            progress(i + 1, shape.layers)
    out["rotary"] = rotary_table(shape.rope_base, shape.head_width, shape.context)
    if shape.sliding:
        out["rotary_local"] = rotary_table(shape.rope_base_local, shape.head_width, shape.context)
    out.update(model.vocabulary)
    head = {"revision": REVISION, "name": name, "shape": asdict(shape)}
    assemble(head, out)  # which looks whether all belongs together
    return head, out


def _layer(out: dict[str, np.ndarray], model: Source, i: int) -> None:
    def tensor(name: str) -> np.ndarray:
        return model.tensor(f"model.layers.{i}.{name}.weight")

    def joined(*names: str) -> np.ndarray:
        return np.concatenate([tensor(name) for name in names])

    at = f"layer.{i}"
    _linear(out, f"{at}.qkv", joined("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"))
    _linear(out, f"{at}.out", tensor("self_attn.o_proj"))
    _linear(out, f"{at}.gate_up", joined("mlp.gate_proj", "mlp.up_proj"))
    _linear(out, f"{at}.down", tensor("mlp.down_proj"))
    out[f"{at}.norm_in"] = tensor("input_layernorm")
    if model.shape.architecture == "gemma3":
        out[f"{at}.norm_mid"] = tensor("pre_feedforward_layernorm")
        out[f"{at}.norm_q"] = tensor("self_attn.q_norm")
        out[f"{at}.norm_k"] = tensor("self_attn.k_norm")
        out[f"{at}.norm_attention"] = tensor("post_attention_layernorm")
        out[f"{at}.norm_feed"] = tensor("post_feedforward_layernorm")
    else:
        out[f"{at}.norm_mid"] = tensor("post_attention_layernorm")


def _linear(out: dict[str, np.ndarray], name: str, weight: np.ndarray) -> None:
    largest = np.abs(weight).max(axis=1)
    if not np.isfinite(largest).all():
        raise ModelError(f"the model's {name} holds numbers that are infinite or none")
    scale = np.where(largest > 0, largest / np.float32(127), np.float32(1)).astype(np.float32)
    out[f"{name}.weight"] = np.rint(weight / scale[:, None]).astype(np.int8)
    out[f"{name}.scale"] = scale


def rotary_table(base: float, width: int, positions: int) -> np.ndarray:
    """int16[2, positions, width / 2]: cosines and sines in 1/32768, by exact arithmetic.

    Source: Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding" (2021).
    """
    table = np.zeros((2, positions, width // 2), np.int16)
    with decimal.localcontext(decimal.Context(prec=_DIGITS)):
        log_base = decimal.Decimal(base).ln()
        steps = [(-log_base * 2 * i / width).exp() for i in range(width // 2)]
    for i, angle in enumerate(steps):
        table[:, :, i] = _turns(angle, positions)
    return table


def _turns(angle: decimal.Decimal, count: int) -> np.ndarray:
    """int16[2, count]: cosine and sine of 0, 1, 2 … times `angle`, at most 1 radian."""
    one = 1 << _BITS
    with decimal.localcontext(decimal.Context(prec=_DIGITS)):
        x = int(angle * one)
    cos1, sin1, term, n = one, 0, one, 0
    while term:  # the Taylor series of both
        n += 1
        term = (term * x >> _BITS) // n
        sign = -1 if n & 2 else 1
        if n & 1:
            sin1 += sign * term
        else:
            cos1 += sign * term
    half = 1 << (_BITS - 16)  # to 15 bits after the point, rounded
    cos, sin = one, 0
    turns = np.zeros((2, count), np.int64)
    for at in range(count):
        turns[0, at] = (cos + half) >> (_BITS - 15)
        turns[1, at] = (sin + half) >> (_BITS - 15)
        cos, sin = (cos * cos1 - sin * sin1) >> _BITS, (sin * cos1 + cos * sin1) >> _BITS
    return np.clip(turns, -32767, 32767).astype(np.int16)
