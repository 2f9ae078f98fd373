"""Files that must decode for ever, and bad files that must fail well."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ncz
from ncz.codec.coder import CoderSpec, ModelRef
from ncz.formats import coders, header, index, levels
from ncz.formats.records.coder import RecordsCoder
from ncz.models import contextmix
from tests.golden import lossy, make, standins
from tests.independent import latents, pixels, reader
from tests.independent.test_contextmix import shipped_priors

MANIFEST: dict[str, dict[str, Any]] = json.loads(make.MANIFEST.read_text(encoding="utf-8"))
PICTURES: dict[str, dict[str, Any]] = json.loads(lossy.MANIFEST.read_text(encoding="utf-8"))
WEIGHTS = (standins.MODELS / f"{standins.IMAGE}.safetensors").read_bytes()

# The framing of these is whole: what is wrong is known to who knows the coder, or decodes.
WHOLE = {"raw-check", "coded-growth", "not-zstd", "content-check"}


@pytest.fixture(scope="module", autouse=True)
def models() -> Iterator[None]:
    """The small models and the engine that some golden files name."""
    with standins.at_work():
        yield


def golden(kind: str, name: str) -> bytes:
    return (make.HERE / kind / f"{name}.ncz").read_bytes()


def test_the_manifest_lists_every_file() -> None:
    assert len(MANIFEST["good"]) >= 10
    assert len(MANIFEST["bad"]) >= 30
    for kind in ("good", "bad"):
        assert {path.stem for path in (make.HERE / kind).glob("*.ncz")} == set(MANIFEST[kind])


@pytest.mark.parametrize("name", MANIFEST["good"])
def test_good(name: str) -> None:
    coded = golden("good", name)
    expected = MANIFEST["good"][name]
    for content in (
        ncz.decompress(coded),
        ncz.decompress(coded, threads=2),
        ncz.open(io.BytesIO(coded)).read(),
    ):
        assert len(content) == expected["size"]
        assert hashlib.sha256(content).hexdigest() == expected["sha256"]


@pytest.mark.parametrize("name", MANIFEST["good"])
def test_an_independent_reader_agrees(name: str) -> None:
    coded = golden("good", name)
    members = reader.read(coded)
    content = ncz.decompress(coded)
    place = 0
    for member in members:
        for block in member.blocks:
            raw = content[place + block.raw_start :][: block.raw_size]
            assert reader.x32(raw) == block.raw_check
        size = sum(block.raw_size for block in member.blocks)
        raw = content[place : place + size]
        assert reader.xxh64(raw) == member.content_check
        assert reader.content(member) in (raw, None)
        place += size
    assert place == len(content)


@pytest.mark.parametrize("name", [name for name in MANIFEST["good"] if "circuit-" in name])
def test_an_independent_reader_agrees_about_records(name: str) -> None:
    (member,) = reader.read(golden("good", name))
    (block,) = member.blocks
    models = tuple(ModelRef(digest, called) for digest, called in member.models)
    (spec,) = (CoderSpec(*one) for one in member.coders if one[0] == block.coder)
    by = coders.from_spec(spec, models)
    assert isinstance(by, RecordsCoder)
    opened = by.open(block.coded, block.raw_size)
    found = reader.records(block, opened.layout.payloads)
    assert (found.count, found.group) == (opened.rows.count, opened.rows.group)
    assert found.count > found.group, "several groups"
    for payload, (raw_size, how, body) in zip(opened.rest, found.rest, strict=True):
        assert len(payload) == raw_size
        assert how == 1 or body == payload
    ends = [0]
    for code in found.codes:
        ends.append(ends[-1] + len(code))
    assert ends == (opened.rows.ends - opened.rows.ends[0]).tolist()
    assert bool(found.circuit) == (block.coder == coders.RECORDS)
    if found.circuit:
        assert (
            found.circuit == standins.circuit(name.replace("circuit-within", "golden")).read_bytes()
        )


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in MANIFEST["good"] if name.startswith("pixels-")])
def test_an_independent_decoder_agrees_about_pictures(name: str) -> None:
    coded = golden("good", name)
    (member,) = reader.read(coded)
    (block,) = member.blocks
    assert block.coder == coders.PIXELS
    found = pixels.decode(block.coded, block.raw_size, shipped_priors())
    content = ncz.decompress(coded)
    if content.startswith(b"\x89PNG"):
        with pytest.importorskip("PIL.Image").open(io.BytesIO(content)) as picture:
            samples = np.asarray(picture)
        content = samples.astype(">u2" if samples.dtype == np.uint16 else samples.dtype).tobytes()
    assert found == content


@pytest.mark.parametrize("name", [name for name in MANIFEST["good"] if "latents" in name])
def test_an_independent_reader_agrees_about_latents(name: str) -> None:
    (member,) = reader.read(golden("good", name))
    (block,) = member.blocks
    assert (block.coder, member.models) == (8, [(standins.image().digest, standins.IMAGE)])
    assert latents.decode(WEIGHTS, block.coded) == ncz.decompress(golden("good", name))


@pytest.mark.parametrize("name", PICTURES)
def test_pictures(name: str) -> None:
    """Their pieces are for ever; what is rendered may differ in the last bits of floats."""
    coded, expected = (lossy.HERE / f"{name}.ncz").read_bytes(), PICTURES[name]
    held = lossy.held(coded)
    assert (len(held), hashlib.sha256(held).hexdigest()) == (expected["size"], expected["sha256"])
    (member,) = reader.read(coded)
    assert member.picture is not None
    was, back = lossy.PICTURES[name]()[0], ncz.decompress_picture(coded)
    assert back.pixels.shape == was.pixels.shape
    assert back.pixels.dtype == was.pixels.dtype
    assert (member.picture.height, member.picture.width) == was.pixels.shape[:2]
    assert member.picture.deep == (was.depth == 16)
    assert member.picture.colour == (was.channels == 3)
    assert (back.icc, back.alpha is None) == (was.icc, was.alpha is None)
    if was.alpha is not None:
        assert (back.alpha == was.alpha).all()
    for (what, height, width), block in zip(member.picture.pieces(), member.blocks, strict=True):
        raw = held[block.raw_start :][: block.raw_size]
        assert reader.x32(raw) == block.raw_check
        if what == "latents":
            head = latents.decode(WEIGHTS, block.coded) if block.coder == 8 else block.coded
            assert head == raw
            assert lossy.size_of(raw) == (height, width)
        if what == "alpha":
            assert len(raw) == height * width * (2 if member.picture.deep else 1)


@pytest.mark.parametrize("name", MANIFEST["bad"])
def test_bad(name: str) -> None:
    coded = golden("bad", name)
    expected = MANIFEST["bad"][name]
    with pytest.raises(ncz.NczError) as caught:
        ncz.decompress(coded)
    assert type(caught.value).__name__ == expected["error"]
    assert expected["says"] in str(caught.value)
    if name != "skippable-flip":  # reading by the tails passes over what it does not need
        with pytest.raises(ncz.NczError):
            ncz.open(io.BytesIO(coded)).read()


@pytest.mark.parametrize("name", [name for name in MANIFEST["bad"] if name not in WHOLE])
def test_an_independent_reader_refuses_it_too(name: str) -> None:
    with pytest.raises(reader.Broken):
        reader.read(golden("bad", name))


def test_golden_files_are_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(make, "HERE", tmp_path)
    monkeypatch.setattr(make, "MANIFEST", tmp_path / "manifest.json")
    assert make.main(["empty", "empty-file"]) == 0
    before = (tmp_path / "good" / "empty.ncz").read_bytes()
    assert make.main(["empty"]) == 1
    assert "stays as it is" in capsys.readouterr().err
    assert (tmp_path / "good" / "empty.ncz").read_bytes() == before
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(FileExistsError):
        make.main(["empty"])
    assert make.main([]) == 0
    assert "to make  stored" in capsys.readouterr().out
    assert make.main(["nothing"]) == 1


def test_every_recipe_of_a_bad_file_is_golden() -> None:
    assert set(make.BAD) == set(MANIFEST["bad"])


def test_every_recipe_of_a_good_file_is_golden() -> None:
    assert {name.partition("@")[0] for name in MANIFEST["good"]} == set(make.GOOD)


def test_every_golden_file_is_noted_with_the_version_that_made_it() -> None:
    for entry in (*MANIFEST["good"].values(), *MANIFEST["bad"].values()):
        assert make._order(entry["ncz"]) <= make._order(ncz.__version__)
    for entry in MANIFEST["good"].values():
        assert {"format", "encoder"} <= set(entry["by"])


def test_every_coder_level_and_option_of_the_header_has_a_golden_file() -> None:
    headers = [made for name in MANIFEST["good"] for made in make._headers(golden("good", name))]
    specs = {spec for made in headers for spec in made.coders}
    used = {spec for name in MANIFEST["good"] for spec in _used(golden("good", name))}
    assert {spec.id for spec in used} == {*range(coders.LATENTS + 1)}
    assert {CoderSpec(coders.ZSTD, bytes([level])) for level in range(1, 23)} <= used
    assert {contextmix.coder(level).spec for level in range(2, 7)} <= used
    windows = {
        coders.from_spec(spec, made.models).windows  # type: ignore[attr-defined]
        for made in headers
        for spec in made.coders
        if spec.id == coders.TEXT
    }
    for level in levels.MODEL_LEVELS:
        window = levels.WINDOWS[level]
        assert window in {(w.window, w.hop, w.prefix) for w in windows}, f"level {level}"
    assert {1, 2} <= {spec.params[1] for spec in specs if spec.id == coders.TEXT}, "models"
    assert {0, 1, header.MAX_MODELS} <= {len(made.models) for made in headers}
    assert {1, header.MAX_CODERS} <= {len(made.coders) for made in headers}
    assert {1, header.MAX_BLOCK_SIZE} <= {made.block_size for made in headers}
    named = {model for made in headers for model in made.models}
    assert set(header._numbered()) < named
    assert header.MAX_NAME in {len(model.name.encode()) for model in named}


def _used(coded: bytes) -> Iterator[CoderSpec]:
    """For each block the coder that made it."""
    found = index.load(io.BytesIO(coded))
    for place in found.blocks:
        head = index.read_head(io.BytesIO(coded), found, place)
        yield found.members[place.member].header.coders[head.coder]


CHANGED = """
the encoder writes another {name}.ncz than ncz {version} has, and no number says so.
- If it was not meant: files made from now on are others than those of the same release; undo it.
- If readers of {version} cannot read it, or read it otherwise: raise the REVISION of its coder (the
  format VERSION only if no coder is to blame), and go on reading the old one.
