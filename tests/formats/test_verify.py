"""What is verified and does not come back is never written, whoever does the work."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ncz
from ncz.codec import crew as crews
from ncz.codec import meter
from ncz.codec.crew import Crew
from ncz.codec.errors import FormatError, MemoryLimitError, ModelError, NczError
from ncz.codec.processes import processes
from ncz.codec.zstd import Zstd
from ncz.formats import coders, levels, verify
from ncz.formats.levels import Plan
from ncz.formats.options import CompressOptions
from ncz.formats.stream import compress_stream

from . import spoiling

BLOCK = 1024
GOOD = b"of no account whatever, and long enough to shrink. " * 200
BAD = GOOD[: 2 * BLOCK] + spoiling.MARK + GOOD


@pytest.fixture
def wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Zstd, "encode", spoiling.encode)


@contextlib.contextmanager
def workers(kind: str) -> Iterator[Crew | None]:
    if kind == "alone":
        yield None
        return
    made = crews.threads(2) if kind == "threads" else processes(2, spoiling.spoil)
    with made as crew:
        yield crew


@pytest.mark.parametrize("kind", ["alone", "threads", "processes"])
def test_a_block_that_does_not_come_back_is_not_written(wrong: None, kind: str) -> None:
    how = CompressOptions(1, block_size=BLOCK)
    out = io.BytesIO()
    with workers(kind) as crew:
        compress_stream(io.BytesIO(BAD), out, how, crew=crew)
        with pytest.raises(NczError):  # and nobody had noticed
            ncz.decompress(out.getvalue())
        out = io.BytesIO()
        with pytest.raises(NczError, match=r"zstd-3 and did not come back.* please report it"):
            compress_stream(io.BytesIO(BAD), out, replace(how, verify=True), crew=crew)
    whole = ncz.compress(GOOD, 1, block_size=BLOCK)
    assert whole.startswith(out.getvalue())
    written = [block for block in ncz.info(whole).blocks if block.offset < len(out.getvalue())]
    assert len(written) <= 2, "nothing from the wrong block on"


@given(st.binary(max_size=5000), st.integers(1, 3))
def test_verifying_changes_no_byte(data: bytes, level: int) -> None:
    plain = ncz.compress(data, level, block_size=BLOCK)
    for asked in (True, False, None):
        assert ncz.compress(data, level, block_size=BLOCK, verify=asked) == plain
    compressor = ncz.Compressor(level, block_size=BLOCK, verify=True)
    assert compressor.compress(data) + compressor.flush() == plain


def test_everything_that_compresses_takes_it(wrong: None, tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(BAD)
    (tmp_path / "good").write_bytes(GOOD)
    with pytest.raises(NczError, match="did not come back"):
        ncz.compress(BAD, 1, verify=True)
    compressor = ncz.Compressor(1, block_size=BLOCK, verify=True)
    with pytest.raises(NczError, match="did not come back"):
        compressor.compress(BAD)
        compressor.flush()
    with (
        pytest.raises(NczError, match="did not come back"),
        ncz.open(tmp_path / "opened.ncz", "wb", 1, block_size=BLOCK, verify=True) as file,
    ):
        file.write(BAD)
    files = [tmp_path / "bad", tmp_path / "good"]
    bad, good = ncz.compress_many(files, level=1, verify=True, threads=2)
    assert "did not come back" in str(bad.error)
    assert not (tmp_path / "bad.ncz").exists()
    assert good.ok


def test_language_models_are_verified_too(tiny_default_model: Path) -> None:
    text = b"A text of some words, which says little.\n" * 40
    coded = ncz.compress(text, 7, verify=True)
    assert ncz.info(coded).members[0].models
    assert coded == ncz.compress(text, 7)


class Odd:
    """A coder whose decoder does as it is told."""

    exact = True
    name = "odd"
    spec = coders.zstd(3).spec

    def __init__(self, does: Exception | bytes) -> None:
        self.does = does

    def decode(self, coded: bytes, raw_size: int) -> bytes:
        if isinstance(self.does, Exception):
            raise self.does
        return self.does


@pytest.mark.parametrize(
    ("does", "outcome"),
    [
        (b"raw", True),
        (b"raw!", False),
        (FormatError("damaged"), False),
        (IndexError("out of bounds"), False),
        (ModelError("is gone"), ModelError),
        (MemoryError(), MemoryError),
    ],
)
def test_what_counts_as_coming_back(
    monkeypatch: pytest.MonkeyPatch, does: Exception | bytes, outcome: bool | type[Exception]
) -> None:
    monkeypatch.setattr(coders, "from_spec", lambda spec, models: Odd(does))
    plan = levels.plan(1)
    if isinstance(outcome, bool):
        assert verify.gives_back(plan, 1, b"x", b"raw") == outcome
    else:
        with pytest.raises(outcome):
            verify.gives_back(plan, 1, b"x", b"raw")


def test_only_what_is_not_exact_is_verified_by_default() -> None:
    plan = levels.plan(6)
    assert not any(map(plan.verifies, plan.coders))
    assert all(map(replace(plan, verify=True).verifies, plan.coders))
    odd = Odd(b"")
    odd.exact = False
    assert plan.verifies(odd)  # type: ignore[arg-type]
    assert not replace(plan, verify=False).verifies(odd)  # type: ignore[arg-type]


def test_the_room_for_it_counts() -> None:
    plan = levels.plan(1, 1 << 20)
    assert replace(plan, verify=True).memory == plan.memory + (1 << 20)
    how = CompressOptions(1, block_size=1 << 20, memlimit=plan.memory + (4 << 20))
    compress_stream(io.BytesIO(GOOD), io.BytesIO(), how)
    with pytest.raises(MemoryLimitError):
        compress_stream(io.BytesIO(GOOD), io.BytesIO(), replace(how, verify=True))


def test_the_meter_counts_both_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def encode(plan: Plan, raw: bytes, known: object = None) -> tuple[int, bytes]:
        with meter.metered(lambda: 10, 10, len(raw)):
            seen.append(meter.in_flight())
        return 1, b"x" * 50

    class Slow(Odd):
        def decode(self, coded: bytes, raw_size: int) -> bytes:
            for at in (0, 7, 10):
                with meter.metered(lambda at=at: at, 10, len(coded)):  # type: ignore[misc]
                    seen.append(meter.in_flight())
            return bytes(raw_size)

    monkeypatch.setattr(levels, "encode", encode)
    monkeypatch.setattr(coders, "from_spec", lambda spec, models: Slow(b""))
    verify.encode(replace(levels.plan(1), verify=True), bytes(100))
    assert seen == [50, 50, 85, 100]
    assert meter.in_flight() == 0


def test_what_was_kept_is_verified_where_it_is_asked_for(wrong: None) -> None:
    how = CompressOptions(1, block_size=BLOCK)
    first = io.BytesIO()
    compress_stream(io.BytesIO(BAD), first, how)
    again = io.BytesIO()
    compress_stream(io.BytesIO(BAD), again, how, kept=io.BytesIO(first.getvalue()))
    assert again.getvalue() == first.getvalue()
    for kind in ("alone", "threads"):
        with workers(kind) as crew, pytest.raises(ncz.DoesNotFit, match="block 2 cannot be decod"):
            compress_stream(
                io.BytesIO(BAD),
                io.BytesIO(),
                replace(how, verify=True),
                crew=crew,
                kept=io.BytesIO(first.getvalue()),
            )
