"""How much of the codec and of the formats the tests run: ``make coverage``.

Lines and branches are counted by coverage.py. It sees what Python runs, and so cannot see into
functions that numba has compiled: these are left out of the count, by the names of their
decorators in ``pyproject.toml``, and how many lines they have is said. So is code that runs in a
process of its own, a worker's for example: what of it is run nowhere else counts as not run.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

import ncz
from ncz.corpora import tally

PART = "coverage"
PACKAGES = ("codec", "formats")
COMPILERS = ("jit", "lean")
"""Decorators of functions that numba compiles; see :mod:`ncz.codec.jit`."""


def summary(report: dict[str, Any], packages: Sequence[str] = PACKAGES) -> dict[str, Any]:
    """What a report of coverage.py comes to.

    Args:
        report: the content of its JSON file.
        packages: of ncz, that count.

    Returns:
        for each package and in all: lines, branches, how many of each were run, percent of both.
    """
    found: dict[str, Any] = {}
    whole = [0, 0, 0, 0]
    for package in packages:
        sums = [0, 0, 0, 0]
        for name, file in report["files"].items():
            if f"ncz/{package}/" in name.replace("\\", "/"):
                one = file["summary"]
                parts = ("num_statements", "covered_lines", "num_branches", "covered_branches")
                sums = [total + one[part] for total, part in zip(sums, parts, strict=True)]
        found |= _named(f"{package}_", sums)
        whole = [total + more for total, more in zip(whole, sums, strict=True)]
    return found | _named("", whole)


def _named(of: str, sums: Sequence[int]) -> dict[str, Any]:
    lines, lines_run, branches, branches_run = sums
    percent = 100 * (lines_run + branches_run) / max(1, lines + branches)
    return {
        f"{of}lines": lines,
        f"{of}lines_run": lines_run,
        f"{of}branches": branches,
        f"{of}branches_run": branches_run,
        f"{of}percent": round(percent, 1),
    }


def compiled(source: str) -> tuple[int, int]:
    """How many functions of a module are compiled, and the lines they have, decorators included.

    >>> compiled("@lean\\ndef f(x):\\n    return x\\n")
    (1, 3)
    """
    functions = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef)
        and any(ast.unparse(one).split("(")[0] in COMPILERS for one in node.decorator_list)
    ]
    lines = sum(
        (node.end_lineno or node.lineno) - node.decorator_list[0].lineno + 1 for node in functions
    )
    return len(functions), lines


@click.command()
@click.argument("report", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--at-least", default=90.0, show_default=True, help="Percent, else exit 1.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default="bench-out/reliability",
    show_default=True,
)
def main(report: Path, at_least: float, out: Path) -> None:
    """Write what coverage.py has found, in the JSON file REPORT, to OUT/coverage.json."""
    found = summary(json.loads(report.read_text("utf-8")))
    root = Path(ncz.__file__).parent
    modules = [path for package in PACKAGES for path in sorted((root / package).rglob("*.py"))]
    counts = [compiled(path.read_text("utf-8")) for path in modules]
    found["compiled_functions"] = sum(functions for functions, _ in counts)
    found["compiled_lines"] = sum(lines for _, lines in counts)
    tally.put(out, PART, found)
    for name, value in found.items():
        click.echo(f"{name.replace('_', ' ')}: {value:,}")
    if found["percent"] < at_least:
        raise click.ClickException(f"{found['percent']} % is less than {at_least} %")


if __name__ == "__main__":
    main()
