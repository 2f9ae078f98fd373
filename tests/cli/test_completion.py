import shutil
import subprocess

import pytest

from .helpers import environment, start


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(ncz, shell):
    result = ncz("completion", shell)
    assert result.code == 0
    assert f"_NCZ_COMPLETE={shell}_complete".encode() in result.out.replace(b"'", b"")


def test_another_shell_is_refused(ncz):
    result = ncz("completion", "tcsh")
    assert result.code == 2
    assert len(result.lines) == 1


def complete(tmp_path, *words):
    env = {
        **environment(),
        "_NCZ_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["ncz", *words]),
        "COMP_CWORD": str(len(words)),
    }
    out = start(cwd=tmp_path, env=env).communicate(timeout=60)[0]
    return out.decode().split()


def test_commands_options_and_files_are_completed(tmp_path):
    assert complete(tmp_path, "dec") == ["plain,decompress"]
    assert "plain,--keep-going" in complete(tmp_path, "decompress", "--k")
    assert complete(tmp_path, "decompress", "a") == ["file,a"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_bash_takes_the_script(ncz):
    script = ncz("completion", "bash").out
    done = subprocess.run(["bash", "--norc", "-n"], input=script, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
