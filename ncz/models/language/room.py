"""How much of a device's memory a model's work takes, and how much work fits at once.

The more windows are read in one batch, and the more rows pass a layer together, the better a
GPU is used; the results are the same. What is counted here are upper bounds of what torch holds
at a time, each array of a step by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from ncz.codec.errors import NczError
from ncz.models.language.exact import Exact

MOST_WINDOWS = 256
MASKS = 64 << 20
"""Bytes for what cannot follow the latest tokens, at most."""
_MOST_DOUBLINGS = 5
_ROW_OF_HIDDEN, _ROW_OF_HEADS, _ROW_OF_WIDTH = 80, 40, 40  # bytes for each number of a row
_SCORE, _LOGIT = 40, 60  # bytes


@dataclass(frozen=True)
class Room:
    """What is computed at once.

    Attributes:
        windows: read side by side, each with keys and values of its own.
        rows: tokens of all of them that pass through a layer.
        scores: of attention.
        outputs: rows whose logits are held.
    """

    windows: int = 1
    rows: int = 512
    scores: int = 1 << 22
    outputs: int = 64


def find(model: Exact, device: str, free: int, places: int) -> Room:
    """As much as fits.

    Args:
        model: which.
        device: its name, for the message.
        free: bytes, beside the weights.
        places: tokens of a window.

    Raises:
        NczError: not even one window fits.
    """
    each = window(model, places)
    best = Room()
    if scratch(model, best) + each > free:
        raise _too_little(device, scratch(model, best) + each - free, f"one window of {places}")
    for doublings in range(1, _MOST_DOUBLINGS + 1):
        more = Room(1, best.rows << 1, best.scores << 1, best.outputs << 1)
        if 2 * scratch(model, more) > free or scratch(model, more) + (each << doublings) > free:
            break
        best = more
    windows = (free - scratch(model, best)) // each
    return Room(min(windows, MOST_WINDOWS), best.rows, best.scores, best.outputs)


def check(model: Exact, device: str, free: int, streams: int, places: int) -> None:
    """Whether keys and values of so many streams fit.

    Raises:
        NczError: they do not.
    """
    lacking = going(model, streams, places) - free
    if lacking > 0:
        raise _too_little(device, lacking, f"{streams} streams of {places}")


def cache(model: Exact, places: int) -> int:
    """Bytes of the keys and values of so many tokens."""
    shape = model.shape
    return shape.layers * shape.kv_heads * places * (2 * shape.head_width + 12)


def going(model: Exact, streams: int, places: int) -> int:
    """Bytes for so many streams that go on side by side, each of up to so many tokens."""
    least = Room()
    scores = streams * model.shape.heads * places
    sizes = Room(
        1, max(least.rows, streams), max(least.scores, scores), max(least.outputs, streams)
    )
    return streams * cache(model, places) + scratch(model, sizes)


def window(model: Exact, places: int) -> int:
    """Bytes that belong to a window: keys, values, and twice its residuals."""
    return cache(model, places) + 8 * places * model.shape.width


def scratch(model: Exact, room: Room) -> int:
    """Bytes of what passes from step to step."""
    shape = model.shape
    heads = (shape.heads + 2 * shape.kv_heads) * shape.head_width
    row = _ROW_OF_HIDDEN * shape.hidden + _ROW_OF_HEADS * heads + _ROW_OF_WIDTH * shape.width
    entries = model.embedding.scale.size
    passing = room.rows * row + room.scores * _SCORE + room.outputs * _LOGIT * entries
    return passing + min(MASKS, entries * entries // 8)


def _too_little(device: str, lacking: int, what: str) -> NczError:
    return NczError(
        f"{device} lacks {max(1, lacking >> 20)} MiB for the language model and {what} tokens; "
        "allow more of its memory, or use the device cpu"
    )
