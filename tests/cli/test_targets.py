import os
import stat
from pathlib import Path

import pytest

from ncz.cli.exits import Failure
from ncz.cli.targets import check_free, file_target, is_special
from ncz.formats import temporaries

from .helpers import here


def test_nothing_has_the_name_before_the_end(tmp_path):
    path = tmp_path / "out"
    with file_target(path, force=False) as sink:
        sink.write(b"data")
        assert not path.exists()
        (temporary,) = here(tmp_path)
        assert temporary.endswith(temporaries.SUFFIX)
        assert stat.S_IMODE((tmp_path / temporary).stat().st_mode) == 0o600
    assert here(tmp_path) == ["out"]
    assert path.read_bytes() == b"data"


@pytest.mark.parametrize("error", [Failure("x"), OSError("x"), KeyboardInterrupt()])
def test_a_failure_leaves_nothing(tmp_path, error):
    with pytest.raises(type(error)), file_target(tmp_path / "out", force=False) as sink:
        sink.write(b"data")
        raise error
    assert here(tmp_path) == []


def test_a_name_taken_meanwhile_is_not_overwritten(tmp_path):
    path = tmp_path / "out"
    with (
        pytest.raises(Failure, match="already exists"),
        file_target(path, force=False) as sink,
    ):
        sink.write(b"data")
        path.write_bytes(b"from another process")
    assert here(tmp_path) == ["out"]
    assert path.read_bytes() == b"from another process"


def test_where_hard_links_are_unknown_a_rename_does(tmp_path, monkeypatch):
    def no_links(*args, **options):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    path = tmp_path / "out"
    with file_target(path, force=False) as sink:
        sink.write(b"data")
    assert here(tmp_path) == ["out"]
    with pytest.raises(Failure, match="already exists"), file_target(path, force=False):
        pass
    assert path.read_bytes() == b"data"


def test_a_bad_verification_leaves_nothing(tmp_path):
    def verify(file, sink):
        assert file.read() == b"data"
        raise Failure("bad")

    with (
        pytest.raises(Failure, match="bad"),
        file_target(tmp_path / "out", force=False, verify=verify) as sink,
    ):
        sink.write(b"data")
    assert here(tmp_path) == []


def test_errors_name_the_output(tmp_path):
    with (
        pytest.raises(Failure, match=r"cannot create .*no such file or directory"),
        file_target(tmp_path / "missing" / "out", force=False),
    ):
        pass


def test_the_longest_name_has_room_for_a_temporary_one(tmp_path):
    path = tmp_path / ("ü" * 127)
    with file_target(path, force=False) as sink:
        sink.write(b"data")
    assert path.read_bytes() == b"data"


def test_the_sink_counts_and_hashes(tmp_path):
    import xxhash

    with file_target(tmp_path / "out", force=False, hashed=True) as sink:
        sink.write(b"one ")
        sink.write(memoryview(b"two"))
        assert sink.fingerprint == (7, xxhash.xxh64(b"one two").intdigest())


def test_a_group_that_cannot_be_kept_gains_nothing(tmp_path, monkeypatch):
    def refuse(descriptor, user, group):
        raise PermissionError

    source = tmp_path / "in"
    source.write_bytes(b"")
    for mode, expected in ((0o640, 0o600), (0o644, 0o644), (0o604, 0o600), (0o664, 0o644)):
        source.chmod(mode)
        monkeypatch.setattr(os, "fchown", refuse)
        with file_target(tmp_path / "out", force=True, like=source.stat()):
            pass
        assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == expected


def test_what_is_special(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").write_bytes(b"")
    assert is_special(tmp_path / "fifo")
    assert is_special(Path("/dev/stdout"))
    assert is_special(Path("/proc/self/fd/1"))
    assert not is_special(Path("/dev/shm/ordinary"))
    assert not is_special(tmp_path / "file")
    assert not is_special(tmp_path / "missing")


def test_check_free(tmp_path):
    check_free(tmp_path / "new", force=False)
    (tmp_path / "taken").write_bytes(b"")
    check_free(tmp_path / "taken", force=True)
    with pytest.raises(Failure, match="already exists"):
        check_free(tmp_path / "taken", force=False)
    with pytest.raises(Failure, match="is a directory"):
        check_free(tmp_path, force=True)
