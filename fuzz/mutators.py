"""Changed containers, each with the one content that it may be decoded to.

Three tiers, by how many of a container's checks still stand as its encoder made them:

``as made``
    All. Bytes are changed blindly, or whole sections are cut, dropped, doubled, swapped and
    moved. Every change is to be noticed, unless what is left is a whole file of members of the
    seed, back to back: that holds the content of these.
``resealed``
    The raw checks and the content check, which are of content. Something between the container's
    framing and the depth of a coder is changed, and the checks on the way there are made anew, so
    that decoders get to work on it. Whatever comes out without an error has to be the content
    of the seed: nothing else can have these checks.
``rebuilt``
    None: a container of other content, members, blocks and coders is built, with right checks of
    all. Its content is known, since the mutator cut, joined and coded it, and it is a valid file,
    so that it has to decode, and to that content. Or one of its checks is made wrong, and it must
    not decode.

So no wrong output can hide behind a check that was made to fit: a check of content is never
computed from what a decoder says, but of bytes that the mutator knows.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from fuzz import blind
from fuzz.draft import Block, Member, Skippable, Tail
from fuzz.seeds import Part, Seed
from ncz.codec.coder import CoderSpec, ModelRef
from ncz.formats import coders
from ncz.formats.header import MAX_BLOCK_SIZE, MAX_CODERS
from tests.golden import make

_TEXT = make.text(300)

AS_MADE, RESEALED, REBUILT = "as made", "resealed", "rebuilt"

EITHER, REFUSE, DECODE = range(3)
"""What a decoder has to do: either, as long as the content is right; or that."""


@dataclass(frozen=True)
class Mutant:
    """A changed container.

    Attributes:
        seed: what it was made of.
        tier: which checks stand.
        kind: what was done.
        data: its bytes.
        content: the only bytes that it may be decoded to without an error.
        must: one of :data:`EITHER`, :data:`REFUSE`, :data:`DECODE`; of readers that read all.
        in_place: all bytes that were not changed stand where they stood.
    """

    seed: Seed
    tier: str
    kind: str
    data: bytes
    content: bytes
    must: int = EITHER
    in_place: bool = False


def mutant(seeds: list[Seed], number: int) -> Mutant:
    """The mutant of that number, the same at every call."""
    rng = random.Random(number)
    (seed,) = rng.choices(seeds, [one.weight for one in seeds])
    (tier,) = rng.choices((_blind, _structural, _resealed, _rebuilt), (32, 16, 40, 12))
    return tier(rng, seed, seeds)


def _blind(rng: random.Random, seed: Seed, seeds: list[Seed]) -> Mutant:
    other = rng.choice(seeds)
    data, kind = blind.damaged(rng, seed.data, other.data)
    return _as_made(seed, other, kind, data, kind in blind.IN_PLACE)


def _structural(rng: random.Random, seed: Seed, seeds: list[Seed]) -> Mutant:
    pieces = [piece for one in seed.members() for piece in one.pieces()]
    a, b = rng.randrange(len(pieces)), rng.randrange(len(pieces))
    other = rng.choice(seeds)
    kind = rng.choice(("cut", "behead", "drop", "double", "swap", "move", "reverse", "transplant"))
    if kind == "cut":
        pieces = pieces[:a]
    elif kind == "behead":
        pieces = pieces[a:]
    elif kind == "drop":
        del pieces[min(a, b) : max(a, b) + rng.randrange(2)]
    elif kind == "double":
        pieces[b:b] = pieces[a : a + rng.choice((1, 1, 2, 9))]
    elif kind == "swap":
        pieces[a], pieces[b] = pieces[b], pieces[a]
    elif kind == "move":
        pieces.insert(b, pieces.pop(a))
    elif kind == "reverse":
        pieces[a : b + 1] = pieces[a : b + 1][::-1]
    else:
        others = [p for one in other.members() for p in one.pieces()]
        pieces[a : a + rng.randrange(2)] = [rng.choice(others)]
    return _as_made(seed, other, f"sections: {kind}", b"".join(pieces))


def _as_made(seed: Seed, other: Seed, kind: str, data: bytes, in_place: bool = False) -> Mutant:
    whole = _members_alone(data, [*seed.parts, *other.parts])
    if whole is not None:
        content, must = whole
        return Mutant(seed, AS_MADE, kind, data, content, must)
    return Mutant(seed, AS_MADE, kind, data, seed.content, REFUSE, in_place)


def _members_alone(data: bytes, parts: list[Part]) -> tuple[bytes, int] | None:
    """The content of `data` if it is nothing but members of `parts`, each unchanged.

    A member may have the header of another, if that is as long: what follows does not hang on a
    header but by its length. Such a one is for the decoder to refuse or to decode.
    """
    out, at, must = b"", 0, DECODE
    while at < len(data):
        header = next((one.header for one in parts if data.startswith(one.header, at)), None)
        if header is None:
            return None
        at += len(header)
        fitting = (one for one in parts if len(one.header) == len(header))
        found = next((one for one in fitting if data.startswith(one.rest, at)), None)
        if found is None:
            return None
        at += len(found.rest)
        out += found.content
        if found.header != header:
            must = EITHER
    return (out, must) if data else None


# --- resealed


def _resealed(rng: random.Random, seed: Seed, seeds: list[Seed]) -> Mutant:
    members = seed.members()
    one = rng.choice([m for m in members if m.blocks] or members)
    if one.blocks:
        # Most of the time in the coded data: it is the only way into the coders.
        (change,) = rng.choices(_CHANGES, [5 if c is _coded else 1 for c in _CHANGES])
    else:
        change = rng.choice((_header, _tail, _sections))
    kind, must = change(rng, one, seeds)
    return Mutant(seed, RESEALED, kind, _packed(members), seed.content, must)


def _coded(rng: random.Random, one: Member, seeds: list[Seed]) -> tuple[str, int]:
    """The coded data of a block, and with it its check."""
    block = rng.choice(one.blocks)
    other = rng.choice([b.coded for m in rng.choice(seeds).members() for b in m.blocks] or [b""])
    before = block.coded
    if rng.random() < 0.4 and before:  # heads of coders are there
        at = rng.randrange(min(12, len(before)))
        new = bytes([blind.number(rng, before[at]) & 0xFF])
        block.coded = before[:at] + new * rng.choice((1, 1, 1, 9)) + before[at + 1 :]
    else:
        block.coded, _ = blind.damaged(rng, before, other)
    block.coded = block.coded[: len(block.raw) + 64]
    return "coded data", EITHER


def _head(rng: random.Random, one: Member, seeds: list[Seed]) -> tuple[str, int]:
    """A number in a block's head."""
    block = rng.choice(one.blocks)
    name = rng.choice(
        ("raw size", "raw start", "coded size", "raw check", "coded check", "payload")
    )
    if name == "raw size":
        block.raw_size = _size(rng, len(block.raw), one, block)
        one.header = replace(one.header, block_size=max(one.header.block_size, block.raw_size))
        same = block.raw_size == len(block.raw)
    elif name == "raw start":
        before = itertools.takewhile(lambda other: other is not block, one.blocks)
        start = sum(len(other.raw) for other in before)
        block.raw_start = blind.number(rng, start)
        same = block.raw_start == start
    elif name == "coded size":
        block.coded_size = blind.number(rng, len(block.coded))
        same = block.coded_size == len(block.coded)
    elif name == "raw check":
        check = block.raw_check
        block.raw_check = blind.number(rng, check) & 0xFFFFFFFF
        same = block.raw_check == check
    elif name == "coded check":
        block.coded_check = blind.number(rng, 0) & 0xFFFFFFFF
        same = False  # but for one in four billion
    else:
        block.payload = blind.number(rng, 0)
        same = block.payload == 0
    return f"head: {name}", DECODE if same else REFUSE


