"""Trains the prior that the context-mixing coder ships with.

    python -m ncz.models.contextmix.train DATA -o text.safetensors

DATA/a and DATA/b hold text documents, one a file. Set a fills the memory: bit histories
are gathered over all of it, and those of contexts met in several pieces of it are kept, the
most widespread first. Set b then trains everything else the way a user's file would use it:
each document starts from that memory. Documents are taken in the order of their names; no
random number is used, so the same data gives the same file.
"""

from __future__ import annotations

import json
import sys
import time
from hashlib import sha256
from pathlib import Path

import click
import numpy as np

from ncz.codec.jit import jit
from ncz.models.contextmix import kernel, prior, state, textual
from ncz.models.contextmix.hashing import LINE, find_line, mix
from ncz.models.contextmix.presets import PRESETS
from ncz.models.contextmix.states import NEXT

_LINE_BITS = 26  # of the table that gathers; the low 24 bits of a place are kept
_PIECE = 32 << 10  # bytes: a context must recur in several such pieces to be kept
_PIECES = 2
_COUNT_KEPT = 30  # counts in adaptive maps are cut to this, so that they go on adapting
# Orders 1 to 6 and 8, and two of words: the histories of no other context carry over.
_REMEMBERED = tuple(range(9))
_TOUCHED = 64  # steps by which some cell of a probability map's row moved, for it to be kept


@click.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
@click.option("--lines", default=1_150_000, show_default=True, help="Bit-history lines to keep.")
@click.option("--rounds", default=1, show_default=True, help="Passes over set b.")
def main(data: Path, output: Path, lines: int, rounds: int) -> None:
    """Train the prior from DATA/a and DATA/b."""
    started = time.monotonic()
    memory = _documents(data / "a")
    practice = _documents(data / "b")
    say(f"memory: {len(memory)} documents, practice: {len(practice)}")
    tensors = _gather(memory, lines)
    say(f"lines kept: {tensors['lines.check'].size} [{time.monotonic() - started:.0f} s]")
    scratch = _practise(practice, max(PRESETS), {}, 1)
    say(f"preset {max(PRESETS)}: practice {scratch:,} bytes from scratch")
    for number in sorted(PRESETS, reverse=True):
        coded = _practise(practice, number, tensors, rounds)
        say(f"preset {number}: practice {coded:,} bytes [{time.monotonic() - started:.0f} s]")
    listed = {
        f"{part.name}/{path.name}": sha256(path.read_bytes()).hexdigest()
        for part in (data / "a", data / "b")
        for path in sorted(part.iterdir())
    }
    packed = prior.pack(tensors, {"data": json.dumps(listed, sort_keys=True)})
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(packed)
    say(f"{output}: {len(packed):,} bytes, SHA-256 {sha256(packed).hexdigest()}")


def say(line: str) -> None:
    """One line of the log."""
    print(line, file=sys.stderr, flush=True)


def _documents(folder: Path) -> list[np.ndarray]:
    return [
        np.frombuffer(bytearray(path.read_bytes()), np.uint8) for path in sorted(folder.iterdir())
    ]


def _gather(documents: list[np.ndarray], most: int) -> dict[str, np.ndarray]:
    """Bit histories over all `documents`: the `most` lines met in the most pieces."""
    size = 1 << _LINE_BITS
    table = np.zeros(LINE << _LINE_BITS, np.uint8)
    owner = np.zeros(size, np.uint8)
    pieces = np.zeros(size, np.uint8)
    last = np.zeros(size, np.uint16)
    piece = 0
    contexts = np.array(_REMEMBERED, np.int64)
    for raw in documents:
        piece = _gather_one(raw, contexts, table, owner, pieces, last, piece)
    kept = np.flatnonzero(pieces >= _PIECES)
    kept = kept[np.argsort(-pieces[kept].astype(np.int32), kind="stable")[:most]]
    kept = kept[np.lexsort((kept & 0xFFFFFF, owner[kept]))]
    rows = table.reshape(size, LINE)[kept]
    place = (kept & 0xFFFFFF).astype(np.uint32)
    return {
        # Steps wrap where the next context starts; a reader takes the sum modulo 2^24.
        "lines.step": np.diff(place, prepend=np.uint32(0)) & np.uint32(0xFFFFFF),
        "lines.check": rows[:, 0].copy(),
        "lines.context": owner[kept],
        "lines.states": rows[:, 1:].copy(),
    }


