"""--processes, --devices and --cluster: who works, what is refused, what a person sees."""

import contextlib
import os
import re
import signal
import sys
from pathlib import Path

import pytest

import ncz as library
from ncz.cli import beforehand
from ncz.codec import pipeline
from ncz.codec.errors import MissingExtra
from ncz.codec.processes import Process
from ncz.formats.options import CompressOptions

from .helpers import damaged, here, start, wait_for
from .test_terminal import shown, terminal  # noqa: F401

BYTES = bytes(range(256)) * 40
SMALL = ["-1", "--block-size", "1KiB"]


@pytest.mark.parametrize("who", [["--processes", "2"], ["--devices", "cpu"]])
def test_the_same_files_whoever_works(ncz, who):
    Path("a").write_bytes(BYTES)
    Path("b").write_bytes(BYTES[:3000])
    assert ncz("compress", *SMALL, *who, "a", "b").code == 0
    assert Path("a.ncz").read_bytes() == library.compress(BYTES, 1, block_size=1024)
    assert Path("b.ncz").read_bytes() == library.compress(BYTES[:3000], 1, block_size=1024)
    assert ncz("decompress", *who, "-c", "a.ncz", "b.ncz").out == BYTES + BYTES[:3000]
    assert ncz("test", *who, "a.ncz").code == 0
    assert ncz("cat", *who, "--range", "5:2005", "a.ncz").out == BYTES[5:2005]
    assert ncz("cat", *who, "a.ncz").out == BYTES


def test_what_is_removed_was_read_back_by_them(ncz):
    Path("a").write_bytes(BYTES)
    assert ncz("compress", *SMALL, "--rm", "--processes", "1", "a").code == 0
    assert library.decompress(Path("a.ncz").read_bytes()) == BYTES
    assert not Path("a").exists()


def test_processes_are_shared_by_all_files_and_end_with_the_command(ncz, monkeypatch):
    started, real = [], Process._started

    def started_too(self):
        child = real(self)
        started.append(child)
        return child

    monkeypatch.setattr(Process, "_started", started_too)
    for name in "abc":
        Path(name).write_bytes(BYTES)
    assert ncz("compress", *SMALL, "--processes", "1", *"abc").code == 0
    assert len(started) > 10
    assert len({child.pid for child in started}) == 1
    assert started[0].poll() == -signal.SIGKILL


def test_damage_is_reported_as_ever(ncz):
    Path("a.ncz").write_bytes(damaged(BYTES, 1, 3))
    alone, shared = ncz("test", "a.ncz"), ncz("test", "--processes", "2", "a.ncz")
    assert (shared.code, shared.err) == (alone.code, alone.err)
    assert shared.code == 3
    assert len(shared.lines) == 2


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["-T", "2", "--processes", "2"], "-T and --processes contradict each other"),
        (["-T", "1", "--devices", "cpu"], "-T and --devices contradict each other"),
        (["--devices", "cpu", "--cluster", "auto"], "--devices and --cluster contradict"),
        (["--processes", "-1"], "invalid value for '--processes': -1 is not in the range x>=0"),
        (["--devices", "cpu,cpu"], "name each device once, such as cuda:0,cuda:1"),
    ],
)
@pytest.mark.parametrize("command", ["compress", "decompress", "test", "cat"])
def test_what_cannot_be_meant(ncz, command, args, sentence):
    Path("a").write_bytes(BYTES)
    result = ncz(command, *args, "a")
    assert result.code == 2
    assert result.err.startswith(f"ncz {command}: {sentence}")
    assert len(result.lines) == 1
    assert here() == ["a"]


@pytest.mark.parametrize("name", ["cuda:977", "gpu", "cpu,cuda:977"])
def test_a_device_that_is_not_here_is_one_sentence_before_any_work(ncz, name):
    Path("a").write_bytes(BYTES)
    result = ncz("compress", "-1", "--devices", name, "a")
    assert result.code == 1
    assert re.fullmatch(r"ncz: .*device.*; choose from .*cpu\n", result.err)
    assert here() == ["a"]


def test_without_the_package_for_clusters(ncz, monkeypatch):
    Path("a").write_bytes(BYTES)

    def refuse(address, per_node):
        assert (address, per_node) == ("somewhere:6379", 3)
        raise MissingExtra("cluster", "a cluster")

    module = type(sys)("ncz.codec.cluster")
    module.cluster = refuse
    monkeypatch.setitem(sys.modules, "ncz.codec.cluster", module)
    result = ncz("compress", "-1", "--cluster", "somewhere:6379", "--processes", "3", "a")
    assert (result.code, result.lines) == (
        4,
        ["ncz: a cluster needs an optional package: pip install 'ncz[cluster]'"],
    )
    assert here() == ["a"]


def test_a_long_job_is_announced_by_who_will_do_it(ncz, tiny_default_model, monkeypatch):
    """One of the crew measures, and the others do as much at the same time."""
    monkeypatch.setattr(beforehand, "_WORTH_MEASURING", 100)
    monkeypatch.setattr(pipeline, "once", lambda work, item, crew: work(item))
    monkeypatch.setattr(beforehand, "_seconds", lambda options, head, size: (600.0, 8.0))
    said = []
    how = CompressOptions(7, block_size=1024)
    with library.workers(processes=4) as crew:
        beforehand.estimate(how, b"text " * 100, 2000, said.append, crew)
    assert said == ["this takes about 5 minutes; -6 takes about 4 seconds, and -3 less"]


@pytest.mark.slow
def test_the_bar_moves_while_processes_work(tmp_path, terminal):  # noqa: F811
    """Within blocks, of which none is done for a while."""
    (tmp_path / "a").write_bytes(os.urandom(64).hex().encode() * 8000)
    args = ["compress", "-6", "--block-size", "512KiB", "--processes", "2", "a"]
    process = start(*args, cwd=tmp_path, stderr=terminal[1])
    text = shown(process, terminal)
    assert process.returncode == 0
    seen = {int(share) for share in re.findall(r"(\d+)%\|", text)}
    assert len(seen - {0, 50, 100}) >= 2, "further than whole blocks alone would tell"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_leaves_no_process(tmp_path, number):
    args = ["-1", "--block-size", "256KiB", "--processes", "2", "-o", "out"]
    process = start("compress", *args, cwd=tmp_path)
    process.stdin.write(BYTES * 120)  # more than is read at once
    process.stdin.flush()
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        pytest.skip("no way to see who is whose child here")
    every = Path(f"/proc/{process.pid}/task")
    found = set()

    def look():
        for task in every.iterdir():
            with contextlib.suppress(OSError):
                found.update(map(int, (task / "children").read_text().split()))
        return len(found) >= 2

    wait_for(look)
    process.send_signal(number)
    assert process.wait(30) == -number
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in found))
    assert b"Traceback" not in process.stderr.read()
    process.stdin.close()


def test_models_are_in_the_processes(ncz, tiny_default_model, monkeypatch):
    """What was compressed with a model comes back by processes that load it themselves."""
    coded = library.compress(b"Some words of a text. " * 60, 7)
    assert library.info(coded).members[0].models
    Path("a.ncz").write_bytes(coded)
    assert ncz("decompress", "--processes", "1", "a.ncz").code == 0
    assert Path("a").read_bytes() == library.decompress(coded)


def test_a_limit_of_a_device_goes_with_devices(ncz):
    Path("a").write_bytes(b"words")
    refused = ncz("compress", "-1", "--device-memory", "1G", "a")
    assert refused.code == 2
    assert "--device-memory goes with --devices" in refused.err
    assert ncz("compress", "-1", "--devices", "cpu", "--device-memory", "1G", "a").code == 0
