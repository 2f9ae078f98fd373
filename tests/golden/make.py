"""Makes golden files: ones that must decode for ever, and bad ones that must fail well.

    python -m tests.golden.make              # what there is and what could be made
    python -m tests.golden.make NAME…        # make these, and note them in manifest.json
    python -m tests.golden.make --changed    # where the encoder writes something else, and says so

A golden file is never made again: what matters is that today's reader reads what yesterday's
writer wrote. So an existing one is refused; a new kind of file gets a new name. Where the encoder
has changed, and a number says so, what it writes now is made as NAME@VERSION beside the old one.

The manifest notes the version of ncz that made each, and the numbers that its bytes go by.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import ncz
from ncz.codec import varint
from ncz.codec.checks import x32, xxh64
from ncz.codec.coder import Coder, CoderSpec, ModelRef
from ncz.formats import coders, header, levels, sections
from ncz.formats.encode import Encoder
from ncz.formats.header import Header
from ncz.formats.levels import Plan
from tests import circuits
from tests.formats.pixels import streams
from tests.golden import lossy, pictures, standins

HERE = Path(__file__).parent
MANIFEST = HERE / "manifest.json"


def text(size: int) -> bytes:
    """Something like a text, the same on every machine."""
    rng = random.Random(1)
    words = ["".join(rng.choices("etaoinshrdlu", k=rng.randint(1, 9))) for _ in range(300)]
    weights = [1 / rank for rank in range(1, 301)]
    lines = [" ".join(rng.choices(words, weights, k=11)) for _ in range(size // 30)]
    return "\n".join(lines).encode()[:size]


def records(size: int) -> bytes:
    """Records of twelve bytes: a counter, a slow sensor, noise, a flag."""
    rng = random.Random(2)
    out, level = b"", 20_000
    for number in range(size // 12):
        level += rng.randint(-40, 40)
        out += number.to_bytes(4, "little") + level.to_bytes(4, "little", signed=True)
        out += bytes([rng.randrange(4), 0, rng.randrange(2), 0xFF])
    return out


def machine_code(size: int) -> bytes:
    """Calls to a few functions between other instructions, as in 32-bit x86."""
    rng = random.Random(3)
    targets = [rng.randrange(size) for _ in range(20)]
    pieces = [b"\x55\x89\xe5", b"\x8b\x45\x08", b"\x83\xec\x18", b"\xc9\xc3", b"\x89\x04\x24"]
    out = b""
    while len(out) < size:
        out += rng.choice(pieces)
        if rng.random() < 0.3:
            distance = rng.choice(targets) - (len(out) + 5)
            out += b"\xe8" + distance.to_bytes(4, "little", signed=True)
    return out[:size]


def machine_code_64(size: int) -> bytes:
    """The same with 64-bit x86: prefixes, and addresses relative to the instruction."""
    rng = random.Random(5)
    targets = [rng.randrange(size) for _ in range(20)]
    pieces = ["4889e5", "488b4508", "488d3d10200000", "4883ec18", "c9c3", "48894424f0", "31c0"]
    out = b""
    while len(out) < size:
        out += bytes.fromhex(rng.choice(pieces))
        if rng.random() < 0.3:
            distance = rng.choice(targets) - (len(out) + 5)
            out += b"\xe8" + distance.to_bytes(4, "little", signed=True)
    return out[:size]


def noise(size: int) -> bytes:
    """Bytes that nothing makes smaller."""
    return random.Random(4).randbytes(size)


MIXED = text(3000) + bytes(2000) + noise(1500)


def member(content: bytes, block_size: int = 1 << 20, second: int | None = 3) -> bytes:
    """A member by store and zstd, or by store alone."""
    other = coders.store() if second is None else coders.zstd(second)
    encoder = Encoder(Plan((coders.store(), other), block_size))
    return b"".join([*encoder.feed(content), *encoder.finish()])


def framed(content: bytes, size: int, coded: bytes | None = None, **change: int) -> bytes:
    """A member of one block, with this or that field of its head, or its tail, changed."""
    coded = content if coded is None else coded
    made = header.pack(Header((CoderSpec(0), CoderSpec(1, b"\x03")), size))
    fields = {
        "coder": 0,
        "raw_start": 0,
        "raw_size": len(content),
        "coded_size": len(coded),
        "raw_check": x32(content),
        "coded_check": x32(coded),
    }
    fields |= {name: value for name, value in change.items() if name in fields}
    section = sections.pack_block(len(made), sections.BlockHead(**fields), coded)
    gap = change.get("gap", len(made))
    entry = sections.pack_entry(sections.Entry(gap, len(section), 0, fields["raw_size"]))
    out = made + section
    check = change.get("content_check", xxh64(content))
    return out + sections.pack_tail(len(out), entry, 1, 0, check)


def by(
    others: tuple[Coder, ...],
    content: bytes,
    block_size: int = 1 << 20,
    models: tuple[ModelRef, ...] = (),
    runs: tuple[Any, ...] = (),
) -> bytes:
    """A member whose block number k is made by coder k of `others`, in turn, or by store.

    Args:
        others: what follows store in the header.
        content: of the member.
        block_size: of its blocks.
        models: that the coders need.
        runs: how text is cut, None for what the encoder finds best.
    """
    from ncz.models.text import segments

    plan = Plan((coders.store(), *others), block_size, models)
    turn = 0

    def encode(plan: Plan, raw: bytes, known: levels.Coded | None = None) -> tuple[int, bytes]:
        nonlocal turn
        index = 1 + turn % len(others)
        turn += 1
        coded = plan.coders[index].encode(raw)
        if coded is None or len(coded) > len(raw) + sections.MAX_GROWTH:
            return 0, raw
        return index, coded

    cut = (lambda raw, model: runs) if runs else segments.plan
    with mock.patch.object(levels, "encode", encode), mock.patch.object(segments, "plan", cut):
        encoder = Encoder(plan)
        return b"".join([*encoder.feed(content), *encoder.finish()])


def by_text(
    windows: tuple[int, int, int],
    content: bytes,
    streams: int | None = None,
    two: bool = False,
    runs: tuple[Any, ...] = (),
) -> bytes:
    """A member of one block, by the text coder."""
    models: tuple[Any, ...] = (standins.model(standins.FIRST),)
    if two:
        models += (standins.model(standins.SECOND),)
    return by((coders.text(models, windows, streams),), content, 1 << 20, models, runs)


def by_llama(content: bytes) -> bytes:
    """A member of one block, by the coder of llama.cpp."""
    made, model = coders.llama(standins.GGUF, (48, 20, 0))
    runs = _runs((0, len(content) - 60), (1, 40), (2, 20))
    from ncz.models.text import segments

    with mock.patch.object(segments, "plan_by", lambda raw, cost: runs):
        return by((made,), content, 1 << 20, (model,))


def by_circuit(name: str, within: bool, content: bytes, block_size: int = 1 << 20) -> bytes:
    """A member by a circuit that stands in its blocks or is named."""
    (inside, named), model, _ = coders.circuit(standins.circuit(name))
    if within:
        return by((inside,), content, block_size)
    return by((named,), content, block_size, (model,))


def by_latents(height: int, width: int, quality: int) -> tuple[bytes, bytes]:
    """A member by the coder of pictures' latents, and what is in it."""
    from ncz.models.image import weights

    model = standins.image()
    content = lossy.some(weights.integers(model.name), height, width, quality)
    return by((coders.latents(model),), content, 1 << 20, (model,)), content


