"""Trains the start that the text coder ships with.

    python -m ncz.models.text.train DATA --model FILE --said FOLDER -o start.safetensors
    python -m ncz.models.text.train DATA --model FILE --second FILE --said FOLDER
        -o pair.safetensors

DATA holds text documents, one a file. What the language models say of each is kept in a folder,
as that takes long. Then they are coded one after the other, in the order of their names, as a
user's file would be, and what the mixer learned goes from each to the next. No random number is
used: the same data gives the same file. The start is the mean of what was known after each
document of the last pass, so that the last one does not have the last word.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import click
import numpy as np

from ncz.models.contextmix.prior import pack
from ncz.models.language.vocabulary import Vocabulary
from ncz.models.text import kernel, start, state
from ncz.models.text.kernel import State
from ncz.models.text.loading import Ready
from ncz.models.text.second import Second
from ncz.models.text.windows import Windows

WINDOWS = Windows(2048, 1024, 0)


@click.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--model", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--second", type=click.Path(exists=True, path_type=Path), help="Beside it.")
@click.option("--said", type=click.Path(path_type=Path), required=True, help="Folder to keep.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
@click.option("--rounds", default=2, show_default=True, help="Passes over the documents.")
def main(
    data: Path, model: Path, second: Path | None, said: Path, output: Path, rounds: int
) -> None:
    """Train the start from the documents in DATA, with the exact MODEL."""
    from ncz.models.language import exact
    from ncz.models.text import loading

    ready = loading.of(exact.load(model), 2)
    beside = loading.of(exact.load(second), 2) if second else None
    said.mkdir(parents=True, exist_ok=True)
    paths = sorted(path for path in data.iterdir() if path.is_file())
    digests = {path.name: sha256(path.read_bytes()).hexdigest() for path in paths}
    for path in paths:
        kept = said / f"{digests[path.name]}.npz"
        if not kept.exists():
            np.savez(kept, **vars(ask(ready, path.read_bytes(), beside)))
            say(f"asked about {path.name}")
    documents = []
    for path in paths:
        with np.load(said / f"{digests[path.name]}.npz") as arrays:
            documents.append((path.read_bytes(), Said(**arrays)))
    vocabulary = ready.predictor.vocabulary
    learned: State | None = None
    for number in range(rounds):
        sizes, known = [], []
        for raw, of_models in documents:
            learned, size = practise(vocabulary, raw, of_models, learned)
            sizes.append(size)
            known.append(start.moving(learned))
        bits = 8 * sum(sizes) / sum(len(raw) for raw, _ in documents)
        say(f"round {number + 1}: {sum(sizes):,} bytes, {bits:.4f} bpb")
    assert learned is not None
    for name, (mean, _) in start.moving(learned).items():
        total = np.sum([one[name][0] for one in known], axis=0, dtype=np.int64)
        mean[:] = total // len(known)
    tensors = start.keep(learned, _nothing(1, 2 if second else 1))
    packed = pack(tensors, {"data": json.dumps(digests, sort_keys=True)})
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(packed)
    say(f"{output}: {len(packed):,} bytes, SHA-256 {sha256(packed).hexdigest()}")


@dataclass(frozen=True)
class Said:
    """What language models say of a document.

    Attributes:
        entries: int32[k]: its tokens.
        trace: uint32[...]: the first one's probabilities, see :func:`kernel.trace`.
        second: uint32[...]: the second one's at the same decisions, or none.
    """

    entries: np.ndarray
    trace: np.ndarray
    second: np.ndarray


def say(line: str) -> None:
    """One line of the log."""
    print(line, file=sys.stderr, flush=True)


def ask(ready: Ready, raw: bytes, beside: Ready | None = None) -> Said:
    """What a language model says of a document, and one `beside` it."""
    predictor = ready.predictor
    second = None
    if beside:
        second = Second(beside.predictor.head, beside.tokenizer, ready.tokenizer)
    coded = list(predictor.encode([ready.entries(raw)], WINDOWS, second))
    return Said(
        np.concatenate([window.entries for window in coded]),
        np.concatenate([window.trace for window in coded]),
        np.concatenate([window.second for window in coded]),
    )


def practise(
    vocabulary: Vocabulary, raw: bytes, said: Said, learned: State | None
) -> tuple[State, int]:
    """Code one document, from what is `learned` so far; the state after it, and the size."""
    pair = said.second.size > 0
    block = _nothing(len(raw), 2 if pair else 1)
    if learned is not None:
        carry(learned, block)
    kernel.encode_tokens(
        block,
        vocabulary,
        np.frombuffer(bytearray(raw), np.uint8),
        _NOWHERE,
        np.zeros(said.entries.size, np.int64),
        said.entries,
        said.trace,
        second_trace=said.second if pair else None,
    )
    return block, kernel.finish(block, _NOWHERE)


_NOWHERE = np.empty(0, np.uint8)


def carry(source: State, target: State) -> None:
    """Take over what a start holds."""
    for part in ("mixer", "final"):
        getattr(target.together, part).weights[:] = getattr(source.together, part).weights
    target.together.charts.cells[:] = source.together.charts.cells
    target.together.meanings[:] = source.together.meanings
    target.stops.mixer.weights[:] = source.stops.mixer.weights
    target.stops.charts.cells[:] = source.stops.charts.cells
    target.opinions.trust[:] = source.opinions.trust


def _nothing(size: int, models: int) -> State:
    starts, ends = np.zeros(1, np.int64), np.array([size], np.int64)
    return state.fresh(size, starts, ends, models, trained=None)


if __name__ == "__main__":
    main()
