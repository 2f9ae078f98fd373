"""Where the time goes when text is coded with the default language model.

``python -m ncz.models.text.profile TEXT`` compresses and restores the text in this process and
prints what each part of the work took, in seconds of all threads together; and what the parts of
a layer take, for one token of each of some streams and for a chunk of one.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from ncz.codec.coder import ModelRef
from ncz.codec.errors import NczError
from ncz.models import weights
from ncz.models.language import exact, forward
from ncz.models.language.exact import Exact
from ncz.models.language.head import Head
from ncz.models.language.network import CHUNK, Cache, Network
from ncz.models.language.panels import multiply
from ncz.models.text import kernel, loading, predictor, segments
from ncz.models.text.coder import TextCoder
from ncz.models.text.predictor import Predictor
from ncz.models.text.windows import Windows

_WINDOWS = Windows(2048, 1536, 512)
_PARTS = (
    (segments, "plan", "choosing runs"),
    (Network, "read", "network, windows"),
    (Network, "step", "network, steps"),
    (Head, "logits", "output"),
    (Predictor, "never", "what cannot follow"),
    (predictor, "_trace", "probabilities"),
    (predictor, "_cumulate", "probabilities"),
    (kernel, "encode_tokens", "mixing and coding"),
    (kernel, "decode_tokens", "mixing and coding"),
)

_PARTS_OF_LAYERS = (
    (forward, "attention_of", "attention"),
    (forward, "before_attention", "the rest"),
    (forward, "after_attention", "the rest"),
    (forward, "unit", "the rest"),
    (forward, "after_unit", "the rest"),
)


class Clock:
    """Seconds by name, of all threads."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._lock = threading.Lock()

    def around(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        """`function`, timed."""

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                spent = time.perf_counter() - start
                with self._lock:
                    self.seconds[name] = self.seconds.get(name, 0.0) + spent

        return timed


_Parts = tuple[tuple[Any, str, str], ...]


@contextlib.contextmanager
def watched(parts: _Parts = _PARTS) -> Iterator[Clock]:
    """While this holds, a clock runs with the parts: those of coding, if none are named."""
    clock = Clock()
    with contextlib.ExitStack() as stack:
        for owner, attribute, name in parts:
            timed = clock.around(getattr(owner, attribute), name)
            stack.enter_context(mock.patch.object(owner, attribute, timed))
        yield clock


def of_layers(model: Exact, rows: int, streams: int, position: int) -> dict[str, float]:
    """Seconds that the parts of all layers take, for `rows` tokens of so many `streams`."""
    stacked = forward.weights_of(model)
    cache = Cache(model, streams, position + rows)
    each = rows // streams
    whose = np.repeat(np.arange(streams), each)
    places = np.tile(np.arange(position, position + each), streams)
    x = np.ones((rows, model.shape.width), np.float32)

    def product(left: np.ndarray, matrix: str, layer: int, out: np.ndarray) -> None:
        multiply(left, getattr(stacked, matrix)[layer], out)

    found: dict[str, float] = {}
    for _ in range(3):  # the last one counts; the first one loads machine code
        with watched(_PARTS_OF_LAYERS) as clock:
            timed = clock.around(product, "products")
            forward.step_by_step(stacked, cache.past, whose, places, x, timed)
        found = clock.seconds
    return found


def _table(title: str, seconds: dict[str, float], unit: float, digits: int) -> None:
    total = sum(seconds.values())
    print(title)
    for name, spent in sorted(seconds.items(), key=lambda item: -item[1]):
        print(f"  {name:<20}{spent * unit:>10.{digits}f}{100 * spent / total:>7.1f} %")


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m ncz.models.text.profile")
    parser.add_argument("text", type=Path)
    parser.add_argument("--streams", type=int, help="as many as the size asks for, if not given")
    options = parser.parse_args(arguments)
    found = weights.have(weights.default().name)
    if found is None:
        raise SystemExit(f"get the model first: ncz models pull {weights.default().name}")
    raw = options.text.read_bytes()
    model = ModelRef(bytes.fromhex(found.digest), found.name)
    coder = TextCoder(model, _WINDOWS, streams=options.streams)
    tokens = loading.ready(model).entries(raw).size
    try:
        coder.encode(raw[:100])  # which makes it ready
    except NczError as error:
        raise SystemExit(str(error)) from None
    coded = b""
    for way in ("compressing", "restoring"):
        with watched() as clock:
            start = time.perf_counter()
            if way == "compressing":
                coded = coder.encode(raw) or b""
            elif coder.decode(coded, len(raw)) != raw:
                raise SystemExit("other bytes came back")
            wall = time.perf_counter() - start
        size = f"{len(raw):,} -> {len(coded):,} bytes, "
        title = f"{way}: {size}{wall:.1f} s, {tokens / wall:,.0f} tokens/s; thread seconds:"
        _table(title, clock.seconds, 1, 2)
        if not coded:
            raise SystemExit("contexts alone would code this text")
    network = exact.load(found.path)
    for title, rows, streams in (
        ("a step of 8 streams at position 1,000, one thread, ms:", 8, 8),
        (f"a chunk of {CHUNK} tokens at position 1,000, one thread, ms:", CHUNK, 1),
    ):
        _table(title, of_layers(network, rows, streams, 1000), 1000, 2)


if __name__ == "__main__":
    main()
