"""Trains the start that the text coder ships with.

    python -m ncz.models.text.train DATA --model NAME -o start.safetensors

DATA holds text documents, one a file. What the language model says of each is kept in a folder,
as that takes long. Then they are coded one after the other, in the order of their names, as a
user's file would be, and what the mixer learned goes from each to the next. No random number is
used: the same data gives the same file. The start is the mean of what was known after each
document of the last pass, so that the last one does not have the last word.
"""

from __future__ import annotations

import json
import sys
from hashlib import sha256
from pathlib import Path

import click
import numpy as np

from ncz.models.contextmix.prior import pack
from ncz.models.language.vocabulary import Vocabulary
from ncz.models.text import kernel, start, state
from ncz.models.text.kernel import State
from ncz.models.text.loading import Ready
from ncz.models.text.windows import Windows

WINDOWS = Windows(2048, 1024, 0)


@click.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--model", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--said", type=click.Path(path_type=Path), required=True, help="Folder to keep.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
@click.option("--rounds", default=2, show_default=True, help="Passes over the documents.")
def main(data: Path, model: Path, said: Path, output: Path, rounds: int) -> None:
    """Train the start from the documents in DATA, with the exact MODEL."""
    from ncz.models.language import exact
    from ncz.models.text import loading

    ready = loading.of(exact.load(model), 2)
    said.mkdir(parents=True, exist_ok=True)
    paths = sorted(path for path in data.iterdir() if path.is_file())
    digests = {path.name: sha256(path.read_bytes()).hexdigest() for path in paths}
    for path in paths:
        kept = said / f"{digests[path.name]}.npz"
        if not kept.exists():
            entries, trace = ask(ready, path.read_bytes())
            np.savez(kept, entries=entries, trace=trace)
            say(f"asked about {path.name}")
    documents = []
    for path in paths:
        with np.load(said / f"{digests[path.name]}.npz") as kept_arrays:
            documents.append((path.read_bytes(), kept_arrays["entries"], kept_arrays["trace"]))
    vocabulary = ready.predictor.vocabulary
    learned: State | None = None
    for number in range(rounds):
        sizes, known = [], []
        for raw, entries, trace in documents:
            learned, size = practise(vocabulary, raw, entries, trace, learned)
            sizes.append(size)
            known.append(start.moving(learned))
        bits = 8 * sum(sizes) / sum(len(raw) for raw, _, _ in documents)
        say(f"round {number + 1}: {sum(sizes):,} bytes, {bits:.4f} bpb")
    assert learned is not None
    for name, (mean, _) in start.moving(learned).items():
        total = np.sum([one[name][0] for one in known], axis=0, dtype=np.int64)
        mean[:] = total // len(known)
    tensors = start.keep(learned, _nothing(1))
    packed = pack(tensors, {"data": json.dumps(digests, sort_keys=True)})
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(packed)
    say(f"{output}: {len(packed):,} bytes, SHA-256 {sha256(packed).hexdigest()}")


def say(line: str) -> None:
    """One line of the log."""
    print(line, file=sys.stderr, flush=True)


def ask(ready: Ready, raw: bytes) -> tuple[np.ndarray, np.ndarray]:
    """The tokens of a document, int32[k], as entries, and what the model says of them."""
    coded = list(ready.predictor.encode([ready.entries(raw)], WINDOWS))
    return (
        np.concatenate([window.entries for window in coded]),
        np.concatenate([window.trace for window in coded]),
    )


def practise(
    vocabulary: Vocabulary,
    raw: bytes,
    entries: np.ndarray,
    trace: np.ndarray,
    learned: State | None,
) -> tuple[State, int]:
    """Code one document, from what is `learned` so far; the state after it, and the size."""
    block = _nothing(len(raw))
    if learned is not None:
        carry(learned, block)
    data = np.frombuffer(bytearray(raw), np.uint8)
    nowhere = np.empty(0, np.uint8)
    streams = np.zeros(entries.size, np.int64)
    kernel.encode_tokens(block, vocabulary, data, nowhere, streams, entries, trace)
    return block, kernel.finish(block, nowhere)


def carry(source: State, target: State) -> None:
    """Take over what a start holds."""
    for part in ("mixer", "final"):
        getattr(target.together, part).weights[:] = getattr(source.together, part).weights
    target.together.charts.cells[:] = source.together.charts.cells
    target.together.meanings[:] = source.together.meanings
    target.stops.mixer.weights[:] = source.stops.mixer.weights
    target.stops.charts.cells[:] = source.stops.charts.cells
    target.opinions.trust[:] = source.opinions.trust


def _nothing(size: int) -> State:
    starts, ends = np.zeros(1, np.int64), np.array([size], np.int64)
    return state.fresh(size, starts, ends, trained=None)


if __name__ == "__main__":
    main()