- If they read it as well, and it is only another choice: raise ENCODER in ncz/formats/levels.py.
Then say so in CHANGELOG.md, and have what is written now read for ever, too:
python -m tests.golden.make --changed
"""
UNSAID = """
the encoder writes another {name}.ncz than ncz {version} has, as {now} says where it was {then}.
Have what is written now read for ever, too: python -m tests.golden.make --changed
"""


@pytest.mark.parametrize("recipe", make.GOOD)
def test_what_is_written_changes_only_where_a_number_says_so(recipe: str) -> None:
    assert judged(recipe, make.GOOD[recipe]()[0]) == ""


def judged(recipe: str, coded: bytes) -> str:
    """What is wrong with what a recipe gives now, and what to do."""
    name = make.latest(recipe, MANIFEST)
    assert name is not None, f"make it: python -m tests.golden.make {recipe}"
    noted, now = MANIFEST["good"][name], make.numbers(coded)
    if coded == golden("good", name):
        return ""
    if noted["by"].get("libzstd") != now.get("libzstd"):
        pytest.skip(f"another libzstd than that of {name}.ncz: it may write what it likes")
    sentence = CHANGED if now == noted["by"] else UNSAID
    return sentence.format(name=name, version=noted["ncz"], now=now, then=noted["by"])


def test_a_changed_encoder_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    other = make.member(make.noise(5000), 1024)
    assert "no number says so" in judged("stored", other)
    monkeypatch.setattr(levels, "ENCODER", levels.ENCODER + 1)
    assert "--changed" in judged("stored", other)
    assert "no number says so" not in judged("stored", other)
    assert judged("stored", golden("good", "stored")) == "", "the same bytes need no new file"


def test_what_a_changed_encoder_writes_becomes_golden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipes = {name: make.GOOD[name] for name in ("empty", "stored", "zstd-1")}
    monkeypatch.setattr(make, "HERE", tmp_path)
    monkeypatch.setattr(make, "MANIFEST", tmp_path / "manifest.json")
    monkeypatch.setattr(make, "GOOD", recipes)
    assert make.main([*recipes]) == 0
    content = make.noise(5000)
    recipes["stored"] = lambda: (make.member(content, 1024), content)
    assert make.main(["--changed"]) == 0
    assert not (tmp_path / "good" / f"stored@{ncz.__version__}.ncz").exists(), "nothing says so"
    monkeypatch.setattr(levels, "ENCODER", levels.ENCODER + 1)
    monkeypatch.setattr(ncz, "__version__", "0.10.0")
    assert make.main(["--changed"]) == 0
    made = sorted(path.stem for path in (tmp_path / "good").iterdir())
    assert made == ["empty", "stored", "stored@0.10.0", "zstd-1"]
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert make.latest("stored", manifest) == "stored@0.10.0"
    assert make.main(["--changed"]) == 0, "and then all is well"
    assert len(list((tmp_path / "good").iterdir())) == 4
