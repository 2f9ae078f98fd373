"""What a file may ask for has a most, and a limit of memory or of output holds whatever it says."""

from __future__ import annotations

import ast
import io
import os
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

import ncz
from ncz.codec import varint
from ncz.codec.checks import x32, xxh64
from ncz.codec.coder import CoderSpec, ModelRef
from ncz.codec.errors import FormatError, MemoryLimitError, ModelMissing, OutputLimitError
from ncz.codec.processes import processes
from ncz.formats import coders, header, index, levels, sections, stream
from ncz.formats.options import CompressOptions, DecompressOptions, held
from ncz.models.text import layout
from ncz.models.text.coder import TextCoder

from .making import Pipe, member

MIB = 1 << 20
BLOCK = 4 * MIB
TEXT = b"as long as it is read from its end " * 40


@contextmanager
def peak() -> Iterator[Callable[[], int]]:
    """The most bytes that were held at once, as far as Python knows."""
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class Nowhere(io.RawIOBase):
    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        return memoryview(data).nbytes  # type: ignore[arg-type]


# --- memory


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_blocks_take_no_more_than_is_counted(tmp_path: Path, threads: int) -> None:
    """Stored blocks, which take the most: coded and raw, of those at work and of those to come."""
    path, packed = tmp_path / "raw", tmp_path / "raw.ncz"
    path.write_bytes(os.urandom(6 * BLOCK))
    packed.write_bytes(ncz.compress(path.read_bytes(), 1, block_size=BLOCK))
    most = held(threads, BLOCK) + 2 * MIB  # and what is read at a time
    with packed.open("rb") as src, peak() as used:
        stream.decompress_stream(src, Nowhere(), DecompressOptions(threads))
        assert used() < most
    with path.open("rb") as src, peak() as used:
        stream.compress_stream(src, Nowhere(), CompressOptions(1, threads, BLOCK))
        assert used() < most


def test_an_index_takes_no_more_than_is_counted() -> None:
    content = os.urandom(20_000)
    coded = member(content, 1, stored=True)
    with peak() as used:
        found = index.load(io.BytesIO(coded))
        assert used() < len(content) * index._OF_BLOCK + len(coded)
    assert len(found.blocks) == len(content)
    limit = len(content) * index._OF_BLOCK // 2
    with peak() as used, pytest.raises(MemoryLimitError):
        ncz.open(io.BytesIO(coded), memlimit=limit)
    assert ncz.decompress(coded, memlimit=limit) == content, "in sequence, it needs no index"
    many = member(b"x", 16) * 500
    assert ncz.open(io.BytesIO(many), memlimit=10 * MIB).read() == b"x" * 500
    with pytest.raises(MemoryLimitError):
        ncz.open(io.BytesIO(many), memlimit=500 * index._OF_MEMBER)


def test_headers_that_name_much_count() -> None:
    specs = (CoderSpec(0), *(CoderSpec(1, bytes([1 + k % 22])) for k in range(63)))
    whole = b""
    for size in range(1, 40):  # each header is another one
        made = header.pack(header.Header(specs, size))
        whole += made + sections.pack_tail(len(made), b"", 0, len(made), xxh64(b""))
    with peak() as used:
        index.load(io.BytesIO(whole))
        assert used() < 39 * (64 * index._OF_CODER + index._OF_MEMBER)
    with pytest.raises(MemoryLimitError):
        index.load(io.BytesIO(whole), 39 * 64 * index._OF_CODER)


def test_streams_that_a_block_says_it_has_count(tiny_default_model: Path) -> None:
    """A header says nothing of them, and each takes keys and values of its own."""
    raw = b"A text of some words, which says little of what it is about.\n" * 60
    how = CompressOptions(9, streams=64)
    out = io.BytesIO()
    stream.compress_stream(io.BytesIO(raw), out, how)
    coded = out.getvalue()
    made = header.parse(coded)[0]
    known = [coders.from_spec(spec, made.models) for spec in made.coders]
    text = known[-1]
    assert isinstance(text, TextCoder)
    block = ncz.info(coded).blocks[0]
    section = coded[block.offset : block.offset + block.size]
    head, size = sections.parse_head(section, block.offset, made)
    assert isinstance(head, sections.BlockHead) and head.coder == 2
    announced = max(coder.memory(len(raw)) for coder in known)
    needed = coders.memory_of(text, section[size:], len(raw))
    assert needed > announced + MIB
    around = held(1, made.block_size)
    with pytest.raises(MemoryLimitError):
        ncz.decompress(coded, memlimit=announced + around)
    with pytest.raises(MemoryLimitError):
        ncz.open(io.BytesIO(coded), memlimit=announced + around).read()
    assert ncz.decompress(coded, memlimit=needed + around) == raw


def test_a_limit_holds_for_workers_elsewhere() -> None:
    made = header.pack(header.Header((coders.store().spec,), 2**30))
    with processes(1) as crew, pytest.raises(MemoryLimitError):
        ncz.decompress(made, memlimit=100 * MIB, crew=crew)


