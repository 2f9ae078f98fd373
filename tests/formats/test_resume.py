"""Going on from any beginning of the output gives the output of an uninterrupted run."""

from __future__ import annotations

import io
import random
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ncz
from ncz.codec import crew as crews
from ncz.codec.coder import ModelRef
from ncz.codec.errors import DoesNotFit
from ncz.formats import coders, header, resume, sections, stream
from ncz.formats.encode import Encoder
from ncz.formats.levels import Plan
from ncz.formats.options import CompressOptions, DecompressOptions

from .making import Pipe, member, with_skippable

TEXT = random.Random(1).randbytes(500) + b"words and more words " * 200
OPTIONS = CompressOptions(level=1, block_size=1024)


def compressed(content: bytes, options: CompressOptions = OPTIONS, kept: bytes | None = None):
    """The output, and how it went."""
    out = io.BytesIO()
    before = None if kept is None else io.BytesIO(kept)
    stats = stream.compress_stream(io.BytesIO(content), out, options, kept=before)
    return out.getvalue(), stats


def restored(coded: bytes, kept: bytes, **options):
    out = io.BytesIO()
    how = DecompressOptions(**options)
    stats = stream.decompress_stream(io.BytesIO(coded), out, how, kept=io.BytesIO(kept))
    return out.getvalue(), stats


def blocks_before(coded: bytes, cut: int) -> int:
    return sum(block.offset + block.size <= cut for block in ncz.info(coded).blocks)


@settings(max_examples=60)
@given(
    st.binary(max_size=60),
    st.integers(1, 20),
    st.integers(1, 3),
    st.floats(0, 1),
    st.binary(max_size=30),
)
def test_any_cut_of_compressing(content, block_size, threads, part, torn):
    plan = Plan((coders.store(), coders.zstd(3)), block_size)
    whole = member(content, block_size)
    kept = whole[: int(len(whole) * part)]

    def again(kept):
        encoder = Encoder(plan, threads, kept=resume.coded_blocks(io.BytesIO(kept), plan))
        return b"".join([*encoder.feed(content), *encoder.finish()]), encoder.kept_blocks

    count = blocks_before(whole, len(kept))
    assert again(kept) == (whole, count)
    if len(kept) >= len(whole) - len(content):
        assert again(kept + torn) == (whole, count)


@settings(max_examples=60)
@given(st.binary(max_size=60), st.integers(1, 20), st.floats(0, 1), st.binary(max_size=30))
def test_any_cut_of_decompressing(content, block_size, part, torn):
    coded = member(content, block_size)
    kept = content[: int(len(content) * part)]
    out, stats = restored(coded, kept)
    assert out == content
    assert stats.kept_blocks == (
        stats.blocks if len(kept) == len(content) else len(kept) // block_size
    )
    if len(kept) >= min(block_size, len(content)):
        assert restored(coded, kept + torn)[0] == content


