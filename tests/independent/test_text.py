"""What ncz writes with language models, the decoder written from docs/text.md reads."""

from __future__ import annotations

import functools
import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ncz.models.language.vocabulary import UNUSED, pieces
from ncz.models.text import kernel, segments
from ncz.models.text.layout import BYTES, CONTEXTS, MODEL, Run
from tests.golden.make import noise, text
from tests.independent import contextmix
from tests.independent import text as independent
from tests.models.language import tiny
from tests.models.text import making, test_coder

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "ncz" / "models"


@functools.cache
def prior() -> contextmix.Prior:
    return contextmix.Prior((MODELS / "contextmix" / "priors" / "text.safetensors").read_bytes())


@functools.cache
def start(models: int) -> contextmix.Prior:
    """The one whose digest docs/text.md has."""
    page = (ROOT / "docs" / "text.md").read_text(encoding="utf-8")
    table = page.split("<!-- starts -->")[1].split("<!-- /starts -->")[0]
    named = re.findall(r"\| (\d) \| `(\S+)` \| `([0-9a-f]{64})` \|", table)
    files = {int(count): (name, digest) for count, name, digest in named}
    name, digest = files[models]
    packed = (MODELS / "text" / "starts" / name).read_bytes()
    assert hashlib.sha256(packed).hexdigest() == digest
    return contextmix.Prior(packed)


def tokens(architecture: str) -> list[bytes | None]:
    tensors = tiny.model(architecture).vocabulary
    said = pieces(tensors["bytes"], tensors["offsets"])
    return [
        None if kind == UNUSED else token
        for token, kind in zip(said, tensors["kind"].tolist(), strict=True)
    ]


class Heard:
    """What the models said while ncz decoded: by stream and number of the token."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.first: dict[int, list[Sequence[int]]] = defaultdict(list)
        self.second: dict[int, list[Sequence[int]]] = defaultdict(list)
        decode = kernel.decode_tokens

        def listening(
            state, vocabulary, data, code, streams, sums, entries, other=None, beside=None
        ):
            for k, stream in enumerate(streams.tolist()):
                self.first[stream].append(sums[k].tolist())
                if beside is not None:
                    self.second[stream].append(beside[k].tolist())
            decode(state, vocabulary, data, code, streams, sums, entries, other, beside)

        patch.setattr(kernel, "decode_tokens", listening)


def same(
    raw: bytes, runs: list[Run], streams: int, two: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "plan", lambda raw, model: tuple(runs))
    made = test_coder.making(streams, two)
    coded = made.encode(raw)
    assert coded is not None
    heard = Heard(monkeypatch)
    assert made.decode(coded, len(raw)) == raw
    models = [(tokens("llama"), lambda s, n: heard.first[s][n])]
    if two:
        models.append((tokens("gemma3"), lambda s, n: heard.second[s][n]))
    params = made.spec.params
    assert independent.decode(params, coded, len(raw), prior(), start(1 + two), models) == raw


def test_every_kind_of_run_in_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = text(110) + "naïve café\x00".encode() + noise(20) + text(180)[60:] + noise(9) + b"ab\xff"
    runs = [Run(MODEL, 123), Run(CONTEXTS, 20), Run(MODEL, 120), Run(BYTES, 9), Run(CONTEXTS, 3)]
    same(raw, runs, 3, False, monkeypatch)


def test_a_second_model(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = text(100) + b"\xff\n" + text(90)
    same(raw, [Run(MODEL, len(raw))], 2, True, monkeypatch)


# So often that counts reach limits; and matches that come up to where another stream is.
OFTEN = text(160) + b"\x00" + text(60) + b" and the" * 30
AHEAD = b"ab the 0" * 20 + b"a" * 160


@pytest.mark.parametrize(
    ("raw", "cuts", "second"), [(OFTEN, [120, 300], True), (AHEAD, [120], False)]
)
def test_models_that_are_sure_of_anything(raw: bytes, cuts: list[int], second: bool) -> None:
    guess = making.Guess(7)
    coded = making.encode(raw, cuts, guess, 12, second)
    bounds = list(zip(*(ends.tolist() for ends in making.bounds(len(raw), cuts)), strict=True))
    mixed = independent.Mix(
        coded,
        bounds,
        prior(),
        start(1 + second),
        independent.entries(making.TOKENS),
        lambda s, n: guess(s, n).tolist(),
        (independent.entries(making.SECOND), lambda s, n: making.second_sums(s, n).tolist())
        if second
        else None,
    )
    for s in mixed.streams:
        mixed.run(s, 12)
    while live := [s for s in mixed.streams if s.at < s.end]:
        for s in live:
            mixed.token(s)
    assert bytes(mixed.text) == raw


def test_digests_of_tables() -> None:
    page = (ROOT / "docs" / "text.md").read_text(encoding="utf-8")
    listed = page.split("## Tables")[1].split("\n## ")[0]
    below = [
        independent.below_half(low << drop, drop)
        for drop, count in ((0, 1 << 12), (5, 1 << 13), (11, (1 << 12) + 1))
        for low in range(count)
    ]
    assert re.findall(r"`([0-9a-f]{64})`", listed) == [
        hashlib.sha256(np.array(table, kind).tobytes()).hexdigest()
        for table, kind in (
            ([independent.WIDE[0], *independent.WIDE], "<i4"),
            (below, "<i2"),
        )
    ]
