"""docs/cli.md says of commands and exit codes what the command says."""

from pathlib import Path

from ncz.cli.exits import TABLE
from ncz.cli.main import COMMANDS

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")


def test_every_command_is_documented():
    for name in COMMANDS:
        assert f"| `ncz {name} " in PAGE or f"| `ncz {name}`" in PAGE


def test_every_exit_code_is_documented():
    for code, meaning in TABLE:
        assert f"| {code} | {meaning} |" in PAGE
