from __future__ import annotations

import io
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ncz
from tests.formats.making import TEXT, Pipe, member

CONTENT = bytes(random.Random(1).choices(b"ab \n", k=500))
CODED = member(CONTENT[:300], 32) + member(b"") + member(CONTENT[300:], 50)


@given(st.data())
def test_reads_and_seeks_like_any_file(data: st.DataObject) -> None:
    plain = io.BytesIO(CONTENT)
    with ncz.open(io.BytesIO(CODED), threads=data.draw(st.integers(1, 2))) as file:
        for _ in range(data.draw(st.integers(1, 8))):
            step = data.draw(st.sampled_from(["read", "seek", "end", "line", "into", "tell"]))
            if step == "read":
                size = data.draw(st.integers(-1, 200))
                assert file.read(size) == plain.read(size)
            elif step == "seek":
                to = data.draw(st.integers(0, 600))
                assert file.seek(to) == plain.seek(to)
            elif step == "end":
                to = data.draw(st.integers(-500, 10))
                assert file.seek(to, io.SEEK_END) == plain.seek(to, io.SEEK_END)
            elif step == "line":
                assert file.readline() == plain.readline()
            elif step == "into":
                ours, theirs = bytearray(70), bytearray(70)
                assert file.readinto(ours) == plain.readinto(theirs)
                assert ours == theirs
            else:
                assert file.tell() == plain.tell()


def test_iterates_over_lines() -> None:
    with ncz.open(io.BytesIO(CODED)) as file:
        assert list(file) == CONTENT.splitlines(keepends=True)
        assert (file.readable(), file.seekable(), file.writable()) == (True, True, False)


def test_decodes_only_the_blocks_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []
    from ncz.formats import access

    real = access.decode_block
    monkeypatch.setattr(
        access,
        "decode_block",
        lambda coder, block, room: decoded.append(block.index) or real(coder, block, room),
    )
    with ncz.open(io.BytesIO(CODED)) as file:
        file.seek(100)
        assert file.read(1) == CONTENT[100:101]
    assert decoded[0] == 3
    assert len(decoded) <= 4  # what fills the buffer of a buffered reader may reach further


def test_a_damaged_block_is_met_by_the_read_that_needs_it() -> None:
    damaged = bytearray(CODED)
    place = ncz.info(CODED).blocks[3]
    damaged[place.offset] ^= 0xFF
    raw = ncz.open(io.BytesIO(damaged)).detach()
    buffer = bytearray(96)
    assert sum(raw.readinto(memoryview(buffer)[at : at + 32]) for at in (0, 32, 64)) == 96
    assert buffer == CONTENT[:96]
    for _ in range(2):  # and again, each time
        with pytest.raises(ncz.CorruptBlock, match="block 3"):
            raw.readinto(buffer)
    raw.seek(128)
    assert raw.readinto(buffer) == 32
    assert buffer[:32] == CONTENT[128:160]


def test_pipes_are_read_in_sequence() -> None:
    with ncz.open(Pipe(CODED)) as file:  # type: ignore[call-overload]
        assert not file.seekable()
        assert file.read(10) == CONTENT[:10]
        assert file.read() == CONTENT[10:]
        assert file.read() == b""
    with pytest.raises(ncz.TruncatedError), ncz.open(Pipe(CODED[:-3])) as file:  # type: ignore[call-overload]
        file.read()
    with pytest.raises(ncz.FormatError, match="garbage"), ncz.open(Pipe(CODED + b"x")) as file:  # type: ignore[call-overload]
        file.read()


def test_a_file_that_begins_inside_of_another(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"before" + CODED)
    with path.open("rb") as outer:
        outer.seek(6)
        with ncz.open(outer) as file:
            file.seek(50)
            assert file.read() == CONTENT[50:]
        assert not outer.closed


@pytest.mark.parametrize("level", [1, 2, 6])
def test_writes(tmp_path: Path, level: int) -> None:
    path = tmp_path / "a.ncz"
    with ncz.open(path, "wb", level, block_size=1024) as file:
        assert file.writable()
        for start in range(0, 3000, 700):
            assert file.write(bytes(700)) == 700
            file.flush()
            assert file.tell() == start + 700
    assert file.closed
    file.close()
    assert path.read_bytes() == ncz.compress(bytes(3500), level, block_size=1024)
    with ncz.open(str(path)) as read:
        assert read.read() == bytes(3500)


def test_text(tmp_path: Path) -> None:
    path = tmp_path / "a.ncz"
    with ncz.open(path, "wt", encoding="utf-16-le", newline="\n") as file:
        file.write("grün\nrot\n")
    with ncz.open(path, "rt", encoding="utf-16-le") as file:
        assert file.readlines() == ["grün\n", "rot\n"]
    assert ncz.decompress(path.read_bytes()) == "grün\nrot\n".encode("utf-16-le")


def test_modes(tmp_path: Path) -> None:
    path = tmp_path / "a.ncz"
    with ncz.open(path, "xb", 1) as file:
        file.write(b"one")
    with pytest.raises(FileExistsError):
        ncz.open(path, "xb")
    with ncz.open(path, "ab", 1) as file:
        file.write(b" two")
    with ncz.open(path) as read:
        assert read.read() == b"one two"
    for mode in ("", "b", "rw", "rb+", "rU"):
        with pytest.raises(ValueError, match="mode"):
            ncz.open(path, mode)
    with pytest.raises(ValueError, match="text"):
        ncz.open(path, "rb", encoding="utf-8")
    with pytest.raises(TypeError, match="path"):
        ncz.open(3)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="closed"):
        file.write(b"x")


@pytest.mark.parametrize("mode", ["wb", "wt"])
def test_a_file_whose_writing_failed_reads_as_truncated(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.ncz"
    with pytest.raises(ZeroDivisionError), ncz.open(path, mode, 1, block_size=1024) as file:
        file.write(50_000 * (b"x" if mode == "wb" else "x"))
        raise ZeroDivisionError
    with pytest.raises(ncz.TruncatedError):
        ncz.decompress(path.read_bytes())


def test_files_given_are_left_open() -> None:
    buffer = io.BytesIO()
    with ncz.open(buffer, "wb", 1) as file:
        file.write(TEXT)
    assert ncz.decompress(buffer.getvalue()) == TEXT


def test_a_file_that_cannot_be_read_is_closed_again(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"plain text")
    with pytest.raises(ncz.FormatError, match=r"not an \.ncz file"):
        ncz.open(path)
    with pytest.raises(FileNotFoundError):
        ncz.open(tmp_path / "b")
