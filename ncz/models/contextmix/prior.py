"""What a text model knows before it has seen a byte: a trained start.

The prior holds bit histories of contexts that recur in many documents, the adaptive maps,
and for each preset the mixers' weights, all of them integers. It takes 5 to 15 % off texts
of 10 to 500 kB. It is part of the coder's definition: its digest is pinned here, checked at
load, and written in the specification. Made by :mod:`ncz.models.contextmix.train`. Machine
code and records gained nothing from one of their own; they start from nothing.
"""

from __future__ import annotations

import functools
import hashlib
import json
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ncz.codec.errors import NczError
from ncz.codec.jit import jit
from ncz.models.contextmix.hashing import LINE, find_line
from ncz.models.contextmix.kernel import TEXT, Model

if TYPE_CHECKING:
    from importlib.abc import Traversable

NAME = "text.safetensors"
DIGEST = "06ad5ffa9b736fd2b004436ba00208240eddade607e9b97d2fab1b7a53fa9ef6"
"""SHA-256 of the prior's file, in hex. Beside it: the documents it was trained on, and the log."""

WEIGHT_SHIFT = 4  # weights are kept as int16, in steps of 16 / 65536
CELL_SHIFT = 8  # moves of probability maps' cells are kept as int16, in steps of 256 / 2^22


class Lines(NamedTuple):
    """Bit histories to begin with, in the order in which they are put into a table."""

    place: np.ndarray  # uint32[n]: the line's index in a table of 2^24 lines
    check: np.ndarray  # uint8[n]
    context: np.ndarray  # uint8[n]: the context it belongs to
    states: np.ndarray  # uint8[n, 15]


class Prior:
    """A loaded prior."""

    def __init__(self, tensors: dict[str, np.ndarray]) -> None:
        self._tensors = tensors
        place = np.cumsum(tensors["lines.step"].astype(np.uint32), dtype=np.uint32)
        self.lines = Lines(
            place & 0xFFFFFF,
            tensors["lines.check"],
            tensors["lines.context"],
            tensors["lines.states"],
        )

    @functools.lru_cache(maxsize=8)  # noqa: B019 - priors live as long as the process
    def lines_of(self, contexts: tuple[int, ...]) -> Lines:
        """The lines that belong to `contexts`."""
        mine = np.isin(self.lines.context, np.array(contexts))
        return Lines(*(np.ascontiguousarray(part[mine]) for part in self.lines))

    def apply(self, model: Model, preset: int) -> None:
        """Fill a fresh `model` of the preset with that number."""
        tensors = self._tensors
        model.maps[:] = tensors["maps"]
        model.match_maps[:] = tensors["match_maps"]
        # In place: what stands beside the model would count as memory of every block.
        for name in ("weights", "final"):
            np.left_shift(
                tensors[f"{preset}.{name}"],
                WEIGHT_SHIFT,
                out=getattr(model, name),
                dtype=np.int32,
            )
        for name, apm in (("apm0", model.apm0), ("apm1", model.apm1), ("apm2", model.apm2)):
            _move(apm, tensors[f"{name}.rows"], tensors[f"{name}.moved"])
        self.insert(model)

    def insert(self, model: Model) -> None:
        """Put the bit histories alone into a fresh `model`."""
        lines = self.lines_of(tuple(int(i) for i in model.active))
        _insert(model.table, lines.place, lines.check, lines.states)


def for_kind(kind: int) -> Prior | None:
    """The prior for blocks of `kind`, or None where they start from nothing."""
    return load() if kind == TEXT else None


@functools.cache
def load() -> Prior:
    """The prior that comes with this ncz.

    Raises:
        NczError: its file is missing, or not the one it should be.
    """
    return Prior(pinned(resources.files(__package__) / "priors" / NAME, DIGEST))


def pinned(file: Traversable, digest: str) -> dict[str, np.ndarray]:
    """The tensors of a packed file that comes with ncz and has that SHA-256, in hex.

    Raises:
        NczError: it is missing, or not the one it should be.
    """
    try:
        packed = file.read_bytes()
    except OSError as error:
        raise NczError(
            f"the model file {file.name} of this installation cannot be read ({error.strerror}); "
            "install ncz again"
        ) from None
    found = hashlib.sha256(packed).hexdigest()
    if found != digest:
        raise NczError(
            f"the model file {file.name} of this installation has SHA-256 {found} "
            f"and not {digest}; install ncz again"
        )
    return unpack(packed)


def pack(tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> bytes:
    """A safetensors file of `tensors`, each compressed with Zstandard."""
    import zstandard
    from safetensors.numpy import save

    compress = zstandard.ZstdCompressor(level=19).compress
    packed = {
        name: np.frombuffer(compress(np.ascontiguousarray(tensor).tobytes()), np.uint8)
        for name, tensor in tensors.items()
    }
    kinds = {name: [str(tensor.dtype), *tensor.shape] for name, tensor in tensors.items()}
    metadata = {"kinds": json.dumps(kinds, sort_keys=True), **metadata}
    saved = save(packed, metadata)
    size = int.from_bytes(saved[:8], "little")
    # It writes metadata in an order of chance: once more, so that equal content is equal bytes.
    header = json.loads(saved[8 : 8 + size]) | {"__metadata__": metadata}
    ordered = json.dumps(header, separators=(",", ":")).encode()
    ordered += b" " * (-len(ordered) % 8)
    return len(ordered).to_bytes(8, "little") + ordered + saved[8 + size :]


def unpack(packed: bytes) -> dict[str, np.ndarray]:
    """The inverse of :func:`pack`."""
    import zstandard
    from safetensors.numpy import load as load_tensors

    size = int.from_bytes(packed[:8], "little")
    kinds = json.loads(json.loads(packed[8 : 8 + size])["__metadata__"]["kinds"])
    decompress = zstandard.ZstdDecompressor().decompress
    return {
        name: np.frombuffer(decompress(tensor.tobytes()), kinds[name][0]).reshape(kinds[name][1:])
        for name, tensor in load_tensors(packed).items()
    }


@jit
def _insert(table: np.ndarray, place: np.ndarray, check: np.ndarray, states: np.ndarray) -> None:
    mask = table.size // LINE - 1
    for n in range(place.size):
        at = find_line(table, np.int64(place[n]) & mask, np.int64(check[n]))
        for j in range(LINE - 1):
            table[at + 1 + j] = states[n, j]


@jit
def _move(apm: np.ndarray, rows: np.ndarray, moved: np.ndarray) -> None:
    for n in range(rows.size):
        for j in range(moved.shape[1]):
            apm[rows[n], j] += np.int64(moved[n, j]) << CELL_SHIFT
