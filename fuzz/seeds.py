"""Whole containers to start from: the golden ones, and small fresh ones of every coder.

Small ones are made coder by coder, since what a level chooses for some bytes is to store them.
Those of the text coder need a model: the tiny random one of the tests, in a cache folder of its
own (:func:`tiny_model`).
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

from fuzz import draft
from fuzz.draft import Block, Member, Skippable, Tail
from ncz.codec.coder import Coder, ModelRef
from ncz.formats import coders
from ncz.formats import header as headers
from ncz.formats.header import Header
from ncz.models.text import segments
from tests.golden import make
from tests.models import default


@dataclass(frozen=True)
class Seed:
    """A whole container.

    Attributes:
        name: what the counts call it.
        data: its bytes.
        content: what it holds.
        weight: how often it is taken, beside the others. What takes long to decode comes rarely.
        memlimit: bytes of memory that decoding gets.
    """

    name: str
    data: bytes
    content: bytes
    weight: float
    memlimit: int

    def members(self) -> list[Member]:
        """Taken apart; others at every call, to be changed."""
        return [
            Member(
                one.header,
                [replace(section) for section in one.sections],
                Tail(one.tail.content_check),
            )
            for one in self._members
        ]

    @functools.cached_property
    def parts(self) -> list[Part]:
        """Its members as bytes."""
        packed = ((one.pieces(), one.content) for one in self._members)
        return [Part(pieces[0], b"".join(pieces[1:]), content) for pieces, content in packed]

    @functools.cached_property
    def _members(self) -> list[Member]:
        return draft.take_apart(self.data, self.content)


@dataclass(frozen=True)
class Part:
    """A member: its header, the rest of it, and what it holds."""

    header: bytes
    rest: bytes
    content: bytes


MEMLIMIT = 128 << 20
_MODEL_MEMLIMIT = 512 << 20  # the text coder counts 200 MiB for its engine
_TEXT = make.text(300)
_FRAMES, _MIXED, _GOLDEN_MIXED, _MODELLED = 91.0, 7.5, 0.5, 1.0
"""How often, of a hundred: containers decoded in no time, by context mixing in tens of
milliseconds, golden ones of it in hundreds, and by a model."""


@contextlib.contextmanager
def tiny_model(cache: Path) -> Iterator[None]:
    """While this holds, the default model is the tests' tiny one, installed in `cache`."""
    before = os.environ.get("NCZ_CACHE")
    os.environ["NCZ_CACHE"] = str(cache)
    try:
        with default.replaced():
            if not default.model().path.exists():
                default.install()
            yield
    finally:
        if before is None:
            del os.environ["NCZ_CACHE"]
        else:
            os.environ["NCZ_CACHE"] = before


def every(models: bool = True) -> list[Seed]:
    """All seeds; those with `models` only within :func:`tiny_model`."""
    groups = [(golden(mixed=False) + frames(), _FRAMES), (mixed(), _MIXED)]
    groups.append((golden(mixed=True), _GOLDEN_MIXED))
    if models:
        groups.append((modelled(), _MODELLED))
    return [
        Seed(name, data, content, share / len(group), _memlimit(name))
        for group, share in groups
        for name, data, content in group
    ]


Whole = tuple[str, bytes, bytes]


def golden(mixed: bool) -> list[Whole]:
    """Name, bytes and content of the good golden files by context mixing, or of all others.

    Those that need a model, llama.cpp or more memory than a seed gets are left out.

    Raises:
        ValueError: one does not decode to what its manifest says.
    """
    import ncz

    found = []
    manifest = json.loads(make.MANIFEST.read_text("utf-8"))["good"]
    for name, noted in manifest.items():
        data = (make.HERE / "good" / f"{name}.ncz").read_bytes()
        header, _ = headers.parse(data)
        if any(spec.id == coders.CONTEXTMIX for spec in header.coders) == mixed:
            try:
                content = ncz.decompress(data, memlimit=_memlimit(f"golden {name}"))
            except (ncz.ModelMissing, ncz.MissingExtra, ncz.MemoryLimitError):
                continue
            if hashlib.sha256(content).hexdigest() != noted["sha256"]:
                raise ValueError(f"the golden file {name} does not hold what it should")
            found.append((f"golden {name}", data, content))
    return found


