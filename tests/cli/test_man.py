import shutil
import subprocess
from pathlib import Path

import pytest

from ncz.cli.exits import TABLE
from ncz.cli.main import COMMANDS
from ncz.cli.man import pages

from .helpers import here


def test_one_page_for_the_whole_and_one_for_each_command(ncz):
    assert ncz("man", "out/man1").code == 0
    assert here("out/man1") == sorted(["ncz.1", *(f"ncz-{name}.1" for name in COMMANDS)])
    assert Path("out/man1/ncz.1").read_text() == pages()["ncz.1"]


def test_pages_are_the_same_each_time():
    assert pages() == pages()


def test_every_option_and_exit_code_is_there():
    page = pages()["ncz-decompress.1"].replace("\\-", "-")
    for part in ("ncz-decompress - Restore files", "--keep-going", "-T, --threads N", "SEE ALSO"):
        assert part in page
    for code, meaning in TABLE:
        assert f"\\fB{code}\\fR\n{meaning}" in page


def test_a_group_tells_of_its_commands():
    page = pages()["ncz-models.1"].replace("\\-", "-")
    for part in ("ncz models pull [OPTIONS]", "--accept-licence", "ncz models path"):
        assert part in page


def test_no_text_becomes_a_request():
    requests = {".TH", ".SH", ".SS", ".TP", ".PP", ".nf", ".fi"}
    for page in pages().values():
        for line in page.splitlines():
            assert not line.startswith("'")
            assert not line.startswith(".") or line.split()[0] in requests


@pytest.mark.skipif(shutil.which("groff") is None, reason="no groff here")
def test_groff_has_no_complaint():
    for page in pages().values():
        done = subprocess.run(
            ["groff", "-man", "-Tutf8", "-ww", "-Kutf8"], input=page.encode(), capture_output=True
        )
        assert (done.returncode, done.stderr) == (0, b"")


def test_a_place_that_cannot_be_written(ncz):
    Path("file").write_bytes(b"")
    result = ncz("man", "file")
    assert result.code == 2
    assert len(result.lines) == 1
    result = ncz("man", "file/man1")
    assert result.code == 1
    assert result.lines == ["ncz: cannot write file/man1: not a directory"]
