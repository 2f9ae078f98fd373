"""A trained circuit as integers, in memory and in its file.

Probabilities are stored as logarithms in steps of 1/12 of a factor of two, a byte each, so that
the file is small and everything that computes follows from it by integer arithmetic: code c
stands for 2^(-c/12), and 255 for nothing. They need not add up to one; rows are brought to
their sums when a file is read.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from ncz.codec.cache import write_whole
from ncz.codec.errors import ModelError
from ncz.models.circuit.kernel import EDGE_BITS, SHARE_BITS
from ncz.models.circuit.leaves import MAX_SYMBOLS, Leaves
from ncz.models.circuit.tree import Tree

STEPS = 12
NOTHING = 255
_NARROW = (np.dtype(np.int16), np.dtype(np.int32), np.dtype(np.int64))
_KIND = "ncz circuit 1"
_TABLE_BITS = 30
MAX_LATENTS = 1024
MAX_VARIABLES = 1 << 16
_MOST_BYTES = 1 << 30  # of any table in memory
_MOST_STATES = 1 << 20  # of the latent variables on a path, which each row at work has twice


@dataclass(frozen=True)
class Codes:
    """What a file holds.

    Attributes:
        tree: of D places.
        leaves: symbols of each place, S in all.
        root: uint8[M].
        edges: uint8[D, M, M]; that of the root is not looked at.
        symbols: uint8[S, M]; of each place, how likely a state has the symbol.
        notes: what else is to be known, for people and for whoever knows what rows are.
    """

    tree: Tree
    leaves: Leaves
    root: NDArray[np.uint8]
    edges: NDArray[np.uint8]
    symbols: NDArray[np.uint8]
    notes: dict[str, Any]

    @property
    def latents(self) -> int:
        """M."""
        return len(self.root)


@dataclass(frozen=True)
class Circuit:
    """What codes; see :func:`ncz.models.circuit.kernel.code`.

    Attributes:
        codes: what it is made of, without which it is found in no file.
        digest: SHA-256 of its file.
        parent, depth, root, edges, known, shares: for the kernel.
    """

    codes: Codes
    digest: bytes
    parent: NDArray[np.int32]
    depth: NDArray[np.int32]
    root: NDArray[np.int32]
    edges: NDArray[np.uint16]
    known: NDArray[np.int32]
    shares: NDArray[np.uint32]


@functools.cache
def table() -> NDArray[np.int64]:
    """2^30 · 2^(-c/12), rounded down, for each code c; int64[256]."""
    out = [_root(1 << (_TABLE_BITS * STEPS - code), STEPS) for code in range(NOTHING)]
    return np.array([*out, 0], np.int64)


def _root(value: int, degree: int) -> int:
    """The largest integer whose power is not above `value`."""
    low, high = 0, 1 << (value.bit_length() // degree + 1)
    while high - low > 1:
        middle = (low + high) // 2
        if middle**degree <= value:
            low = middle
        else:
            high = middle
    return low


def codes_of(probabilities: NDArray[np.floating]) -> NDArray[np.uint8]:
    """The nearest codes, which is where floating point ends."""
    with np.errstate(divide="ignore"):
        steps = np.rint(-np.log2(probabilities.astype(np.float64)) * STEPS)
    return np.clip(steps, 0, NOTHING).astype(np.uint8)


def compiled(codes: Codes, digest: bytes) -> Circuit:
    """Integers from codes.

    Raises:
        ModelError: there is nothing that adds up.
    """
    values = table()
    root = values[codes.root]
    edges = np.empty(codes.edges.shape, np.uint16)
    most = (1 << EDGE_BITS) - 1
    for place in range(len(edges)):
        row = values[codes.edges[place]]
        if place:
            edges[place] = row * most // _whole(row.sum(1, keepdims=True))
        else:
            edges[place] = 0
    start = codes.leaves.start
    known = np.empty(codes.symbols.shape, np.int32)
    shares = np.zeros((len(known) + len(edges), codes.latents), np.uint32)
    for place in range(len(edges)):
        first, end = int(start[place]), int(start[place + 1])
        part = values[codes.symbols[first:end]]
        known[first:end] = part * most // _whole(part.max(1, keepdims=True))
        part[:, part.sum(0) == 0] = 1  # a state that has nothing has all symbols alike
        share = (part << SHARE_BITS) // part.sum(0, keepdims=True)
        shares[first + place + 1 : end + place + 1] = np.cumsum(share, axis=0)
    return Circuit(
        codes,
        digest,
        codes.tree.parent.astype(np.int32),
        codes.tree.depth.astype(np.int32),
        (root * (1 << 20) // _whole(root.sum())).astype(np.int32),
        edges,
        known,
        shares,
    )


def _whole(sums: Any) -> Any:
    return np.maximum(sums, 1)


def memory_of(codes: Codes) -> int:
    """Bytes that a circuit takes."""
    return _memory(len(codes.leaves), codes.latents, len(codes.leaves.lows))


def memory_within(data: bytes) -> int:
    """The same of a circuit's file that was not read yet; 0 where it is none."""
    sizes = _sizes_within(data)
    return _memory(*sizes) if sizes else 0