@jit
def _gather_one(
    data: np.ndarray,
    active: np.ndarray,
    table: np.ndarray,
    owner: np.ndarray,
    pieces: np.ndarray,
    last: np.ndarray,
    piece: int,
) -> int:
    """Learn the bit histories of one document; return the number of the last piece."""
    mask = np.int64(table.size // LINE - 1)
    history = np.zeros(64, np.int64)
    words = np.zeros(256, np.int64)
    after1 = np.zeros(256, np.int64)
    after2 = np.zeros(65536, np.int64)
    ctx = np.zeros(kernel.CONTEXTS, np.int64)
    select = np.zeros(kernel.SETS, np.int64)
    for pos in range(data.size):
        if pos % _PIECE == 0:
            piece += 1
        kernel.see(data, pos, history, after1, after2)
        textual.contexts(data, pos, history, words, after1, after2, ctx, select)
        byte = np.int64(data[pos])
        for a in range(active.size):
            i = active[a]
            z = mix(ctx[i], i + 1)
            for half in range(2):
                if half == 1:
                    z = mix(z, 16 | byte >> 4)
                at = find_line(table, (z >> 8) & mask, (z >> 40) & 0xFF)
                n = at >> 4
                if table[at + 1] == 0:
                    owner[n] = i
                    pieces[n] = 0
                    last[n] = 0
                if last[n] != piece and pieces[n] < 255:
                    last[n] = piece
                    pieces[n] += 1
                node = np.int64(1)
                for k in range(4):
                    y = (byte >> (7 - 4 * half - k)) & 1
                    table[at + node] = NEXT[2 * np.int64(table[at + node]) + y]
                    node = node << 1 | y
    return piece


def _practise(
    documents: list[np.ndarray],
    number: int,
    tensors: dict[str, np.ndarray],
    rounds: int,
) -> int:
    """Train one preset and add what it learned to `tensors`; return the coded size at the end.

    Without lines in `tensors`, nothing is carried from one document to the next.
    """
    preset = PRESETS[number]
    memory = prior.Prior(tensors) if tensors else None
    learned: kernel.Model | None = None
    coded = 0
    for _ in range(rounds):
        coded = 0
        for raw in documents:
            model = state.fresh(preset, kernel.TEXT, raw.size, 1, 1, None)
            if memory is not None:
                memory.insert(model)
                if learned is not None:
                    state.carry(learned, model)
                elif "maps" in tensors:
                    _give_maps(tensors, model)
            coded += kernel.code_block(model, raw, np.empty(0, np.uint8), False)
            learned = model
    if memory is not None and learned is not None:
        _keep(learned, number, tensors)
    return coded


def _give_maps(tensors: dict[str, np.ndarray], model: kernel.Model) -> None:
    model.maps[:] = tensors["maps"]
    model.match_maps[:] = tensors["match_maps"]


def _keep(learned: kernel.Model, number: int, tensors: dict[str, np.ndarray]) -> None:
    """Add one preset to `tensors`. The first, the largest, gives the maps for all of them."""
    for name in ("weights", "final"):
        whole = getattr(learned, name)
        half = (whole + (1 << prior.WEIGHT_SHIFT - 1)) >> prior.WEIGHT_SHIFT
        tensors[f"{number}.{name}"] = np.clip(half, -32768, 32767).astype(np.int16)
    if "maps" in tensors:
        return
    tensors["maps"] = _cut(learned.maps)
    tensors["match_maps"] = _cut(learned.match_maps)
    plain = state.straight_line()
    for name in ("apm0", "apm1", "apm2"):
        moved = (getattr(learned, name) - plain) >> prior.CELL_SHIFT
        rows = np.flatnonzero(np.abs(moved).max(axis=1) > _TOUCHED).astype(np.uint16)
        tensors[f"{name}.rows"] = rows
        tensors[f"{name}.moved"] = moved[rows].astype(np.int16)


def _cut(entries: np.ndarray) -> np.ndarray:
    """Adaptive probabilities with their counts cut."""
    counts = np.minimum(entries & 1023, _COUNT_KEPT)
    return (entries & ~np.uint32(1023)) | counts


if __name__ == "__main__":
    main()
