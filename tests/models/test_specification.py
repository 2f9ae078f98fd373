"""docs/coders.md says of tables, presets and priors what the code says."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np

from ncz.codec.tables import RECIPROCAL, SQUASH24, STRETCH12
from ncz.models.contextmix import kernel, machine, prior
from ncz.models.contextmix.hashing import mix
from ncz.models.contextmix.presets import PRESETS, REVISION
from ncz.models.contextmix.states import NEXT

PAGE = (Path(__file__).parents[2] / "docs" / "coders.md").read_text(encoding="utf-8")


def digest(table: np.ndarray, kind: str) -> str:
    return hashlib.sha256(table.astype(kind).tobytes()).hexdigest()


def test_the_digest_of_the_prior() -> None:
    listed = PAGE.split("<!-- priors -->")[1].split("<!-- /priors -->")[0]
    rows = re.findall(r"^\| (\S+) \| (\d) \| `?(\w+)`? \|$", listed, re.MULTILINE)
    assert rows == [(prior.NAME, str(kernel.TEXT), prior.DIGEST or "none")]


def test_digests_of_tables() -> None:
    listed = PAGE.split("### Digests of the tables")[1].split("\n## ")[0]
    assert re.findall(r"`([0-9a-f]{64})`", listed) == [
        digest(SQUASH24[1:], "<i4"),
        digest(STRETCH12, "<i2"),
        digest(RECIPROCAL, "<i4"),
        digest(NEXT[: 2 * 219], "u1"),
        digest(machine._ONE, "u1"),
        digest(machine._TWO, "u1"),
    ]


def test_presets() -> None:
    listed = PAGE.split("### Presets")[1].split("\n### ")[0]
    rows = re.findall(
        r"^\| (\d*) ?\| (\w+) \| ([\d …]+?) \| ([\d …]*?) ?\| ([\d …]*?) ?\|$", listed, re.M
    )
    assert len(rows) == 3 * len(PRESETS)
    preset = PRESETS[2]
    for number, kind, contexts, sets, bits in rows:
        if number:
            preset = PRESETS[int(number)]
            assert numbers(sets) == preset.sets
            least, most = bits.split(" … ")
            assert (int(least), int(most)) == (preset.least_line_bits, preset.line_bits)
        in_code = {"text": preset.text, "binary": preset.binary, "x86": preset.machine}[kind]
        assert numbers(contexts) == in_code
    assert f"u8 revision = {REVISION}" in PAGE


def numbers(text: str) -> tuple[int, ...]:
    if "…" in text:
        first, last = text.split(" … ")
        return tuple(range(int(first), int(last) + 1))
    return tuple(int(word) for word in text.split())


def test_examples_of_mix() -> None:
    examples = re.findall(r"mix\((\d), (\d)\) = 0x([0-9A-F]{16})", PAGE)
    assert len(examples) == 2
    for h, value, result in examples:
        assert int(mix(int(h), int(value))) % 2**64 == int(result, 16)
