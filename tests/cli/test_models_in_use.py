"""Levels 7 to 9 by the command: which files get them, and what is said where the model is not."""

import io
import json
import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import ncz as library
from ncz.cli import beforehand
from ncz.codec import jit
from ncz.codec.coder import ModelRef
from ncz.codec.meter import in_flight
from ncz.formats import estimate, header
from ncz.formats.options import CompressOptions
from ncz.models import weights
from ncz.models.text import loading

from ..models import default
from .helpers import environment, here, wait_for

WORDS = b"it was the best of times and worst of all that you with his age in foolishness".split()
TEXT = b" ".join(WORDS[k * k % 97 % len(WORDS)] for k in range(160)) + b".\n"
BINARY = bytes(range(256)) * 20


@pytest.fixture
def tiny(tiny_default_model, monkeypatch):
    """The tiny model, and no way to fetch another."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return tiny_default_model


def lose(model):
    """The model is gone, also from the memory."""
    weights.remove(model.stem)
    loading._load.cache_clear()


def levels_used(monkeypatch):
    """The levels of all compressions from now on."""
    seen = []
    from ncz.formats import stream

    real = stream.compressing

    def note(src, dst, options, *rest):
        seen.append(options.level)
        return real(src, dst, options, *rest)

    monkeypatch.setattr(stream, "compressing", note)
    return seen


@pytest.mark.parametrize("way", ["file", "pipe"])
def test_text_gets_the_model_and_everything_else_does_not(ncz, tiny, monkeypatch, way):
    seen = levels_used(monkeypatch)
    for data in (TEXT, BINARY, b""):
        if way == "file":
            Path("a").write_bytes(data)
            coded = ncz("compress", "-c", "a").out
        else:
            coded = ncz("compress", stdin=data).out
        assert library.decompress(coded) == data
    assert seen == [7, 6, 6]


def test_a_pipe_is_looked_at_without_losing_anything(ncz, tiny, monkeypatch):
    seen = levels_used(monkeypatch)
    data = BINARY * 40  # more than is looked at
    assert len(data) > 2 * beforehand.HEAD
    assert library.decompress(ncz("compress", "--block-size", "64KiB", stdin=data).out) == data
    assert seen == [6]


def test_the_input_goes_only_if_all_of_it_came_back(ncz, tiny):
    Path("a").write_bytes(TEXT)
    assert ncz("compress", "--rm", "a").code == 0
    assert here() == ["a.ncz", "cache"]
    assert ncz("decompress", "a.ncz").code == 0
    assert Path("a").read_bytes() == TEXT


def test_streams_reach_the_coder(ncz, tiny, monkeypatch):
    from ncz.formats import levels

    seen = []
    real = levels.plan
    monkeypatch.setattr(levels, "plan", lambda *said: seen.append(said) or real(*said))
    assert library.decompress(ncz("compress", "--streams", "3", stdin=TEXT).out) == TEXT
    assert seen == [(7, None, 3, None, None, False)]


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["-6", "--streams", "2"], "--streams is for levels 7 to 9, and -6 has none"),
        (["--streams", "0"], "invalid value for '--streams': 0 is not in the range 1<=x<=64"),
        (["--streams", "65"], "invalid value for '--streams': 65 is not in the range 1<=x<=64"),
    ],
)
def test_streams_that_cannot_be(ncz, args, sentence):
    result = ncz("compress", *args, stdin=TEXT)
    assert result.code == 2
    assert result.lines == [f"ncz compress: {sentence} (see ncz compress --help)"]


@pytest.mark.parametrize("args", [[], ["-7"], ["-9"]])
def test_compressing_without_the_model_or_a_network(ncz, tiny, args):
    lose(tiny)
    Path("a").write_bytes(TEXT)
    result = ncz("compress", "-q", *args, "a", "a")
    assert (result.code, result.out) == (4, b"")
    assert len(result.lines) == 2 and len(set(result.lines)) == 1
    assert result.lines[0].startswith(f"ncz: a: cannot fetch the model {tiny.stem} (pip: ")
    assert f"ncz models pull {tiny.stem}" in result.lines[0]
    assert result.lines[0].endswith("levels 1 to 6 need no model")
    assert here() == ["a", "cache"]
    assert ncz("compress", "-6", "a").code == 0, "other levels go on working"


def test_the_second_file_does_not_try_again(ncz, tiny, monkeypatch):
    lose(tiny)
    tries = []
    real = weights.ensure
    monkeypatch.setattr(weights, "ensure", lambda *said: tries.append(said) or real(*said))
    for name in ("a", "b"):
        Path(name).write_bytes(TEXT)
    assert ncz("compress", "a", "b").code == 4
    assert len(tries) == 1


def test_restoring_without_the_model(ncz, tiny):
    Path("a.ncz").write_bytes(compressed_with_model())
    lose(tiny)
    digest = default.model().digest
    sentence = (
        f"this file needs the model '{tiny.stem}' with SHA-256 {digest}; "
        f"get it with: ncz models pull {tiny.stem}, or let --pull fetch it"
    )
    for args in (["decompress"], ["test"], ["cat"], ["decompress", "-c"]):
        result = ncz(*args, "a.ncz")
        assert (result.code, result.out) == (4, b""), "refused before a byte"
        assert result.lines[-1:] == [f"ncz: a.ncz: {sentence}"]  # compiling may say something, too
    result = ncz("decompress", stdin=Path("a.ncz").read_bytes())
    assert (result.code, result.out) == (4, b"")
    assert here() == ["a.ncz", "cache"]


def test_a_model_that_was_changed_is_not_used(ncz, tiny):
    Path("a.ncz").write_bytes(compressed_with_model())
    loading._load.cache_clear()
    with tiny.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(bytes([file.read(1) == b"\0"]))
    result = ncz("decompress", "a.ncz")
    assert result.code == 4
    assert f"{tiny} was changed" in result.err
    assert f"fetch it again with: ncz models pull {tiny.stem}" in result.err
    assert not Path("a").exists()


def test_what_is_told_of_a_file_whose_model_is_not_here(ncz, tiny):
    Path("a.ncz").write_bytes(compressed_with_model())
    lose(tiny)
    result = ncz("info", "a.ncz")
    assert (result.code, result.err) == (0, "")
    told = result.out.decode()
    assert f"  model {tiny.stem}, SHA-256 {default.model().digest}\n" in told
    assert f"text-2048 with {tiny.stem}" in told
    (member,) = json.loads(ncz("info", "--json", "a.ncz").out)["members"]
    assert member["models"] == [{"name": tiny.stem, "sha256": default.model().digest}]
    assert member["coders"][2]["id"] == 3


@pytest.mark.parametrize(
    ("seconds", "sentence"),
    [
        (59.0, None),
        (61.0, "ncz: a: this takes about 61 seconds"),
        (600.0, "ncz: a: this takes about 10 minutes; -6 takes about 7 seconds, and -3 less"),
    ],
)
def test_a_long_job_is_announced(ncz, tiny, monkeypatch, seconds, sentence):
    monkeypatch.setattr(jit, "_NOTICE_AFTER_S", 3600.0)  # of compiling, where a machine is busy
    monkeypatch.setattr(beforehand, "_WORTH_MEASURING", 100)
    monkeypatch.setattr(
        estimate.Calibration,
        "seconds_in",
        lambda self, options: seconds if options.level == 7 else 7.0,
    )
    Path("a").write_bytes(TEXT)
    assert ncz("compress", "-f", "a").lines == ([sentence] if sentence else [])
    assert ncz("compress", "-f", "-q", "a").lines == []
    assert ncz("compress", stdin=TEXT).lines == [], "nobody knows how long a pipe is"


def test_an_estimate_is_made_of_the_beginning(ncz, tiny, monkeypatch):
    monkeypatch.setattr(beforehand, "_SAY_S", 0.0)
    draw = random.Random(1)  # not periodic, as records are
    text = b" ".join(draw.choices(WORDS, k=20_000))
    Path("a").write_bytes(text)
    (line,) = ncz("compress", "a").lines
    assert line.startswith("ncz: a: this takes about ")
    for size in (1 << 20, 1 << 22):
        said = []
        options = CompressOptions(7, streams=2)
        beforehand.estimate(options, text, size, said.append)
        assert len(said) == 1


def test_the_meter_moves_within_a_block(tiny, monkeypatch):
    """A window of all streams is read before the first byte of it is coded."""
    from ncz.formats import levels
    from ncz.models.language.sharing import Sharing

    seen = []
    real = Sharing.ahead

    def look(self, *said):
        for part in real(self, *said):
            yield part
            seen.append(in_flight())

    monkeypatch.setitem(levels.WINDOWS, 7, (2048, 1536, 64))
    coder = levels.plan(7, streams=8).coders[-1]
    coder.encode(TEXT[:10])  # which makes it ready
    monkeypatch.setattr(Sharing, "ahead", look)
    text = TEXT * 9
    coder.encode(text)
    assert len(seen) == 8
    assert seen == sorted(set(seen)), "further with every stream"
    assert 0 < seen[0] < len(text) / 4
    assert len(text) / 2 < seen[-1] <= len(text)


def test_an_error_in_the_coder_is_a_sentence_and_leaves_nothing(ncz, tiny, monkeypatch):
    from ncz.models.text.predictor import Predictor

    def fail(*said):
        raise MemoryError

    monkeypatch.setattr(Predictor, "encode", fail)
    Path("a").write_bytes(TEXT)
    result = ncz("compress", "a")
    assert result.code == 1
    assert result.lines == [
        f"ncz: a: out of memory while coding a block of {len(TEXT)} bytes; "
        "use fewer threads, a lower level or smaller blocks"
    ]
    assert here() == ["a", "cache"]


def test_an_interrupt_amid_the_coder_leaves_nothing(tiny, tmp_path):
    (tmp_path / "a").write_bytes(TEXT * 2000)
    command = [sys.executable, "-m", "tests.models.default", "compress", "-q7"]
    process = subprocess.Popen(
        [*command, "a"], cwd=tmp_path, env=environment(), stderr=subprocess.PIPE
    )
    wait_for(lambda: len(here(tmp_path)) == 3)  # its output has begun
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == -signal.SIGINT
    assert process.stderr.read().decode().splitlines()[-1] == (
        "ncz: interrupted; the unfinished output was removed"
    )
    assert here(tmp_path) == ["a", "cache"]


def compressed_with_model():
    """A file of the text coder."""
    coded = library.compress(TEXT, 7)
    assert library.info(io.BytesIO(coded)).blocks[0].coder.startswith("text-")
    return coded


@pytest.fixture
def pulled(tiny, monkeypatch):
    """Names of the models that were pulled; the tiny one arrives."""
    names = []

    def pull(known, progress=None, consent=None, convert=None):
        names.append(known.name)
        return default.install()

    monkeypatch.setattr(weights, "pull", pull)
    return names


@pytest.mark.parametrize("args", [["decompress"], ["test"], ["cat"], ["cat", "--range", ":9"]])
def test_pull_fetches_what_a_file_needs_and_goes_on(ncz, tiny, pulled, args):
    Path("a.ncz").write_bytes(compressed_with_model())
    lose(tiny)
    assert ncz(*args, "a.ncz").code == 4
    assert pulled == [], "not unless it is said"
    result = ncz(*args, "--pull", "a.ncz", "a.ncz")
    assert result.code == 0
    assert pulled == [tiny.stem], "once"
    if args == ["decompress"]:
        assert Path("a").read_bytes() == TEXT
    assert ncz(*args, "--pull", "a.ncz").code == (1 if args == ["decompress"] else 0)
    assert pulled == [tiny.stem]


def test_pull_of_a_pipe_in_processes(ncz, tiny, pulled):
    coded = compressed_with_model()
    lose(tiny)
    result = ncz("decompress", "--pull", "-T", "2", stdin=coded)
    assert (result.code, result.out) == (0, TEXT)
    assert pulled == [tiny.stem]


def test_pull_replaces_a_model_that_was_changed(ncz, tiny, pulled):
    coded = compressed_with_model()
    loading._load.cache_clear()
    tiny.write_bytes(b"something else")
    assert ncz("cat", stdin=coded).code == 4
    assert (ncz("cat", "--pull", stdin=coded).code, pulled) == (0, [tiny.stem])


def test_pull_goes_by_the_digest_and_fetches_nothing_that_ncz_does_not_know(ncz, tiny, pulled):
    coded = bytearray(compressed_with_model())
    made, size = header.parse(coded)
    lose(tiny)
    for model in (replace(made.models[0], digest=bytes(32)), ModelRef(bytes(32), "gemma3-270m")):
        other = header.pack(replace(made, models=(model,)))
        result = ncz("decompress", "--pull", stdin=other + coded[size:])
        assert (result.code, result.out, len(result.lines)) == (4, b"", 1)
        assert "needs the model" in result.err
    assert pulled == []


def test_pull_without_a_network_is_one_sentence(ncz, tiny):
    Path("a.ncz").write_bytes(compressed_with_model())
    lose(tiny)
    result = ncz("decompress", "-q", "--pull", "a.ncz")
    assert result.code == 4
    assert len(result.lines) == 1
    assert result.lines[0].startswith(f"ncz: a.ncz: cannot fetch the model {tiny.stem} (pip: ")
    assert here() == ["a.ncz", "cache"]