def rows_within(data: bytes) -> tuple[int, int]:
    """How many variables a circuit's file that was not read yet says, and the bytes that a row of
    them takes at work, at most; zeros where it is none."""
    sizes = _sizes_within(data)
    if sizes is None:
        return 0, 0
    places, latents, _ = sizes
    return places, row_memory(places, min(places * latents, _MOST_STATES))


def row_memory(places: int, states: int) -> int:
    """Bytes that a row takes at work: symbols, what is beyond them, and all that is known on the
    longest path, which has so many states."""
    return states * 8 + places * 12


def _sizes_within(data: bytes) -> tuple[int, int, int] | None:
    """Places, latents and symbols."""
    try:
        size = int.from_bytes(data[:8], "little")
        told = json.loads(data[8 : 8 + size])
        places, latents, symbols = (told[name]["shape"] for name in ("order", "root", "lows"))
        if not all(type(n) is int for n in (*places, *latents, *symbols)):
            return None
        return math.prod(places), math.prod(latents), math.prod(symbols)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _memory(places: int, latents: int, symbols: int) -> int:
    # Codes, and tables; while these are made, once more in 64 bits of one variable.
    return latents * (places * latents * 3 + (symbols + places) * 13) + 64 * symbols


def save(codes: Codes, path: Path) -> bytes:
    """Write the file, whole or not at all, and return its SHA-256."""
    data = to_bytes(codes)
    write_whole(path, data)
    return hashlib.sha256(data).digest()


def to_bytes(codes: Codes) -> bytes:
    """The file's bytes: of the same codes the same, while libzstd is the same."""
    from safetensors.numpy import save as pack

    leaves = codes.leaves
    tensors: dict[str, NDArray[Any]] = {
        "order": codes.tree.order,
        "parent": codes.tree.parent,
        "start": leaves.start,
        "lows": _narrow(leaves.lows),
        "widths": _narrow(leaves.widths),
        "root": codes.root,
        "edges.zst": codes.edges,
        "symbols.zst": codes.symbols,
    }
    packer = zstandard.ZstdCompressor(level=19)
    for name, tensor in tensors.items():
        if name.endswith(".zst"):
            tensors[name] = np.frombuffer(packer.compress(tensor.tobytes()), np.uint8)
    data = pack(tensors, {"kind": _KIND, "notes": json.dumps(codes.notes, sort_keys=True)})
    # The packer has an order of its own for these, another one each time.
    size = int.from_bytes(data[:8], "little")
    head = json.dumps(json.loads(data[8 : 8 + size]), sort_keys=True, separators=(",", ":"))
    head += " " * (-len(head) % 8)
    return len(head).to_bytes(8, "little") + head.encode() + data[8 + size :]


def load(path: Path) -> Circuit:
    """The circuit in a file.

    Raises:
        ModelError: it is none, or damaged.
        OSError: it cannot be read.
    """
    data = path.read_bytes()
    try:
        return from_bytes(data)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None


