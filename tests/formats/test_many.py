"""``ncz.compress_many`` and ``ncz.decompress_many``."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ncz
from ncz.codec import crew as crews
from ncz.codec.errors import NczError
from ncz.formats import stream
from ncz.formats.temporaries import SUFFIX


def write(folder: Path, *contents: bytes) -> list[Path]:
    paths = [folder / f"{number:05}" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths


def here(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@settings(max_examples=20)
@given(st.lists(st.binary(max_size=5000), max_size=6), st.integers(1, 3))
def test_files_are_those_of_single_calls(tmp_path_factory, contents, threads):
    folder = tmp_path_factory.mktemp("many")
    paths = write(folder, *contents)
    made = list(ncz.compress_many(paths, level=1, block_size=1024, threads=threads))
    assert [result.source for result in made] == paths
    for path, content, result in zip(paths, contents, made, strict=True):
        assert result.check().target == path.with_name(path.name + ".ncz")
        coded = result.target.read_bytes()
        assert coded == ncz.compress(content, 1, block_size=1024)
        assert (result.raw_size, result.coded_size) == (len(content), len(coded))
        assert result.blocks == -(-len(content) // 1024)
        path.unlink()
    back = list(ncz.decompress_many([result.target for result in made], threads=threads))
    assert [result.check().target for result in back] == paths
    assert [path.read_bytes() for path in paths] == contents


def test_thousands_of_tiny_files(tmp_path):
    paths = write(tmp_path, *(b"tiny %d" % number for number in range(2000)))
    out = tmp_path / "out"
    out.mkdir()
    results = list(ncz.compress_many(paths, out, level=1, threads=2))
    assert [result.source for result in results] == paths
    assert all(result.ok for result in results)
    assert len(here(out)) == 2000


def test_large_and_small_ones_and_a_crew_that_stays(tmp_path):
    contents = [random.Random(size).randbytes(size) for size in (50_000, 0, 3, 9000, 1, 70_000)]
    paths = write(tmp_path, *contents)
    with crews.threads(2) as crew:
        for again in (False, True):
            made = list(
                ncz.compress_many(paths, level=1, block_size=1024, crew=crew, overwrite=again)
            )
            assert [result.check().raw_size for result in made] == list(map(len, contents))
        assert ncz.decompress(made[0].target.read_bytes()) == contents[0]


def test_time_and_mode_are_those_of_the_input(tmp_path):
    (path,) = write(tmp_path, b"data")
    path.chmod(0o640)
    os.utime(path, ns=(1_500_000_000_000_000_001, 1_600_000_000_123_456_789))
    (result,) = ncz.compress_many([str(path)], level=1)
    status = result.target.stat()
    assert status.st_mtime_ns == 1_600_000_000_123_456_789
    assert status.st_mode & 0o777 == 0o640


@pytest.mark.parametrize("threads", [1, 3])
def test_one_that_fails_stops_no_other_and_leaves_nothing(tmp_path, threads):
    paths = write(tmp_path, b"one", b"two", b"three", b"four")
    coded = [result.target for result in ncz.compress_many(paths, level=1)]
    for path in paths:
        path.unlink()
    coded[1].write_bytes(coded[1].read_bytes()[:-10])
    coded[2].unlink()
    results = list(ncz.decompress_many([*coded, tmp_path], threads=threads))
    kinds = [type(result.error) for result in results]
    assert kinds == [type(None), ncz.TruncatedError, FileNotFoundError, type(None), type(None)]
    assert results[4].skipped == "does not end in .ncz"
    with pytest.raises(ncz.TruncatedError):
        results[1].check()
    assert [result.ok for result in results] == [True, False, False, True, True]
    assert here(tmp_path) == ["00000", "00000.ncz", "00001.ncz", "00003", "00003.ncz"]


def test_one_that_vanishes_meanwhile(tmp_path):
    paths = write(tmp_path, *[b"data"] * 20)

    def vanishing():
        for path in paths:
            if path == paths[7]:
                path.unlink()
            yield path

    results = list(ncz.compress_many(vanishing(), level=1, threads=2))
    assert [n for n, result in enumerate(results) if not result.ok] == [7]
    assert isinstance(results[7].error, FileNotFoundError)


def test_names_that_come_twice_and_outputs_that_are_there(tmp_path):
    first, second = write(tmp_path, b"one", b"two")
    other = tmp_path / "other"
    other.mkdir()
    (same_name,) = write(other, b"three")
    (tmp_path / "out").mkdir()
    results = list(ncz.compress_many([first, first, same_name, second], tmp_path / "out", level=1))
    assert results[1].skipped == "was named before"
    assert isinstance(results[2].error, NczError)
    assert "is the output of another file of this call" in str(results[2].error)
    assert [result.ok for result in results] == [True, True, False, True]
    (again,) = ncz.compress_many([first], tmp_path / "out", level=1)
    assert isinstance(again.error, FileExistsError)
    (again,) = ncz.compress_many([first], tmp_path / "out", level=1, overwrite=True)
    assert again.ok
    (skipped,) = ncz.compress_many([results[0].target], level=1)
    assert skipped.skipped == "ends in .ncz already"


def test_leaving_early_leaves_no_unfinished_files(tmp_path):
    paths = write(tmp_path, *[random.Random(1).randbytes(40_000)] * 9)
    results = ncz.compress_many(paths, level=1, block_size=1024, threads=3)
    next(results)
    results.close()
    assert not [name for name in here(tmp_path) if name.endswith(SUFFIX)]
    for path in tmp_path.glob("*.ncz"):
        assert len(ncz.decompress(path.read_bytes())) == 40_000


def test_with_a_limit_of_memory_files_come_in_sequence(tmp_path, monkeypatch):
    paths = write(tmp_path, *[bytes(5000)] * 5)
    at_work = []
    real = stream.compressing

    def noting(*args):
        at_work.append(None)
        assert len(at_work) == 1
        stats = yield from real(*args)
        at_work.pop()
        return stats

    monkeypatch.setattr(stream, "compressing", noting)
    for result in ncz.compress_many(paths, level=1, threads=4, memlimit=1 << 30):
        result.check()
    (result,) = ncz.compress_many(paths[:1], level=1, memlimit=1000, overwrite=True)
    assert isinstance(result.error, ncz.MemoryLimitError)


def test_the_model_is_loaded_once(tmp_path, tiny_default_model, monkeypatch):
    from ncz.models.language import exact
    from ncz.models.text import loading

    loads = []
    load = exact.load
    monkeypatch.setattr(exact, "load", lambda path: loads.append(path) or load(path))
    loading._load.cache_clear()
    paths = write(tmp_path, *(b"A few words of text, number %d. " % n * 3 for n in range(6)))
    for result in ncz.compress_many(paths, level=7, threads=2):
        result.check()
    assert len(loads) == 1


def test_bad_arguments_are_refused_at_once(tmp_path):
    with pytest.raises(ValueError, match="levels are 1 to 9"):
        ncz.compress_many([], level=0)
    with pytest.raises(ValueError, match="number of threads"):
        ncz.decompress_many([], threads=-1)
    with pytest.raises(TypeError, match="several paths"):
        ncz.compress_many("name")
    with pytest.raises(NotADirectoryError):
        ncz.compress_many([], tmp_path / "missing")
    with crews.threads(1) as crew, pytest.raises(ValueError, match="one of them"):
        ncz.compress_many([], threads=2, crew=crew)