def _coder(rng: random.Random, one: Member, seeds: list[Seed]) -> tuple[str, int]:
    """Which coder a block names."""
    block = rng.choice(one.blocks)
    block.coder = rng.choice((rng.randrange(len(one.header.coders) + 1), blind.number(rng, 1)))
    return "another coder", EITHER


def _header(rng: random.Random, one: Member, seeds: list[Seed]) -> tuple[str, int]:
    """Something in the header."""
    header = one.header
    specs, models = list(header.coders), list(header.models)
    at = rng.randrange(len(specs))
    name = rng.choice(("block size", "parameters", "coders", "id", "models", "format"))
    if name == "block size":
        header = replace(header, block_size=blind.number(rng, header.block_size))
    elif name == "parameters":
        params, _ = blind.damaged(rng, specs[at].params, rng.choice(specs).params)
        specs[at] = CoderSpec(specs[at].id, params[:5000])
    elif name == "coders":
        other = rng.choice(rng.choice(seeds).members()).header.coders
        specs = rng.choice((specs[::-1], specs[:-1], [*specs, *other], specs * 9, [*other]))
    elif name == "id":
        specs[at] = CoderSpec(rng.choice((*range(6), blind.number(rng, 1))), specs[at].params)
    elif name == "models":
        stranger = ModelRef(rng.randbytes(32), "a model\n\x1b[31m" * rng.randrange(9))
        models = rng.choice(([], models * 2, [stranger, *models], [stranger] * 17, models[::-1]))
    else:
        header = replace(header, format=blind.number(rng, 0), format_params=rng.randbytes(2))
    one.header = replace(header, coders=tuple(specs), models=tuple(models))
    return f"header: {name}", EITHER