def frames() -> list[Whole]:
    """Small ones by store and zstd: blocks, members and skippable sections in many numbers."""
    store, zstd = coders.store(), coders.zstd(3)
    noise = make.noise(90)
    one = member([store, zstd], [(1, _TEXT)])
    several = member([store, zstd], [(1, _TEXT[:200]), (0, noise), (1, bytes(150))])
    few = member([store], [(0, noise[at : at + 10]) for at in range(0, 90, 10)])
    between = member([store, zstd], [(0, b"some"), (1, _TEXT[:99]), (0, b"bytes")])
    for place, body in ((3, b"x" * 40), (1, b""), (0, b"for others")):
        between.sections.insert(place, Skippable(0x80 + 7 * place, body))
    made = {
        "zstd": [one],
        "store and zstd": [several],
        "nine blocks": [few],
        "skippable": [between],
        "three members": [few, member([store], []), several],
        "five members": [one, between, one, few, member([zstd], [(0, b"end" * 30)])],
        "every zstd": [
            member([coders.zstd(level) for level in range(1, 23)], [(21, _TEXT), (8, noise * 2)])
        ],
    }
    return [_whole(name, parts) for name, parts in made.items()]


def mixed() -> list[Whole]:
    """Small ones by every preset of context mixing, alone and beside others."""
    kinds = {"text": _TEXT, "records": make.records(240), "code": make.machine_code(300)}
    found = []
    for preset in range(2, 7):
        coder = coders.contextmix(preset)
        for kind, content in kinds.items():
            one = member([coders.store(), coder], [(1, content)])
            found.append(_whole(f"contextmix-{preset} {kind}", [one]))
        blocks = [(1, _TEXT[:120]), (2, _TEXT), (0, b"stored"), (2, kinds["records"])]
        both = member([coders.store(), coders.zstd(1), coder], blocks)
        found.append(_whole(f"contextmix-{preset} beside zstd", [both]))
    return found


def modelled() -> list[Whole]:
    """Small ones by the text coder with the tiny model."""
    store, mixing = coders.store(), coders.contextmix(2)
    installed = default.model()
    model = ModelRef(bytes.fromhex(installed.digest), installed.name)
    noise = make.noise(130)
    parts = make.text(80) + noise[:90] + make.text(120)[-80:] + noise[90:] + make.text(40)
    found = []
    for name, streams, windows, content in (
        ("one stream", 1, (16, 12, 4), make.text(80)),
        ("four streams", 4, (32, 24, 4), make.text(160)),
        ("long windows", 2, (512, 384, 8), make.text(120)),
        ("text and noise", 1, (64, 32, 0), parts),
    ):
        coder = coders.text((model,), windows, streams)
        # So short, everything would be one piece, and the last of these have all kinds of runs.
        with mock.patch.object(segments, "PIECE", 40):
            one = member([store, mixing, coder], [(2, content)], (model,))
        found.append(_whole(f"text {name}", [one]))
    return found


def member(
    by: list[Coder], blocks: list[tuple[int, bytes]], models: tuple[ModelRef, ...] = ()
) -> Member:
    """A member of blocks, each the index of its coder and its content.

    Raises:
        ValueError: a coder does not take a block.
    """
    made: list[Block | Skippable] = []
    for index, raw in blocks:
        coded = by[index].encode(raw)
        if coded is None:
            raise ValueError(f"{by[index].name} does not code these {len(raw)} bytes")
        made.append(Block(index, coded, raw, 0))
    size = max((len(raw) for _, raw in blocks), default=1)
    header = Header(tuple(coder.spec for coder in by), size, models=models)
    found = Member(header, made, Tail(0))
    found.vouch()
    return found


def _whole(name: str, members: list[Member]) -> Whole:
    data = b"".join(one.pack() for one in members)
    return name, data, b"".join(one.content for one in members)


def _memlimit(name: str) -> int:
    return _MODEL_MEMLIMIT if name.startswith("text ") else MEMLIMIT
