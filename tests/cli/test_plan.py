import json
import os
import signal
from pathlib import Path

import pytest

import ncz as library
from ncz.models import weights

from .helpers import finish, here, start

WORDS = b"it was the best of times and worst of all that you with his age in foolishness".split()
TEXT = b" ".join(WORDS[k * k % 97 % len(WORDS)] for k in range(160)) + b".\n"
BINARY = bytes(range(256)) * 20


def rows(result):
    assert (result.code, result.err) == (0, "")
    title, head, *lines = result.out.decode().splitlines()
    assert head.split()[:3] == ["level", "device", "compress"]
    return title, [line.split() for line in lines]


def test_a_row_for_each_level_that_is_asked_for(ncz):
    Path("a").write_bytes(TEXT)
    title, found = rows(ncz("plan", "-q", "-3", "-1", "-3", "a"))
    assert title == f"a: {len(TEXT):,} bytes, about"
    assert [row[:2] for row in found] == [["-1", "cpu"], ["-3", "cpu"]]
    assert found[0][-3:] == ["all", "of", "it"]
    assert here() == ["a"], "nothing is written"


def test_all_levels_and_devices(ncz, tiny_default_model, monkeypatch):
    from ncz.models.language import devices

    monkeypatch.setattr(devices, "usable", lambda: ["plain", "cpu"])  # a GPU's code on the CPU
    Path("a").write_bytes(TEXT)
    record = json.loads(ncz("plan", "-q", "--json", "a").out)
    assert (record["ok"], record["size"]) == (True, len(TEXT))
    found = record["estimates"]
    expected = [(level, "cpu") for level in range(1, 10)] + [(k, "plain") for k in (7, 8, 9)]
    assert [(row["level"], row["device"]) for row in found] == expected
    for row in found:
        for name in ("seconds_in", "seconds_out", "memory", "size"):
            assert row[name] > 0
            assert float(f"{row[name]:.2g}") == row[name], "no more digits than are known"
    size = len(library.compress(TEXT, 6))
    assert found[5]["size"] == pytest.approx(size, rel=0.1)


def test_a_model_that_is_not_here_is_not_fetched(ncz, tiny_default_model, monkeypatch):
    weights.remove(tiny_default_model.stem)
    monkeypatch.setattr(weights, "pull", None)
    Path("a").write_bytes(TEXT)
    _, (six, seven) = rows(ncz("plan", "-q", "-6", "-7", "a"))
    assert six[-3:] == ["all", "of", "it"]
    name = tiny_default_model.stem
    assert " ".join(seven) == f"-7 cpu {name} is not here: ncz models pull {name}"


def test_an_empty_file(ncz):
    Path("a").write_bytes(b"")
    record = json.loads(ncz("plan", "--json", "-1", "-6", "a").out)
    for row in record["estimates"]:
        assert (row["seconds_in"], row["seconds_out"], row["how"]) == (0, 0, "empty")
    assert rows(ncz("plan", "-1", "a"))[1][0][-1] == "empty"


def test_several_files_of_which_one_is_not_there(ncz):
    for name in ("a", "b"):
        Path(name).write_bytes(BINARY)
    result = ncz("plan", "-1", "a", "missing", "b")
    assert result.code == 1
    assert result.lines == ["ncz: missing: no such file"]
    assert result.out.count(b", about\n") == 2


@pytest.mark.parametrize("name", ["-", "folder", "pipe"])
def test_what_parts_cannot_be_read_of(ncz, name):
    Path("folder").mkdir()
    os.mkfifo("pipe")
    result = ncz("plan", "-1", name)
    assert (result.code, result.out) == (1, b"")
    assert len(result.lines) == 1
    assert {
        "-": "standard input: is not a file",
        "folder": "folder: is a directory",
        "pipe": "pipe: is not a regular file",
    }[name] in result.err


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read(ncz):
    Path("a").write_bytes(TEXT)
    Path("a").chmod(0)
    result = ncz("plan", "a")
    assert (result.code, result.lines) == (1, ["ncz: a: permission denied"])


@pytest.mark.parametrize("args", [[], ["-0", "a"], ["-T", "-1", "a"], ["--memlimit", "x", "a"]])
def test_wrong_usage_is_one_line(ncz, args):
    Path("a").write_bytes(TEXT)
    result = ncz("plan", *args)
    assert (result.code, result.out, len(result.lines)) == (2, b"", 1)


def test_a_limit_of_memory_that_cannot_be_kept(ncz):
    Path("a").write_bytes(TEXT)
    _, (one, six) = rows(ncz("plan", "-q", "-1", "-6", "--memlimit", "40MiB", "a"))
    assert one[-3:] == ["all", "of", "it"]
    assert " ".join(six).endswith("and the limit is 40 MiB; raise the limit or use fewer threads")


def test_an_interrupt_ends_it(tmp_path):
    (tmp_path / "a").write_bytes(TEXT * 400)
    process = start("plan", "-6", "a", cwd=tmp_path)
    assert process.stdout.readline().endswith(b" bytes, about\n")
    process.send_signal(signal.SIGINT)
    code, _, err = finish(process)
    assert code == -signal.SIGINT
    assert "Traceback" not in err
    assert here(tmp_path) == ["a"]
