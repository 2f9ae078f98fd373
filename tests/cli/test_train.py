"""Circuits trained by the command: from what, what it refuses, and going on."""

from pathlib import Path

import pytest

from ncz.models.circuit import exact, training
from tests import circuits

QUICK = ("--latents", "2", "--epochs", "1")
IMAGES = bytes([0, 0, 8, 3]) + b"".join(n.to_bytes(4, "big") for n in (60, 2, 3))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NCZ_CACHE", str(tmp_path / "cache"))


def test_a_table_is_trained_on_and_coded(ncz):
    Path("rooms.csv").write_bytes(circuits.rows(80))
    result = ncz("train", "rooms.csv", "-o", "rooms.circuit", *QUICK)
    assert (result.code, result.out) == (0, b"")
    assert result.lines[0] == (
        "rooms.csv is a table of 4 columns and 80 lines: 80 records of 4 variables; 2 states"
    )
    assert result.lines[1].startswith("pass 1 of 1: ")
    size = Path("rooms.circuit").stat().st_size
    assert result.lines[2] == f"rooms.circuit: {size:,} bytes"
    assert not Path("rooms.circuit.training").exists()
    more = circuits.rows(100, seed=2)
    Path("more.csv").write_bytes(more)
    assert ncz("compress", "-q", "--model", "rooms.circuit", "--only-model", "more.csv").code == 0
    assert ncz("cat", "--record", "17", "more.csv.ncz").out == more.splitlines(True)[18]
    assert ncz("cat", "more.csv.ncz").out == more


@pytest.mark.parametrize(
    ("data", "args", "variables"),
    [
        (IMAGES + circuits.pixels(60), (), 6),
        (circuits.pixels(60), ("--record-size", "6"), 6),
        (circuits.pixels(60), ("--record-size", "6", "--type", ">u2"), 3),
    ],
    ids=["IDX", "raw", "raw words"],
)
def test_arrays(ncz, data, args, variables):
    Path("data").write_bytes(data)
    result = ncz("train", "data", "-q", "-o", "my.circuit", *args, *QUICK)
    assert (result.code, result.out, result.err) == (0, b"", "")
    codes = exact.load(Path("my.circuit")).codes
    assert (len(codes.leaves), codes.latents, codes.notes["rows"]) == (variables, 2, 60)


def test_the_same_seed_gives_the_same_bytes(ncz):
    Path("data").write_bytes(circuits.pixels(40))
    found = set()
    for number, seed in enumerate("112"):
        args = ("--record-size", "6", "--seed", seed, *QUICK)
        assert ncz("train", "data", "-q", "-o", f"{number}.circuit", *args).code == 0
        found.add(Path(f"{number}.circuit").read_bytes())
    assert len(found) == 2


@pytest.mark.parametrize(
    ("data", "args", "code", "words"),
    [
        (b"", (), 1, "is empty; give data to learn from"),
        (b"prose that goes on and on", (), 1, "data is no file of records"),
        (IMAGES + bytes(9), (), 1, "data is cut off: its head says 60 records"),
        (bytes(12), ("--record-size", "6"), 1, "2 records of 6 variables are too few"),
        (bytes(5), ("--record-size", "6"), 1, "smaller than a record of 6 bytes"),
        (bytes(60), ("--record-size", "5", "--type", "u2"), 2, "5 bytes are no record"),
        (bytes(60), ("--record-size", "6", "--type", "float"), 2, "elements are of u1, "),
        (circuits.pixels(60), ("--record-size", "6", "--device", "none"), 1, "--device none: "),
    ],
)
def test_data_that_cannot_be_trained_on(ncz, data, args, code, words):
    Path("data").write_bytes(data)
    result = ncz("train", "data", "-q", "-o", "my.circuit", *args)
    assert result.code == code
    assert len(result.lines) == 1 and words in result.err
    assert not Path("my.circuit").exists() and not Path("my.circuit.training").exists()


def test_what_is_not_there(ncz):
    result = ncz("train", "data", "-o", "my.circuit")
    assert result.code == 2 and "'data' does not exist" in result.err


def test_what_is_there_is_kept(ncz):
    Path("data").write_bytes(circuits.pixels(40))
    Path("my.circuit").write_bytes(b"something")
    result = ncz("train", "data", "-o", "my.circuit", "--record-size", "6", *QUICK)
    assert result.code == 1 and "my.circuit exists already; -f replaces it" in result.err
    assert Path("my.circuit").read_bytes() == b"something"
    assert ncz("train", "data", "-qf", "-o", "my.circuit", "--record-size", "6", *QUICK).code == 0
    assert exact.load(Path("my.circuit")).codes.latents == 2


def test_an_interrupted_training_goes_on(ncz, monkeypatch):
    Path("data").write_bytes(circuits.pixels(60))
    train = ("train", "data", "-q", "--record-size", "6", "--latents", "2", "--epochs", "3")
    assert ncz(*train, "-o", "whole.circuit").code == 0
    real = training.train

    def interrupted(*args, report, **options):
        def then(progress):
            if progress.epoch == 1:
                raise KeyboardInterrupt

        return real(*args, report=then, **options)

    with monkeypatch.context() as patched:
        patched.setattr(training, "train", interrupted)
        assert ncz(*train, "-o", "my.circuit").code == 130, "within the first pass"
        Path("other").write_bytes(circuits.pixels(60, seed=2))

        def late(*args, report, **options):
            def then(progress):
                if progress.epoch == 1 and 0 < progress.done < 1:
                    raise KeyboardInterrupt

            return real(*args, report=then, **options)

        patched.setattr(training, "train", late)
        result = ncz(*train, "-o", "my.circuit")
    assert result.code == 130
    assert "interrupted; go on with --resume (what is done lies in my.circuit.trai" in result.err
    assert not Path("my.circuit").exists()
    assert [path.name for path in Path("my.circuit.training").iterdir()] == ["state.safetensors"]
    again = ncz(*train, "-o", "my.circuit")
    assert again.code == 1 and "go on with --resume, or remove it" in again.err
    other = ncz("train", "other", *train[2:], "-o", "my.circuit", "--resume")
    assert other.code == 1 and "other data or options" in other.err
    assert ncz(*train, "-o", "my.circuit", "--resume").code == 0
    assert Path("my.circuit").read_bytes() == Path("whole.circuit").read_bytes()
    assert not Path("my.circuit.training").exists()
