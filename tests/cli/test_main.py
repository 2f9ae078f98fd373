import importlib
import subprocess
import sys

import click
import pytest

import ncz as library
from ncz.cli import exits
from ncz.cli.main import COMMANDS, cli

from .helpers import environment, finish, start

HEAVY = {"numba", "numpy", "zstandard", "xxhash", "tqdm", "torch", "matplotlib"}


def test_help_shows_commands_and_exit_codes(ncz):
    result = ncz("--help")
    text = result.out.decode()
    assert (result.code, result.err) == (0, "")
    for name, (_, line) in COMMANDS.items():
        assert f"  {name} " in text
        assert line.split()[0] in text
    for code, meaning in exits.TABLE:
        assert f"{code:<4} {meaning}" in text
    assert ncz("-h").out == result.out


def test_without_a_command_help_is_shown_and_the_call_is_wrong(ncz):
    result = ncz()
    assert (result.code, result.out) == (2, b"")
    assert result.err.startswith("Usage: ncz ")


def test_version(ncz):
    assert ncz("--version").out == f"ncz {library.__version__}\n".encode()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_its_module_and_says_what_the_table_says(ncz, name):
    module, line = COMMANDS[name]
    command = importlib.import_module(module).command
    assert isinstance(command, click.Command)
    assert command.get_short_help_str(200).rstrip(".") == line.rstrip(".")
    assert ncz(name, "--help").code == 0
    assert f"Usage: ncz {name} " in ncz(name, "-h").out.decode()


def test_a_wrong_command_or_option_is_one_line(ncz):
    result = ncz("compres")
    assert result.code == 2
    assert len(result.lines) == 1
    assert result.lines[0].startswith("ncz: no such command 'compres'")
    result = ncz("compress", "--levle", "3")
    assert result.code == 2
    assert len(result.lines) == 1
    assert result.lines[0].startswith("ncz compress: no such option")
    assert result.lines[0].endswith("(see ncz compress --help)")


def test_an_error_of_ours_is_one_line_unless_debugging(ncz, monkeypatch):
    def broken(*args):
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("ncz.formats.stream.compressing", broken)
    monkeypatch.delenv("NCZ_DEBUG", raising=False)
    result = ncz("compress", "-6", stdin=b"x")
    assert result.code == 1
    assert result.lines == [
        "ncz: standard input: internal error, please report it (ZeroDivisionError: oops); "
        "NCZ_DEBUG=1 shows where it happened"
    ]
    monkeypatch.setenv("NCZ_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        ncz("compress", "-6", stdin=b"x")


@pytest.mark.parametrize("args", [["--help"], ["compress", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(tmp_path, args):
    code = (
        "import sys; from ncz.cli.main import run; run(sys.argv[1:]);"
        "sys.stderr.write(' '.join(m for m in sys.modules if '.' not in m))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *args], capture_output=True, env=environment(), check=True
    )
    assert HEAVY.isdisjoint(done.stderr.decode().split())


def test_as_a_module_it_is_called_ncz(tmp_path):
    code, out, err = finish(start("decompress", "--bogus", cwd=tmp_path))
    assert (code, out) == (2, b"")
    assert err.startswith("ncz decompress: no such option")


def test_the_group_loads_lazily():
    assert cli.list_commands(click.Context(cli)) == list(COMMANDS)
    assert cli.get_command(click.Context(cli), "nonsense") is None