def by_pixels(content: bytes) -> bytes:
    """A member of one block, by the coder of pictures."""
    return by((coders.pixels(),), content)


def _by_pixels(content: bytes) -> Callable[[], tuple[bytes, bytes]]:
    return lambda: (by_pixels(content), content)


def _runs(*said: tuple[int, int]) -> tuple[Any, ...]:
    from ncz.models.text.layout import Run

    return tuple(Run(kind, length) for kind, length in said)


def listing(models: tuple[ModelRef, ...]) -> bytes:
    """A stored member whose header lists models."""
    encoder = Encoder(Plan((coders.store(),), 4, models))
    return b"".join([*encoder.feed(b"none needed"), *encoder.finish()])


ODD = text(300) + noise(30) + "naïve café\x00".encode() + b"\xff\xfe" + text(120)
MANY = (
    *(coders.zstd(level) for level in range(1, 23)),
    *(coders.contextmix(level) for level in range(2, 7)),
    *(coders.zstd(3) for _ in range(36)),
)


def with_skippable() -> tuple[bytes, bytes]:
    """Skippable sections at every place, and bodies of several sizes."""
    content = b"between sections that others may use"
    out = header.pack(Header((CoderSpec(0),), 100))
    for type_, body in ((0x80, b""), (0xC3, b"for somebody"), (0xFF, bytes(300))):
        out += sections.pack_body(len(out), type_, body)
    check = x32(content)
    start = len(out)
    head = sections.BlockHead(0, 0, len(content), len(content), check, check)
    out += sections.pack_block(start, head, content)
    entry = sections.pack_entry(sections.Entry(start, len(out) - start, 0, len(content)))
    end = len(out)
    out += sections.pack_body(len(out), 0x80, b"at the end")
    return out + sections.pack_tail(len(out), entry, 1, len(out) - end, xxh64(content)), content


