"""Files that appear whole: what is synced and in which order, and what killed runs have left."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from ncz.formats import temporaries
from ncz.formats.temporaries import SUFFIX

NAME = "out"


def write(descriptor: int, data: bytes = b"data") -> None:
    os.write(descriptor, data)
    os.close(descriptor)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("replace", [True, False])
def test_synced_then_named_then_its_folder_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replace: bool
) -> None:
    done: list[str] = []

    def note(name: str, what: Callable[..., str]) -> None:
        call = getattr(os, name)

        def noting(*args: object, **options: object) -> object:
            done.append(what(*args))
            return call(*args, **options)

        monkeypatch.setattr(os, name, noting)

    descriptor, temporary = temporaries.create(tmp_path / NAME)
    file = os.fdopen(descriptor, "w+b")
    file.write(b"data")
    file.flush()
    note("fsync", lambda fd: "sync " + ("folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file"))
    note("link", lambda *_: "name")
    note("replace", lambda *_: "name")
    note("rename", lambda *_: "name")
    note("unlink", lambda *_: "unlink")
    temporaries.settle(file, temporary, tmp_path / NAME, replace=replace)
    assert [one for one in done if one != "unlink"] == ["sync file", "name", "sync folder"]
    assert names(tmp_path) == [NAME]
    assert (tmp_path / NAME).read_bytes() == b"data"


@pytest.mark.parametrize(
    "number, raised",
    [(errno.EIO, True), (errno.ENOSPC, True), (errno.EINVAL, False), (errno.EACCES, False)],
)
def test_a_disk_that_fails_is_no_folder_that_cannot_be_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, raised: bool
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    if raised:
        with pytest.raises(OSError, match=os.strerror(number)):
            temporaries.sync_folder(tmp_path / NAME)
    else:
        temporaries.sync_folder(tmp_path / NAME)


def test_new_folders_have_their_names_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(temporaries, "sync_folder", synced.append)
    temporaries.make_folder(tmp_path / "a" / "b" / "c")
    assert synced == [tmp_path / "a", tmp_path / "a/b", tmp_path / "a/b/c"]
    temporaries.make_folder(tmp_path / "a" / "b" / "c")
    assert len(synced) == 3
    monkeypatch.chdir(tmp_path)
    temporaries.make_folder(Path("x"))
    assert synced[3:] == [Path("x")]
    with pytest.raises(OSError, match="File exists"):
        (tmp_path / "file").write_bytes(b"")
        temporaries.make_folder(tmp_path / "file")


def test_a_name_that_is_taken(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"old")
    descriptor, temporary = temporaries.create(tmp_path / NAME)
    write(descriptor)
    with pytest.raises(FileExistsError):
        temporaries.publish(temporary, tmp_path / NAME, replace=False)
    assert (tmp_path / NAME).read_bytes() == b"old"
    temporaries.publish(temporary, tmp_path / NAME, replace=True)
    assert (tmp_path / NAME).read_bytes() == b"data"
    assert names(tmp_path) == [NAME]


@pytest.mark.parametrize("number", [errno.EPERM, errno.EXDEV])
def test_where_links_are_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def no_links(*args: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", no_links)
    descriptor, temporary = temporaries.create(tmp_path / NAME)
    write(descriptor)
    temporaries.publish(temporary, tmp_path / NAME, replace=False)
    descriptor, temporary = temporaries.create(tmp_path / NAME)
    write(descriptor, b"other")
    with pytest.raises(FileExistsError):
        temporaries.publish(temporary, tmp_path / NAME, replace=False)
    temporaries.discard(temporary)
    assert names(tmp_path) == [NAME]
    assert (tmp_path / NAME).read_bytes() == b"data"


def test_a_full_disk_is_not_taken_for_one_without_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "link", full)
    descriptor, temporary = temporaries.create(tmp_path / NAME)
    write(descriptor)
    with pytest.raises(OSError, match="full"):
        temporaries.publish(temporary, tmp_path / NAME, replace=False)
    temporaries.discard(temporary)
    assert names(tmp_path) == []


def test_what_is_resumed_stays_and_what_is_empty_goes(tmp_path: Path) -> None:
    descriptor, path = temporaries.resume(tmp_path / NAME)
    os.close(descriptor)
    temporaries.leave(path)
    assert names(tmp_path) == []
    descriptor, path = temporaries.resume(tmp_path / NAME)
    write(descriptor)
    temporaries.leave(path)
    assert names(tmp_path) == [NAME + SUFFIX]
    descriptor, path = temporaries.resume(tmp_path / NAME)
    assert os.read(descriptor, 9) == b"data"
    with pytest.raises(BlockingIOError):
        temporaries.resume(tmp_path / NAME)
    os.close(descriptor)
    temporaries.publish(path, tmp_path / NAME, replace=False)
    temporaries.leave(path)
    assert names(tmp_path) == [NAME]


def both_names(folder: Path) -> None:
    """As a run leaves it that is killed when it has just named its output."""
    (folder / NAME).write_bytes(b"whole")
    os.link(folder / NAME, temporaries.resumable_name(folder / NAME))


def test_a_second_name_of_the_output_is_no_work_to_go_on_with(tmp_path: Path) -> None:
    both_names(tmp_path)
    descriptor, path = temporaries.resume(tmp_path / NAME)
    write(descriptor, b"new")
    assert (tmp_path / NAME).read_bytes() == b"whole"
    temporaries.publish(path, tmp_path / NAME, replace=True)
    assert names(tmp_path) == [NAME]
    assert (tmp_path / NAME).read_bytes() == b"new"


def test_tidying_removes_a_second_name_and_nothing_else(tmp_path: Path) -> None:
    temporaries.tidy(tmp_path / NAME)
    both_names(tmp_path)
    temporaries.tidy(tmp_path / NAME)
    assert names(tmp_path) == [NAME]
    left = temporaries.resumable_name(tmp_path / NAME)
    left.write_bytes(b"other work")
    temporaries.tidy(tmp_path / NAME)
    os.link(left, tmp_path / "elsewhere")
    temporaries.tidy(tmp_path / NAME)
    assert left.read_bytes() == b"other work"
    with pytest.raises(FileExistsError):
        temporaries.resume(tmp_path / NAME)
    (tmp_path / NAME).unlink()
    temporaries.tidy(tmp_path / NAME)
    assert left.read_bytes() == b"other work"


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: path.symlink_to("target")])
def test_what_no_run_has_left(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(temporaries.resumable_name(tmp_path / NAME))
    with pytest.raises(FileExistsError):
        temporaries.resume(tmp_path / NAME)
    assert not (tmp_path / "target").exists()


def test_ending_early_removes_what_is_unfinished_and_keeps_what_can_be_gone_on_with(
    tmp_path: Path,
) -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:  # nothing can begin in a process that has abandoned
        code = 1
        try:
            temporaries.create(tmp_path / "one")
            write(temporaries.resume(tmp_path / "two")[0])
            temporaries.resume(tmp_path / "three")
            code = temporaries.abandon() != (1, 1)
        finally:
            os._exit(code)
    os.close(reader)
    os.close(writer)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert names(tmp_path) == ["two" + SUFFIX]


def test_dressed_like_the_input(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.write_bytes(b"")
    source.chmod(0o4751)
    os.utime(source, ns=(10**18, 10**18 + 1))
    descriptor, temporary = temporaries.create(tmp_path / NAME)
    temporaries.dress(descriptor, temporary, source.stat())
    made = temporary.stat()
    assert (stat.S_IMODE(made.st_mode), made.st_mtime_ns) == (0o751, 10**18 + 1)
    before = os.umask(0o027)
    temporaries.dress(descriptor, temporary, None)
    assert os.umask(before) == 0o027
    assert stat.S_IMODE(temporary.stat().st_mode) == 0o640
    os.close(descriptor)
    temporaries.discard(temporary)
    temporaries.discard(temporary)
    assert names(tmp_path) == ["in"]