# --- how many


def test_runs_of_a_block_have_a_most() -> None:
    head = b"\x01" + varint.encode(layout.MAX_RUNS + 1)
    with peak() as used, pytest.raises(FormatError, match="runs"):
        layout.parse(head + bytes([4, 3]) * layout.MAX_RUNS, 2**30)
    assert used() < 4 * MIB
    assert layout.MAX_RUNS >= 2**30 // 4096, "what the encoder may make of the largest block"


def test_blocks_of_a_member_have_a_most(monkeypatch: pytest.MonkeyPatch) -> None:
    coded = member(TEXT[:64], 4, stored=True)
    monkeypatch.setattr(sections, "MEMBER_BLOCKS", 15)
    for call in (ncz.decompress, ncz.info):
        with pytest.raises(FormatError, match="more than 15 blocks"):
            call(coded)
    monkeypatch.setattr(sections, "MEMBER_BLOCKS", 16)
    assert ncz.decompress(coded) == TEXT[:64]
    assert ncz.info(coded).raw_size == 64


def test_a_tail_cannot_list_more_than_a_member_has() -> None:
    made = header.pack(header.Header((coders.store().spec,), 1))
    count = sections.MEMBER_BLOCKS + 1
    tail = sections.pack_tail(len(made), bytes(4) * count, count, len(made), xxh64(b""))
    with peak() as used, pytest.raises(FormatError):
        ncz.open(io.BytesIO(made + tail))
    assert used() < 4 * len(tail), "no entry was made"


def test_a_tail_cannot_be_larger_than_its_longest_list() -> None:
    assert sections.MAX_TAIL > sections.MEMBER_BLOCKS * 4 * varint.MAX_SIZE
    made = header.pack(header.Header((coders.store().spec,), 1))
    head = b"\x02" + varint.encode(sections.MAX_TAIL + 1) + bytes(4)
    head += x32(len(made).to_bytes(8, "little") + head).to_bytes(4, "little")
    with pytest.raises(FormatError, match="declares a body"):
        ncz.decompress(made + head + bytes(100))


# --- output

BOMB = ncz.compress(bytes(4 * MIB), 1, block_size=MIB)


def test_a_bomb_is_refused_before_it_goes_off() -> None:
    assert len(BOMB) < 2000
    how = DecompressOptions(max_output=MIB)
    for call in (
        lambda: ncz.decompress(BOMB, max_output=MIB),
        lambda: ncz.Decompressor(max_output=0).decompress(BOMB),
        lambda: ncz.open(io.BytesIO(BOMB), max_output=MIB),
        lambda: stream.read_range(io.BytesIO(BOMB), 5, MIB + 6, io.BytesIO(), how),
        lambda: ncz.decompress(BOMB + BOMB, max_output=8 * MIB - 1),
    ):
        with peak() as used, pytest.raises(OutputLimitError):
            call()
        assert used() < MIB, "nothing was decoded"
    out = io.BytesIO()
    assert stream.read_range(io.BytesIO(BOMB), 5, MIB + 5, out, how) == MIB
    assert ncz.decompress(BOMB, max_output=4 * MIB) == bytes(4 * MIB)


def test_a_bomb_in_a_pipe_ends_at_the_limit() -> None:
    out = io.BytesIO()
    with pytest.raises(OutputLimitError):
        pipe = Pipe(BOMB, 100)
        stream.decompress_stream(pipe, out, DecompressOptions(max_output=3 * MIB))  # type: ignore[arg-type]
    assert len(out.getvalue()) == 3 * MIB
    with ncz.open(Pipe(BOMB, 100), max_output=3 * MIB) as file:  # type: ignore[arg-type]
        assert file.read(2 * MIB) == bytes(2 * MIB)
        with pytest.raises(OutputLimitError):
            file.read()
    decompressor = ncz.Decompressor(max_output=3 * MIB)
    assert decompressor.decompress(BOMB) == bytes(3 * MIB)
    with pytest.raises(OutputLimitError):
        decompressor.decompress(b"")


def test_a_tail_that_lies_does_not_help() -> None:
    """It says that there is nothing, and blocks go on."""
    content = bytes(5000)
    coded = member(content, 1000)
    at = ncz.info(coded).members[0].size - 4 - int.from_bytes(coded[-4:], "little")
    entries = sections.pack_entry(sections.Entry(at - 30, 30, 0, 1))
    lying = coded[:at] + sections.pack_tail(at, entries, 1, 0, xxh64(content))
    for data in (lying, coded[:at]):
        with pytest.raises(OutputLimitError):
            ncz.decompress(data, max_output=2000)