def _tail(rng: random.Random, one: Member, seeds: list[Seed]) -> tuple[str, int]:
    """Something that the tail says."""
    tail, blocks = one.tail, one.blocks
    name = rng.choice(("content check", "count", "last gap", "size", "entry"))
    if name == "content check":
        tail.content_check ^= 1 << rng.randrange(64)
    elif name == "count":
        tail.count = blind.number(rng, len(blocks))
        if tail.count == len(blocks):
            return "tail: count", DECODE
    elif name == "last gap":
        tail.last_gap = blind.number(rng, 1)
        return "tail: last gap", EITHER  # it may be the right one
    elif name == "size":
        tail.size = blind.number(rng, 30)
        return "tail: size", EITHER
    elif blocks:
        sizes = [blind.number(rng, rng.choice((0, 30, len(blocks[0].raw)))) for _ in range(4)]
        tail.entries[rng.randrange(len(blocks))] = (sizes[0], sizes[1], sizes[2] % 3, sizes[3])
        return "tail: entry", EITHER
    else:
        return "nothing", EITHER
    return f"tail: {name}", REFUSE


def _sections(rng: random.Random, one: Member, seeds: list[Seed]) -> tuple[str, int]:
    """Whole sections: dropped, doubled, swapped, of a type that nobody knows."""
    found, content = one.sections, one.content
    kind = rng.choice(("drop", "double", "swap", "transplant", "unknown type"))
    if kind == "unknown type":
        type_ = rng.choice((0, 3, 0x42, 0x7F, 0x80, 0xFF))
        found.insert(rng.randrange(len(found) + 1), Skippable(type_, rng.randbytes(9)))
        return "sealed: type", DECODE if type_ >= 0x80 else REFUSE
    if not found:
        return "nothing", EITHER
    a, b = rng.randrange(len(found)), rng.randrange(len(found))
    if kind == "drop":
        del found[a]
    elif kind == "double":
        found.insert(b, found[a])
    elif kind == "swap":
        found[a], found[b] = found[b], found[a]
    else:
        found.insert(a, rng.choice(rng.choice(seeds).members()[0].sections or [found[b]]))
    if one.content != content:
        return f"sealed: {kind}", REFUSE
    return f"sealed: {kind}", EITHER  # a coder of that number may be another


_CHANGES: tuple[Callable[[random.Random, Member, list[Seed]], tuple[str, int]], ...] = (
    _coded,
    _head,
    _coder,
    _header,
    _tail,
    _sections,
)

_QUICK = (coders.STORE, coders.ZSTD)
_LARGE = 1 << 27  # bytes: a block that the memory limit forbids


def _size(rng: random.Random, size: int, one: Member, block: Block) -> int:
    """A raw size that is a lie; not one that a slow coder would take minutes for."""
    spec = one.header.coders[min(block.coder, len(one.header.coders) - 1)]
    while True:
        lie = blind.number(rng, size)
        if spec.id in _QUICK or lie <= size + 4096 or lie >= _LARGE:
            return lie


# --- rebuilt


