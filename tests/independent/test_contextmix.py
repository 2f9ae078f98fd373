"""What ncz writes, the decoder written from docs/coders.md reads."""

from __future__ import annotations

import functools
import hashlib
import random
import re
from pathlib import Path

import numpy as np
import pytest

import ncz
from ncz.models.contextmix import branches, kernel, prior, state
from ncz.models.contextmix.coder import from_params
from ncz.models.contextmix.detect import Content
from ncz.models.contextmix.presets import PRESETS
from tests.independent import contextmix, reader

ROOT = Path(__file__).parents[2]

PROSE = (
    "The quick brown fox, aged 12, jumps over the lazy dog; the dog sleeps on.\n"
    "Der schnelle braune Fuchs springt über den faulen Hund.\n"
    "<p class='x'>The quick brown fox jumped: was it 3 or 14 times?</p>\n\n"
).encode() * 2
RECORDS = b"".join(
    bytes((i & 255, i >> 8, 7, 0))
    + (1000 - 3 * i).to_bytes(4, "little")
    + b"name\0\0ab"[i % 2 :][:7]
    for i in range(24)
)


def instructions(count: int) -> bytes:
    """Something like x86 code: every operand form, prefixes, calls near and far."""
    dice = random.Random(5)
    code = bytearray()
    for _ in range(count):
        code += dice.choice((b"", b"", b"\x48", b"\x66", b"\xf3\x4c"))
        code += dice.choice((b"\x89", b"\x8b", b"\x0f\xb6", b"\xf7", b"\x81", b"\x0f\x38\x01"))
        code += bytes((dice.randrange(256), dice.randrange(256), 0, 0))
        code += dice.choice(
            (b"\xe8\x10\x00\x00\x00", b"\xe9\xf0\xff\xff\xff", b"\xb8\1\0\0\0", b"\xc3")
        )
    return bytes(code)


CASES = {
    "text": (Content(0), PROSE),
    "records": (Content(1, 15, 4), RECORDS),
    "plain-bytes": (Content(1, 1, 1), RECORDS),
    "code-32": (Content(2, absolute=True), instructions(30)),
    "code-64": (Content(3), instructions(30)),
    "code-64-absolute": (Content(3, absolute=True), instructions(30)),
    "long-matches": (Content(0), b"0123456789abcdef" * 40),
    "one-byte": (Content(1), b"\xff"),
}


def coded(number: int, found: Content, raw: bytes, start: prior.Prior | None) -> bytes:
    """A block coded as `found`, whatever ncz would have taken it for."""
    data = np.frombuffer(bytearray(raw), np.uint8)
    if found.absolute:
        branches.to_absolute(data)
    out = np.empty(len(raw) + 64, np.uint8)
    model = state.fresh(PRESETS[number], found.kind, len(raw), found.row, found.cell, start)
    size = kernel.code_block(model, data, out, False)
    head = bytes((found.kind | (0x80 if found.absolute else 0),))
    if found.kind == kernel.BINARY:
        head += found.row.to_bytes(2, "little") + bytes((found.cell,))
    return head + out[:size].tobytes()


def same(number: int, name: str) -> None:
    found, raw = CASES[name]
    block = coded(number, found, raw, None)
    assert contextmix.decode(bytes((1, number)), block, len(raw)) == raw


@pytest.mark.parametrize("name", CASES)
def test_the_smallest_preset(name: str) -> None:
    same(2, name)


@pytest.mark.parametrize("name", ["text", "plain-bytes", "code-64-absolute"])
def test_the_largest_preset(name: str) -> None:
    same(6, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("number", [3, 4, 5, 6])
def test_every_preset(number: int, name: str) -> None:
    same(number, name)


@functools.cache
def made_prior(number: int, kind: int) -> bytes:
    """A prior of no use, with something in every tensor."""
    contexts = len(PRESETS[number].contexts(kind))
    dice = np.random.default_rng(3)
    lines = 3000
    tensors = {
        "maps": (dice.integers(1 << 22, size=(30, 256)) << 10 | 30).astype(np.uint32),
        "match_maps": (dice.integers(1 << 22, size=(2, 32)) << 10 | 9).astype(np.uint32),
        f"{number}.weights": np.resize(
            np.arange(-40, 180, dtype=np.int16), (13824, state.inputs(contexts))
        ),
        f"{number}.final": dice.integers(0, 2000, (288, 8)).astype(np.int16),
        "lines.step": dice.integers(1 << 24, size=lines).astype(np.uint32),
        "lines.check": dice.integers(4, size=lines).astype(np.uint8),
        "lines.context": dice.integers(30, size=lines).astype(np.uint8),
        "lines.states": dice.integers(219, size=(lines, 15)).astype(np.uint8),
    }
    for j, rows in enumerate((8192, 65536, 65536)):
        kept = np.sort(dice.permutation(rows)[:3000]).astype(np.uint16)
        tensors[f"apm{j}.rows"] = kept
        tensors[f"apm{j}.moved"] = dice.integers(-20, 20, (kept.size, 33)).astype(np.int16)
    return prior.pack(tensors, {})


@pytest.mark.parametrize("name", ["text", "records", "code-32"])
def test_from_a_prior(name: str) -> None:
    found, raw = CASES[name]
    packed = made_prior(4, found.kind)
    block = coded(4, found, raw, prior.Prior(prior.unpack(packed)))
    decoded = contextmix.decode(
        b"\x01\x04", block, len(raw), {found.kind: contextmix.Prior(packed)}
    )
    assert decoded == raw
    assert contextmix.decode(b"\x01\x04", block, len(raw)) != raw


@functools.cache
def shipped_priors() -> dict[int, contextmix.Prior]:
    """By kind, those that docs/coders.md lists."""
    page = (ROOT / "docs" / "coders.md").read_text(encoding="utf-8")
    folder = ROOT / "ncz" / "models" / "contextmix" / "priors"
    found = {}
    for name, kind, digest in re.findall(
        r"^\| (\S+\.safetensors) \| (\d) \| `([0-9a-f]{64})` \|$", page, re.MULTILINE
    ):
        packed = (folder / name).read_bytes()
        assert hashlib.sha256(packed).hexdigest() == digest
        found[int(kind)] = contextmix.Prior(packed)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("level", [2, 6])
@pytest.mark.parametrize("name", ["text", "records", "code-64"])
def test_a_file_as_anyone_makes_it(level: int, name: str) -> None:
    raw = CASES[name][1]
    (member,) = reader.read(ncz.compress(raw, level=level))
    (block,) = member.blocks
    assert block.coder == 2
    params = dict(member.coders)[2]
    assert contextmix.decode(params, block.coded, len(raw), shipped_priors()) == raw


@pytest.mark.parametrize(
    "head", ["", "04", "7f", "80", "81", "01", "01000001", "01011001", "0101000009"]
)
def test_both_refuse(head: str) -> None:
    block = bytes.fromhex(head)
    with pytest.raises(contextmix.Broken):
        contextmix.decode(b"\x01\x02", block, 5)
    with pytest.raises(ncz.FormatError):
        from_params(b"\x01\x02").decode(block, 5)


@pytest.mark.parametrize("code", ["", "00", "fffffffe", "123456789abcdef0" * 4])
@pytest.mark.parametrize("head", ["01010001", "83"])
def test_any_code_decodes_to_the_same(head: str, code: str) -> None:
    block = bytes.fromhex(head + code)
    mine = from_params(b"\x01\x02").decode(block, 60)
    assert contextmix.decode(b"\x01\x02", block, 60) == mine
