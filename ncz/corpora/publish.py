"""The numbers in the documents, written from a benchmark and never typed.

``make results`` runs this: ``python -m ncz.corpora.publish OUT [ROOT]`` takes the folder that
``ncz bench --out OUT`` filled and writes, in the working copy at ROOT, ``docs/results.md``,
``docs/images/size-speed.png`` and the part of ``README.md`` between the two markers.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ncz.corpora import plot, report, rows
from ncz.corpora.registry import CorpusError

BEGIN = "<!-- results: written by `make results`, not by hand -->"
END = "<!-- end of results -->"

_HEAD = """\
# Results

Written by `make results`, not by hand. What the files are and how this is measured stands in
[benchmark.md](benchmark.md); `ncz bench PATH` measures your own files the same way.

![Size against speed](images/size-speed.png)

"""


def publish(out: Path, root: Path) -> list[Path]:
    """Writes the documents and returns their paths.

    Args:
        out: the folder of a finished benchmark.
        root: the working copy.

    Raises:
        CorpusError: the benchmark is not there or not finished, or the README lacks a marker.
    """
    source = out / "results.json"
    if not source.is_file():
        raise CorpusError(f"{source} is not there; run `ncz bench … --out {out}` to its end first")
    measured, machine = rows.from_json(source.read_text("utf-8"))
    readme, results = root / "README.md", root / "docs" / "results.md"
    picture = root / "docs" / "images" / "size-speed.png"
    totals = report.totals(measured)
    files = len({(row.group, row.file) for row in measured})
    size = sum({(row.group, row.file): row.raw_size for row in measured}.values())
    summary = (
        f"{files} files, {size:,} bytes in all, on one core ({machine['processor']}, "
        f"{machine['date']}):\n\n{report.totals_table(measured)}"
    )
    text = between(readme.read_text("utf-8"), summary)
    picture.parent.mkdir(parents=True, exist_ok=True)
    plot.draw(totals, picture)
    results.write_text(_HEAD + report.markdown(measured, machine), "utf-8")
    readme.write_text(text, "utf-8")
    return [results, picture, readme]


def between(text: str, inserted: str) -> str:
    """`text` with `inserted` between the two markers, in place of what was there."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise CorpusError(f"the README has no {BEGIN} … {END} to write between")
    return f"{before}{BEGIN}\n\n{inserted}\n\n{END}{after}"


if __name__ == "__main__":
    for written in publish(Path(sys.argv[1]), Path(*sys.argv[2:3])):
        print(written)