def _rebuilt(rng: random.Random, seed: Seed, seeds: list[Seed]) -> Mutant:
    members = seed.members()
    for _ in range(rng.choice((1, 1, 2, 3))):
        one = rng.choice(members)
        kind = rng.choice(("blocks", "content", "skippable", "header", "members", "join"))
        _REBUILD[kind](rng, one, members)
    for one in members:
        largest = max((len(block.raw) for block in one.blocks), default=1)
        one.header = replace(one.header, block_size=max(one.header.block_size, largest))
        one.vouch()
    content = b"".join(one.content for one in members)
    if rng.random() < 0.25:
        one = rng.choice(members)
        if rng.random() < 0.5 and one.blocks:
            rng.choice(one.blocks).raw_check ^= 1 << rng.randrange(32)
        else:
            one.tail.content_check ^= 1 << rng.randrange(64)
        return Mutant(seed, REBUILT, "a wrong check", _packed(members), content, REFUSE)
    return Mutant(seed, REBUILT, kind, _packed(members), content, DECODE)


def _packed(members: list[Member]) -> bytes:
    return b"".join(one.pack() for one in members)


def _blocks(rng: random.Random, one: Member, members: list[Member]) -> None:
    """Other blocks in another order. Each stays what it was: nothing in it says where it is."""
    blocks = one.blocks
    if blocks:
        # Never more than is decoded soon: blocks of some coders take long.
        chosen = rng.sample(blocks, rng.randint(1, min(len(blocks), 12)))
        one.sections = [replace(block) for block in chosen]


def _content(rng: random.Random, one: Member, members: list[Member]) -> None:
    """A block of other content, stored or by zstd."""
    raw = rng.choice((_TEXT[: rng.randrange(1, 200)], rng.randbytes(rng.randrange(1, 90))))
    coder = rng.choice((coders.store(), coders.zstd(rng.randint(1, 22))))
    specs = [*one.header.coders]
    if coder.spec not in specs:
        if len(specs) == MAX_CODERS:
            return
        specs.append(coder.spec)
    coded = coder.encode(raw)
    assert coded is not None
    one.header = replace(one.header, coders=tuple(specs))
    block = Block(specs.index(coder.spec), coded, raw, 0)
    one.sections.insert(rng.randrange(len(one.sections) + 1), block)


def _skippable(rng: random.Random, one: Member, members: list[Member]) -> None:
    body = rng.choice((b"", rng.randbytes(30), members[0].pack(), bytes(3000)))
    section = Skippable(rng.randrange(0x80, 0x100), body)
    one.sections.insert(rng.randrange(len(one.sections) + 1), section)


def _other_header(rng: random.Random, one: Member, members: list[Member]) -> None:
    """Blocks that could be larger, coders that no block names."""
    known = [coders.zstd(rng.randint(1, 22)).spec, coders.store().spec]
    more = rng.choices(known, k=rng.randrange(3))
    header = one.header
    quick = all(spec.id in _QUICK for spec in header.coders)
    room = rng.choice((0, 1, 1000, 1 << 20 if quick else 5))  # others need more memory for more
    size = min(header.block_size + room, MAX_BLOCK_SIZE)
    specs = (*header.coders, *more)[:MAX_CODERS]
    one.header = replace(header, block_size=size, coders=specs)


def _other_members(rng: random.Random, one: Member, members: list[Member]) -> None:
    empty = Member(one.header, [], Tail(0))
    members.insert(rng.randrange(len(members) + 1), empty)
    if len(members) > 2 and rng.random() < 0.5:
        members.pop(rng.randrange(len(members)))
    rng.shuffle(members)


def _join(rng: random.Random, one: Member, members: list[Member]) -> None:
    """Blocks of another member, if it has the same coders."""
    other = rng.choice(members)
    if other.header.coders == one.header.coders and other.header.models == one.header.models:
        one.sections += [
            replace(section) for section in other.sections if isinstance(section, Block)
        ][:3]


_REBUILD: dict[str, Callable[[random.Random, Member, list[Member]], None]] = {
    "blocks": _blocks,
    "content": _content,
    "skippable": _skippable,
    "header": _other_header,
    "members": _other_members,
    "join": _join,
}