@given(st.data())
@settings(max_examples=30)
def test_damage_costs_only_what_comes_after_it(data):
    whole, _ = compressed(TEXT)
    at = data.draw(st.integers(len(whole) // 10, len(whole) - 1))
    broken = bytearray(whole)
    broken[at] ^= data.draw(st.integers(1, 255))
    out, stats = compressed(TEXT, kept=bytes(broken))
    assert out == whole
    assert stats.kept_blocks == blocks_before(whole, at)


def test_members_are_gone_on_with():
    with mock.patch.object(sections, "MEMBER_BLOCKS", 3):
        whole, stats = compressed(TEXT[:4000] * 3)
        assert len(ncz.info(whole).members) == 4
        for cut in range(0, len(whole) + 1, 101):
            assert compressed(TEXT[:4000] * 3, kept=whole[:cut])[0] == whole
        assert compressed(TEXT[:4000] * 3, kept=whole)[1].kept_blocks == stats.blocks


def test_nothing_kept_is_coded_again(monkeypatch):
    whole, _ = compressed(TEXT)
    coded = []
    encode = type(coders.zstd(3)).encode
    monkeypatch.setattr(
        type(coders.zstd(3)), "encode", lambda self, raw: coded.append(raw) or encode(self, raw)
    )
    last = ncz.info(whole).blocks[-1]
    assert compressed(TEXT, kept=whole[: last.offset + last.size - 1])[0] == whole
    assert len(coded) == 1
    assert compressed(TEXT, kept=whole)[0] == whole
    assert len(coded) == 1


def test_nothing_kept_is_decoded_again(monkeypatch):
    whole, _ = compressed(TEXT)

    def decode(coder, block, room):
        raise AssertionError(f"block {block.index} was decoded")

    monkeypatch.setattr("ncz.formats.decode.decode_block", decode)
    assert restored(whole, TEXT)[0] == TEXT
    with pytest.raises(AssertionError, match="block 2 was"):
        restored(whole, TEXT[:2500])


def test_a_pipe_is_gone_on_with():
    whole, _ = compressed(TEXT)
    out = io.BytesIO()
    stats = stream.decompress_stream(Pipe(whole, 1000), out, kept=io.BytesIO(TEXT[:3000]))  # type: ignore[arg-type]
    assert (out.getvalue(), stats.kept_blocks) == (TEXT, 2)


def test_progress_starts_where_it_goes_on(monkeypatch):
    monkeypatch.setattr(stream, "_CHUNK", 500)
    whole, stats = compressed(TEXT)
    blocks = ncz.info(whole).blocks
    seen: list[stream.Progress] = []
    kept = io.BytesIO(whole[: blocks[3].offset])
    stream.compress_stream(io.BytesIO(TEXT), io.BytesIO(), OPTIONS, seen.append, kept=kept)
    assert {(now.kept_in, now.kept_blocks) for now in seen} == {(3072, 3)}
    assert seen[0].blocks_done in (3, 4)
    assert seen[-1] == stream.Progress(len(TEXT), len(whole), stats.blocks, 3072, 3)
    seen.clear()
    kept = io.BytesIO(TEXT[:3500])
    stream.decompress_stream(io.BytesIO(whole), io.BytesIO(), None, seen.append, kept=kept)
    (kept_in,) = {now.kept_in for now in seen}
    assert blocks[2].offset < kept_in <= blocks[3].offset
    assert {now.kept_blocks for now in seen} == {3}
    assert seen[0].blocks_done in (3, 4)
    assert seen[-1].blocks_done == stats.blocks


@pytest.mark.parametrize(
    "content, options, sentence",
    [
        (b"x" + TEXT, OPTIONS, "the input is another: bytes 0 to 1024 differ"),
        (TEXT[:3000] + b"x" + TEXT[3000:], OPTIONS, "the input is another: bytes 2048 to 3072 dif"),
        (TEXT[:2048], OPTIONS, "it goes on where this input ends, at byte 2048"),
        (TEXT[:2049], OPTIONS, "its block 2 holds 1024 bytes and would hold 1 now"),
        (b"", OPTIONS, "it goes on where this input ends, at byte 0"),
        (TEXT, CompressOptions(level=1), "its block 0 holds 1024 bytes and would hold 4700 now"),
        (TEXT, CompressOptions(level=3, block_size=1024), "it was coded by store, zstd-3, and now"),
    ],
)
def test_what_does_not_fit_is_refused(content, options, sentence):
    whole, _ = compressed(TEXT)
    out = io.BytesIO()
    with pytest.raises(DoesNotFit, match=sentence):
        stream.compress_stream(io.BytesIO(content), out, options, kept=io.BytesIO(whole))
    assert whole.startswith(out.getvalue())


def test_smaller_blocks_are_refused_before_the_input_is_read():
    whole, _ = compressed(TEXT, CompressOptions(level=1, block_size=2048))
    with pytest.raises(DoesNotFit, match="it has blocks of 2048 bytes"):
        stream.compress_stream(None, None, OPTIONS, kept=io.BytesIO(whole))  # type: ignore[arg-type]


@pytest.mark.parametrize("kept", [b"not ncz at all", bytes(100), b"\x89NCZ\n\n"])
def test_what_is_no_ncz_file_is_refused(kept):
    with pytest.raises(DoesNotFit, match=r"it is no unfinished \.ncz file"):
        compressed(TEXT, kept=kept)


def test_a_damaged_header_is_refused():
    whole = bytearray(compressed(TEXT)[0])
    whole[12] ^= 1
    with pytest.raises(DoesNotFit, match="header"):
        compressed(TEXT, kept=bytes(whole))


def test_another_content_is_refused():
    coded, _ = compressed(TEXT)
    with pytest.raises(DoesNotFit, match="it begins with another content"):
        restored(coded, b"x" + TEXT)


def test_what_another_program_laid_out_is_not_kept():
    content = TEXT[:2048]
    plan = Plan((coders.store(),), 2048)
    foreign = with_skippable(content, b"body")
    assert list(resume.coded_blocks(io.BytesIO(foreign), plan)) == []
    twice = member(TEXT[:20], 10, stored=True) * 2
    plan = Plan((coders.store(), coders.store()), 10)
    assert len(list(resume.coded_blocks(io.BytesIO(twice), plan))) == 2


def test_another_model_and_other_parameters_are_named():
    plan = Plan((coders.store(), coders.zstd(3)), 10)

    def difference(*models, level=3):
        specs = (coders.store().spec, coders.zstd(level).spec)
        kept = header.pack(header.Header(specs, 10, models=models))
        with pytest.raises(DoesNotFit) as caught:
            resume.coded_blocks(io.BytesIO(kept), plan)
        return str(caught.value)

    model = ModelRef(b"\xab" * 32, "one")
    expected = "it was coded with one (abababababababab…), and now it is to be with no model"
    assert difference(model) == expected
    assert (
        difference(level=4) == "it was coded by store, zstd-4, and now it is to be by store, zstd-3"
    )


def test_the_number_of_streams_has_to_be_the_same(tiny_default_model):
    text = b"The quick brown fox jumps over the lazy dog, as it did before. " * 60
    two, three = (CompressOptions(7, 1, 2048, streams=n) for n in (2, 3))
    with mock.patch("ncz.models.text.segments.plan", _all_text):
        whole, stats = compressed(text, two)
        assert ncz.info(whole).blocks[0].coder.startswith("text"), "or nothing is tested"
        assert compressed(text, two, whole)[1].kept_blocks == stats.blocks == 2
        assert compressed(text, two, whole[:-100])[0] == whole
        with pytest.raises(DoesNotFit, match="cut into another number of streams"):
            compressed(text, three, whole)
        with crews.threads(1) as crew:
            encoder = Encoder.of(two, crew, io.BytesIO(whole))
            assert b"".join([*encoder.feed(text), *encoder.finish()]) == whole


def _all_text(raw, model):
    from ncz.models.text import layout

    return (layout.Run(layout.MODEL, len(raw)),)


def test_keep_going_goes_on_behind_damage():
    coded, _ = compressed(TEXT)
    broken = bytearray(coded)
    block = ncz.info(coded).blocks[1]
    broken[block.offset + block.size - 1] ^= 1
    patched = TEXT[:1024] + bytes(1024) + TEXT[2048:]
    for cut in range(0, len(TEXT), 500):
        out, stats = restored(bytes(broken), patched[:cut], keep_going=True)
        assert out == patched
        assert len(stats.damage) == 1
