"""Every coder with every parameter that a header can express, in any company, comes back."""

from __future__ import annotations

import functools
import io
from collections.abc import Iterator
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ncz
from fuzz import draft
from fuzz.draft import Block, Member, Skippable, Tail
from ncz.codec.coder import Coder, ModelRef
from ncz.formats import coders
from ncz.formats.header import Header
from ncz.formats.options import CompressOptions, DecompressOptions
from ncz.formats.stream import compress_stream, decompress_stream
from ncz.models.llama.build import Build
from ncz.models.llama.coder import LlamaCoder
from ncz.models.llama.coder import from_params as llama_from_params
from ncz.models.text import coder as texts
from ncz.models.text import loading, segments
from ncz.models.text.coder import TextCoder
from ncz.models.text.layout import MODEL, Run
from ncz.models.text.loading import Ready
from ncz.models.text.windows import MAX_STREAMS, Windows
from tests.golden.make import text
from tests.independent import reader
from tests.models.language import tiny

FIRST, SECOND, OTHER = (
    ModelRef(bytes([number]) * 32, name)
    for number, name in enumerate(("llama", "gemma3", "nobody asks for this"))
)
few = settings(max_examples=12, deadline=None)

contents = st.one_of(
    st.binary(min_size=1, max_size=120),
    st.integers(0, 300).map(lambda start: text(600)[start : start + 200]),
    st.binary(min_size=1, max_size=9).map(lambda part: part * 20),
)


@functools.cache
def ready(name: str) -> Ready:
    return loading.of(tiny.model(name))


def load(model: ModelRef) -> Ready:
    return ready(model.name)


@pytest.fixture(scope="module", autouse=True)
def tiny_models() -> Iterator[None]:
    """Readers find tiny models, and blocks go to them however short they are."""
    found = functools.partial(texts.from_params, load=load)
    with (
        mock.patch.object(texts, "from_params", found),
        mock.patch.object(segments, "plan", lambda raw, model: (Run(MODEL, len(raw)),)),
    ):
        yield


@st.composite
def windows(draw: st.DrawFn) -> Windows:
    window = draw(st.integers(2, 300))
    return Windows(window, draw(st.integers(1, window - 1)), draw(st.integers(0, window - 1)))


@st.composite
def text_coders(draw: st.DrawFn) -> tuple[Coder, tuple[ModelRef, ...]]:
    """A text coder, and the models of its header, at any place of which its own stand."""
    index = draw(st.integers(0, 3))
    own = draw(st.sampled_from([(FIRST,), (SECOND,), (FIRST, SECOND), (SECOND, FIRST)]))
    made = TextCoder(
        own[0],
        draw(windows()),
        second=own[1] if len(own) > 1 else None,
        index=index,
        streams=draw(st.none() | st.integers(1, MAX_STREAMS)),
        load=load,
    )
    after = draw(st.integers(0, 2))
    return made, (OTHER,) * index + own + (OTHER,) * after


plain = st.one_of(
    st.just(coders.store()),
    st.integers(1, 22).map(coders.zstd),
    st.integers(2, 6).map(coders.contextmix),
)


def member(
    by: list[Coder],
    blocks: list[Block | Skippable],
    slack: int = 0,
    models: tuple[ModelRef, ...] = (),
) -> Member:
    size = max((len(one.raw) for one in blocks if isinstance(one, Block)), default=1)
    header = Header(tuple(coder.spec for coder in by), size + slack, models=models)
    made = Member(header, blocks, Tail(0))
    made.vouch()
    return made


def block(by: list[Coder], index: int, raw: bytes) -> Block:
    """By that coder, or where it does not shrink these bytes enough for a block, stored."""
    coded = by[index].encode(raw)
    if coded is None or len(coded) > len(raw) + 64:
        return Block(0, raw, raw, 0)
    return Block(index, coded, raw, 0)


def read_every_way(members: list[Member]) -> None:
    data = b"".join(one.pack() for one in members)
    content = b"".join(one.content for one in members)
    assert ncz.decompress(data) == content
    assert ncz.decompress(data, threads=2) == content
    assert ncz.open(io.BytesIO(data)).read() == content
    assert ncz.info(data).raw_size == len(content)
    again = draft.take_apart(data, content)
    assert [one.header for one in again] == [one.header for one in members]
    found = reader.read(data)
    assert sum(block.raw_size for one in found for block in one.blocks) == len(content)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_coders_in_any_order(data: st.DataObject) -> None:
    members = []
    for _ in range(data.draw(st.integers(1, 3))):
        by = [coders.store(), *data.draw(st.lists(plain, max_size=4))]
        made: list[Block | Skippable] = []
        for _ in range(data.draw(st.integers(0, 4))):
            index = data.draw(st.integers(0, len(by) - 1))
            made.append(block(by, index, data.draw(contents)))
            if data.draw(st.booleans()):
                made.append(Skippable(data.draw(st.integers(0x80, 0xFF)), b"for others"))
        members.append(member(by, made, data.draw(st.integers(0, 1000))))
    read_every_way(members)


@few
@given(text_coders(), st.lists(contents, min_size=1, max_size=2), st.integers(2, 6))
def test_any_text_coder(
    chosen: tuple[Coder, tuple[ModelRef, ...]], raws: list[bytes], preset: int
) -> None:
    coder, models = chosen
    by = [coders.store(), coders.contextmix(preset), coder]
    blocks: list[Block | Skippable] = [block(by, 2, raw) for raw in raws]
    read_every_way([member(by, [*blocks, block(by, 1, raws[0])], models=models)])


@given(
    st.integers(0, 15),
    windows(),
    st.integers(1, 64),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=64),
    st.binary(min_size=16, max_size=16),
)
def test_any_llama_coder_is_its_parameters(
    index: int, cut: Windows, threads: int, version: str, digests: bytes
) -> None:
    models = (OTHER,) * index + (FIRST,)
    made_by = Build(version, digests[:8], digests[8:])
    made = LlamaCoder(FIRST, Windows(cut.window, cut.hop, 0), made_by, threads, index=index)
    found = llama_from_params(made.spec.params, models)
    assert found.spec == made.spec
    assert (found.model, found.windows, found.build, found.threads) == (
        *(FIRST, Windows(cut.window, cut.hop, 0)),
        *(made_by, threads),
    )


@settings(few, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(1, 9),
    st.none() | st.integers(1024, 5000),
    st.integers(1, 3),
    st.none() | st.integers(1, MAX_STREAMS),
    st.lists(contents, max_size=20).map(b"".join),
)
def test_any_options(
    tiny_default_model: object,
    level: int,
    block_size: int | None,
    threads: int,
    streams: int | None,
    content: bytes,
) -> None:
    how = CompressOptions(level, threads, block_size, streams=streams)
    coded, restored = io.BytesIO(), io.BytesIO()
    with mock.patch.object(texts, "from_params", texts.from_params.func):  # type: ignore[attr-defined]
        compress_stream(io.BytesIO(content), coded, how)
        coded.seek(0)
        decompress_stream(coded, restored, DecompressOptions(threads=threads))
    assert restored.getvalue() == content