def from_bytes(data: bytes) -> Circuit:
    """The circuit that :func:`to_bytes` gave.

    Raises:
        ModelError: these are not such bytes.
    """
    return compiled(parse(data), hashlib.sha256(data).digest())


def parse(data: bytes) -> Codes:
    """What the file's bytes say.

    Raises:
        ModelError: they are not those of a circuit.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load as unpack

    try:
        tensors = unpack(data)
        size = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + size]).get("__metadata__", {})
        notes = json.loads(metadata.get("notes", "{}"))
    except (
        SafetensorError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,  # lists in lists in lists
    ):
        raise ModelError("this is no circuit; make one with: ncz train") from None
    if metadata.get("kind") != _KIND or not isinstance(notes, dict):
        raise ModelError("this is no circuit that this ncz knows; make one with: ncz train")
    try:
        return _checked(tensors, notes)
    except (KeyError, ValueError, zstandard.ZstdError):
        raise ModelError("this circuit is damaged; fetch it or train it again") from None


def _checked(tensors: dict[str, NDArray[Any]], notes: dict[str, Any]) -> Codes:
    order, parent, start = (_ints(tensors[name]) for name in ("order", "parent", "start"))
    lows, widths = _ints(tensors["lows"]), _ints(tensors["widths"])
    root = tensors["root"]
    places, latents, symbols = len(order), len(root), len(lows)
    _hold(1 <= places <= MAX_VARIABLES and root.dtype == np.uint8 and root.ndim == 1)
    _hold(1 <= latents <= MAX_LATENTS)
    _hold(len(parent) == places and len(start) == places + 1 and len(widths) == symbols)
    _hold(bool((np.sort(order) == np.arange(places)).all()))
    _hold(start[0] == 0 and start[-1] == symbols)
    counts = np.diff(start)
    _hold(bool((counts >= 1).all() and (counts <= MAX_SYMBOLS + 1).all()))
    _hold(bool((widths >= 0).all()))
    inner = np.ones(symbols, bool)
    inner[start[1:] - 1] = False
    _hold(bool((widths[inner] >= 1).all()))
    tree = Tree(order, parent)
    _preorder(parent)
    _hold(int(tree.depth.max() + 1) * latents <= _MOST_STATES)
    sizes = {"edges.zst": places * latents * latents, "symbols.zst": symbols * latents}
    _hold(max(sizes.values()) * 4 <= _MOST_BYTES)
    raw = {}
    for name, size in sizes.items():
        frame = tensors[name]
        _hold(frame.dtype == np.uint8 and frame.ndim == 1)
        # What the frame says of its size is not believed: no more than this is made.
        with zstandard.ZstdDecompressor().stream_reader(frame.tobytes()) as reader:
            content = reader.read(size + 1)
        _hold(len(content) == size)
        raw[name] = np.frombuffer(content, np.uint8)
    return Codes(
        tree,
        Leaves(start, lows, widths),
        root,
        raw["edges.zst"].reshape(places, latents, latents),
        raw["symbols.zst"].reshape(symbols, latents),
        notes,
    )


def _preorder(parent: NDArray[np.int64]) -> None:
    """See that each place's parent is on the path to the place before it."""
    _hold(parent[0] == -1)
    path = [0]
    for place in range(1, len(parent)):
        above = int(parent[place])
        while path and path[-1] != above:
            path.pop()
        _hold(bool(path))
        path.append(place)


def _ints(tensor: NDArray[Any]) -> NDArray[np.int64]:
    _hold(tensor.dtype in _NARROW and tensor.ndim == 1)
    return tensor.astype(np.int64)


def _narrow(values: NDArray[np.int64]) -> NDArray[Any]:
    """The same in the shortest type that holds them all."""
    low, high = int(values.min()), int(values.max())
    fits = (t for t in _NARROW if np.iinfo(t).min <= low and high <= np.iinfo(t).max)
    return values.astype(next(fits))


def _hold(condition: bool) -> None:
    if not condition:
        raise ValueError