def _level(level: int, content: bytes) -> Callable[[], tuple[bytes, bytes]]:
    return lambda: (ncz.compress(content, level, block_size=max(1024, len(content) // 2)), content)


def _by_circuit(name: str, within: bool, content: bytes) -> Callable[[], tuple[bytes, bytes]]:
    return lambda: (by_circuit(name, within, content), content)


GOOD: dict[str, Callable[[], tuple[bytes, bytes]]] = (
    {
        "empty": lambda: (member(b""), b""),
        "one-byte": lambda: (member(b"x"), b"x"),
        "stored": lambda: (member(noise(5000), 2048), noise(5000)),
        "store-alone": lambda: (member(text(500), 100, None), text(500)),
        "zstd-1": lambda: (member(text(5000), 2048, 1), text(5000)),
        "zstd-3": lambda: (member(MIXED, 1000), MIXED),
        "zstd-19": lambda: (member(records(6000), 1 << 20, 19), records(6000)),
        "concatenated": lambda: (
            member(text(300)) + member(b"") + member(noise(40)) + member(b"end", 1),
            text(300) + noise(40) + b"end",
        ),
        "skippable": with_skippable,
        "one-byte-blocks": lambda: (member(text(50), 1), text(50)),
        "in-itself": lambda: (member(member(text(300)), 64, None), member(text(300))),
    }
    | {
        f"contextmix-{level}-{name}": _level(level, content)
        for level in range(2, 7)
        for name, content in {
            "text": text(20_000),
            "records": records(12_000),
            "code": machine_code(16_000),
            "code-64": machine_code_64(16_000),
            "mixed": MIXED,
        }.items()
    }
    | {
        "level-1": _level(1, MIXED),
        "many-coders": lambda: (by(MANY, text(6300), 100), text(6300)),
        "largest-block-size": lambda: (framed(b"abc", 1 << 30), b"abc"),
        "models-by-number": lambda: (
            listing((*header._numbered(), ModelRef(bytes(range(32)), "some other"))),
            b"none needed",
        ),
        "most-models": lambda: (
            listing(tuple(ModelRef(bytes([k] * 32), "é" * 127 + "x") for k in range(16))),
            b"none needed",
        ),
        "text-7": lambda: (by_text(levels.WINDOWS[7], text(2000)), text(2000)),
        "text-8": lambda: (by_text(levels.WINDOWS[8], text(2000)), text(2000)),
        "text-9": lambda: (by_text(levels.WINDOWS[9], text(2000), two=True), text(2000)),
        "text-windows": lambda: (by_text((48, 20, 8), text(900), 3), text(900)),
        "text-most-streams": lambda: (by_text((48, 20, 0), text(1500), 64), text(1500)),
        "text-two-models": lambda: (by_text((48, 20, 8), ODD, 2, True), ODD),
        "text-runs": lambda: (
            by_text(
                (48, 20, 8), ODD, 2, runs=_runs((0, 290), (2, 50), (1, 30), (0, len(ODD) - 370))
            ),
            ODD,
        ),
        "text-and-bytes": lambda: (
            by_text((48, 20, 8), ODD + records(2400), 1, runs=_runs((0, len(ODD)), (2, 2400))),
            ODD + records(2400),
        ),
        "llama": lambda: (by_llama(ODD), ODD),
        "latents": lambda: by_latents(70, 90, 130),
        "latents-coarse": lambda: by_latents(1, 65, 0),
        "latents-fine": lambda: by_latents(17, 16, 252),
        "pixels-png-record": lambda: (by((coders.pixels(),), streams.png()), streams.png()),
    }
    | {
        f"circuit-{way}-{name}": _by_circuit(f"golden-{name}", way == "within", content)
        for way in ("within", "named")
        for name, content in {
            "pixels": b"abc" + circuits.pixels(700, seed=5),
            "rows": circuits.rows(400, seed=5) + b"an odd line\n8,e,twenty,0.5\nan end",
        }.items()
    }
    | {f"pixels-{name}": _by_pixels(content) for name, content in pictures.files().items()}
)

_PLAIN = member(MIXED, 1000)


def _flip(data: bytes, at: int) -> bytes:
    out = bytearray(data)
    out[at] ^= 0x10
    return bytes(out)


def _block(number: int) -> int:
    return ncz.info(_PLAIN).blocks[number].offset


def _header(body: bytes, version: int = 1) -> bytes:
    out = header.MAGIC + bytes([version]) + varint.encode(len(body)) + body
    return out + x32(out).to_bytes(4, "little")


# What it is, the error, and words that its sentence has.
BAD: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "empty-file": (lambda: b"", "FormatError", "empty"),
    "other-file": (lambda: b"PK\x03\x04 and so on", "FormatError", "not an .ncz file"),
    "text-mode": (lambda: _PLAIN.replace(b"\r\n", b"\n"), "FormatError", "text mode"),
    "version-2": (lambda: _header(b"news", 2), "UnsupportedError", "version 2"),
    "header-flip": (lambda: _flip(_PLAIN, 13), "FormatError", "header is damaged"),
    "header-cut": (lambda: _PLAIN[:20], "TruncatedError", "inside a header"),
    "header-absurd": (
        lambda: header.MAGIC + b"\x01" + varint.encode(1 << 62),
        "FormatError",
        "declares",
    ),
    "header-long-number": (lambda: _header(b"\x00\x00\x81\x00"), "FormatError", "longer"),
    "header-block-size": (
        lambda: header.pack(Header((CoderSpec(0),), (1 << 30) + 1)),
        "FormatError",
        "block size",
    ),
    "unknown-format": (
        lambda: header.pack(Header((CoderSpec(0),), 10, format=99)),
        "UnsupportedError",
        "format 99",
    ),
    "unknown-coder": (
        lambda: header.pack(Header((CoderSpec(0), CoderSpec(1000)), 10)),
        "UnsupportedError",
        "coder 1000",
    ),
    "unknown-zstd": (
        lambda: header.pack(Header((CoderSpec(0), CoderSpec(1, b"\x17")), 10)),
        "UnsupportedError",
        "zstd",
    ),
    "block-cut": (lambda: _PLAIN[: _block(2) + 30], "TruncatedError", "content from byte 2000"),
    "between-blocks-cut": (
        lambda: _PLAIN[: _block(2)],
        "TruncatedError",
        "content from byte 2000",
    ),
    "tail-cut": (lambda: _PLAIN[:-9], "TruncatedError", "content from byte 6500"),
    "block-head-flip": (lambda: _flip(_PLAIN, _block(2) + 4), "CorruptBlock", "block 2"),
    "block-type-flip": (lambda: _flip(_PLAIN, _block(2)), "CorruptBlock", "block 2"),
    "coded-flip": (
        lambda: _flip(_PLAIN, _block(2) + 40),
        "CorruptBlock",
        "(content bytes 2000 to 3000)",
    ),
    "raw-check": (lambda: framed(b"abc", 9, raw_check=7), "CorruptBlock", "does not match"),
    "raw-size": (lambda: framed(b"abc", 2), "CorruptBlock", "raw size"),
    "coded-size": (lambda: framed(b"abc", 9, b"x" * 68), "CorruptBlock", "68 coded bytes"),
    "coded-growth": (lambda: framed(b"abc", 9, b"abcd"), "CorruptBlock", "size"),
    "raw-start": (lambda: framed(b"abc", 9, raw_start=1), "CorruptBlock", "byte 1"),
    "coder-index": (lambda: framed(b"abc", 9, coder=2), "CorruptBlock", "coder 2"),
    "not-zstd": (lambda: framed(b"abc", 9, b"abcd", coder=1), "CorruptBlock", "decoded"),
    "reserved-section": (
        lambda: (
            (made := header.pack(Header((CoderSpec(0),), 9)))
            + sections.pack_body(len(made), 0x42, b"later")
        ),
        "CorruptBlock",
        "type 66",
    ),
    "skippable-flip": (
        lambda: with_skippable()[0].replace(b"somebody", b"somebodY"),
        "FormatError",
        "no content is lost",
    ),
    "tail-flip": (lambda: _flip(_PLAIN, len(_PLAIN) - 20), "FormatError", "tail"),
    "tail-list": (lambda: framed(b"abc", 9, gap=26), "FormatError", "tail"),
    "tail-size": (lambda: _flip(_PLAIN, len(_PLAIN) - 4), "FormatError", "tail"),
    "content-check": (
        lambda: framed(b"abc", 9, content_check=1),
        "FormatError",
        "content check",
    ),
    "trailing-garbage": (
        lambda: member(b"abc") + b"more",
        "FormatError",
        "trailing garbage",
    ),
}


def numbers(coded: bytes) -> dict[str, int | str]:
    """What the bytes of a file go by, of this ncz: where they change, one of these has to."""
    import zstandard

    from ncz.formats.pixels import coder as of_pixels
    from ncz.formats.records import coder as of_records
    from ncz.models import contextmix
    from ncz.models.image import codec as of_latents
    from ncz.models.llama import coder as llama
    from ncz.models.text import coder as text_coder

    ids = {spec.id for member in _headers(coded) for spec in member.coders}
    known: dict[str, tuple[int | None, int | str]] = {
        "format": (None, header.VERSION),
        "encoder": (None, levels.ENCODER),
        "libzstd": (coders.ZSTD, ".".join(map(str, zstandard.ZSTD_VERSION))),
        "contextmix": (coders.CONTEXTMIX, contextmix.presets.REVISION),
        "text": (coders.TEXT, text_coder.REVISION),
        "llama": (coders.LLAMA, llama.REVISION),
        "circuit within": (coders.RECORDS, of_records.REVISION),
        "circuit named": (coders.CIRCUIT, of_records.REVISION),
        "pixels": (coders.PIXELS, of_pixels.REVISION),
        "latents": (coders.LATENTS, of_latents.REVISION),
    }
    return {name: said for name, (of, said) in known.items() if of is None or of in ids}


def _headers(coded: bytes) -> list[header.Header]:
    return [header.parse(coded[m.offset :])[0] for m in ncz.info(coded).members]


def latest(recipe: str, manifest: dict[str, Any]) -> str | None:
    """The name of the last file that was made by a recipe."""
    made = [name for name in manifest["good"] if name.partition("@")[0] == recipe]
    return max(made, key=lambda name: _order(manifest["good"][name]["ncz"]), default=None)


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def make(name: str, manifest: dict[str, Any]) -> None:
    """Make one file and note it.

    Raises:
        FileExistsError: it is there already.
        KeyError: there is no recipe.
    """
    recipe_name = name.partition("@")[0]
    kind = "good" if recipe_name in GOOD else "bad"
    path = HERE / kind / f"{name}.ncz"
    if kind == "good":
        coded, content = GOOD[recipe_name]()
        if ncz.decompress(coded) != content:
            raise ValueError(f"{name} does not decode to what it should hold")
        digest = hashlib.sha256(content).hexdigest()
        noted: dict[str, Any] = {"size": len(content), "sha256": digest, "by": numbers(coded)}
    else:
        recipe, error, says = BAD[name]
        coded, noted = recipe(), {"error": error, "says": says}
        try:
            ncz.decompress(coded)
        except ncz.NczError as found:
            if type(found).__name__ != error or says not in str(found):
                raise ValueError(f"{name} says {found!r}") from found
        else:
            raise ValueError(f"{name} is not bad")
    path.parent.mkdir(exist_ok=True)
    with path.open("xb") as file:
        file.write(coded)
    manifest[kind][name] = {**noted, "ncz": ncz.__version__}
    MANIFEST.write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def changed(manifest: dict[str, Any]) -> list[str]:
    """Names for what the encoder writes now, where it wrote something else and a number says so."""
    found = []
    for recipe, make_it in GOOD.items():
        before = latest(recipe, manifest)
        if before is None:
            continue
        coded = make_it()[0]
        same = coded == (HERE / "good" / f"{before}.ncz").read_bytes()
        if not same and numbers(coded) != manifest["good"][before]["by"]:
            found.append(f"{recipe}@{ncz.__version__}")
    return found


def main(names: list[str]) -> int:
    """Make what is named, or list what could be."""
    manifest: dict[str, dict[str, Any]] = {"good": {}, "bad": {}}
    if MANIFEST.exists():
        manifest = json.loads(MANIFEST.read_text(encoding="utf-8"))
    there = manifest["good"] | manifest["bad"]
    if not names:
        for name in [*GOOD, *BAD]:
            print(f"{'golden' if name in there else 'to make':8} {name}")
    with standins.at_work():
        for name in changed(manifest) if names == ["--changed"] else names:
            if name in there:
                print(f"{name} is golden: it stays as it is", file=sys.stderr)
                return 1
            if name.partition("@")[0] not in GOOD and name not in BAD:
                print(f"there is no recipe for {name}", file=sys.stderr)
                return 1
            make(name, manifest)
            print(f"made {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