def test_what_was_lost_counts_as_content() -> None:
    coded = bytearray(member(bytes(100_000), 1000, stored=True))
    coded[coded.index(b"\x01\x00\x00\x00")] ^= 0x70  # the first head
    how = DecompressOptions(keep_going=True, max_output=500)
    with pytest.raises(OutputLimitError):
        stream.decompress_stream(Pipe(bytes(coded), 999), Nowhere(), how)  # type: ignore[arg-type]


def test_a_limit_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="0 bytes or more"):
        DecompressOptions(max_output=-1)


# --- names, downloads, code

NAMES = ["../../../../tmp/x", "/etc/passwd", "a\x1b[2J\nb", "x" * 255, "", "https://example.org/x"]


@pytest.fixture
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A cache of its own; what was tried to reach is noted, and refused."""
    import socket
    import subprocess

    tried: list[str] = []

    def refuse(*args: object, **_: object) -> object:
        tried.append(repr(args))
        raise AssertionError("decoding reached out")

    monkeypatch.setenv("NCZ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(subprocess, "Popen", refuse)
    return tried


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("coder", [coders.TEXT, coders.LLAMA])
def test_the_name_of_a_model_is_for_messages_alone(
    isolated: list[str], tmp_path: Path, name: str, known: bool, coder: int
) -> None:
    from ncz.models import weights

    digest = weights.default().exact_sha256 if known else "ab" * 32
    assert digest is not None
    build = varint.encode(3) + b"1.0" + bytes(16)
    params = {
        coders.TEXT: b"\x01\x01\x00" + b"".join(map(varint.encode, (2048, 1536, 512))),
        coders.LLAMA: b"\x01\x00" + b"".join(map(varint.encode, (512, 256, 1))) + build,
    }[coder]
    made = header.Header(
        (CoderSpec(0), CoderSpec(coder, params)),
        100,
        models=(ModelRef(bytes.fromhex(digest), name),),
    )
    out = header.pack(made)
    section = sections.pack_block(
        len(out), sections.BlockHead(1, 0, 3, 3, x32(b"abc"), x32(b"abc")), b"abc"
    )
    entry = sections.pack_entry(sections.Entry(len(out), len(section), 0, 3))
    out += section
    out += sections.pack_tail(len(out), entry, 1, 0, xxh64(b"abc"))
    before = sorted(path for path in tmp_path.rglob("*"))
    for call in (ncz.decompress, lambda data: ncz.open(io.BytesIO(data)).read()):
        with pytest.raises(ncz.NczError) as caught:
            call(out)
        assert str(caught.value).isprintable(), "one line, and nothing for a terminal to do"
        if coder == coders.TEXT:
            assert isinstance(caught.value, ModelMissing)
    assert ncz.info(out).members[0].models[0].name == name
    assert isolated == []
    assert sorted(path for path in tmp_path.rglob("*")) == before


def test_bringing_is_asked_for_and_told_what_the_header_says(tiny_default_model: Path) -> None:
    raw = b"A text of some words. " * 20
    coded = ncz.compress(raw, 7)
    (model,) = header.parse(coded)[0].models
    told: list[ModelRef] = []
    how = DecompressOptions(bring=told.append)
    for call in (
        lambda: stream.decompress_stream(io.BytesIO(coded), Nowhere(), how),
        lambda: stream.read_range(io.BytesIO(coded), 0, 3, Nowhere(), how),  # type: ignore[arg-type]
    ):
        told.clear()
        call()
        assert told == [model]

    def refuse(model: ModelRef) -> None:
        raise ncz.ModelError("not today")

    with pytest.raises(ncz.ModelError, match="not today"):
        stream.decompress_stream(io.BytesIO(coded), Nowhere(), replace(how, bring=refuse))


PACKAGE = Path(ncz.__file__).parent
OF_WORKERS = {"codec/processes.py", "codec/cluster_node.py", "corpora/forked.py"}
"""What passes between processes of one ncz is pickled; none of it comes from a file."""


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.relative_to(PACKAGE).as_posix()
)
def test_nothing_that_is_read_can_run(path: Path) -> None:
    """No pickle, eval or exec but between workers; what torch loads is weights only."""
    name = path.relative_to(PACKAGE).as_posix()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            module = node.module if isinstance(node, ast.ImportFrom) else None
            imported = {module, *(alias.name for alias in node.names)}
            assert not imported & {"marshal", "shelve", "dill", "cloudpickle", "yaml", "joblib"}
            assert "pickle" not in imported or name in OF_WORKERS
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"eval", "exec", "compile", "__import__", "os.system", "os.popen"}
            said = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if called == "torch.load":
                assert said.get("weights_only") == "True"
            assert said.get("allow_pickle", "False") == "False"
            assert said.get("shell", "False") == "False"


def test_levels_fetch_nothing(isolated: list[str]) -> None:
    """From Python, compressing neither."""
    for level in levels.MODEL_LEVELS:
        with pytest.raises(ModelMissing):
            ncz.compress(TEXT, level)
    assert isolated == []
