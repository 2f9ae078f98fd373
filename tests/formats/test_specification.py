"""The worked example of docs/format.md is the file it says it is."""

import re
from pathlib import Path

import ncz
from tests.independent import reader

PAGE = Path(__file__).parents[2] / "docs" / "format.md"


def test_the_example() -> None:
    example = PAGE.read_text(encoding="utf-8").split("## Example")[1]
    rows = re.findall(r"^\| `([0-9A-F ]+)` \|", example, re.MULTILINE)
    coded = b"".join(bytes.fromhex(row) for row in rows)
    assert len(rows) > 20
    assert ncz.decompress(coded) == b"ncz\n"
    assert reader.content(reader.read(coded)[0]) == b"ncz\n"
    assert ncz.compress(b"ncz\n", level=1) == coded
