from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from click.testing import CliRunner

from ncz.corpora import publish, recorded, recorded_page
from ncz.corpora.registry import CorpusError


def lines(count: int) -> bytes:
    """A table in which one column follows another, and nothing follows the line before."""
    chance = random.Random(3)
    rows = []
    for _ in range(count):
        kind = chance.randrange(4)
        rows.append(f"{'abcd'[kind]};{kind * 10 + chance.randrange(3)};{chance.randrange(50)}\n")
    return "".join(rows).encode()


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> recorded.Found:
    folder = tmp_path_factory.mktemp("recorded")
    path = folder / "small.csv"
    path.write_bytes(lines(1200))
    return recorded.table(path, folder)


def test_a_table_is_coded_by_a_circuit_of_its_first_half(measured: recorded.Found) -> None:
    assert measured["records"] == 600
    # log2(4) + log2(3) + log2(50) bits a row are all there is to say.
    least = 600 * 9.2 / 8
    assert least < measured["coded_size"] - measured["embedded"] * measured["circuit_size"]
    assert measured["chosen_size"] <= measured["coded_size"]
    assert set(measured["others"]) == {
        "ncz -6, all at once",
        "xz -9e, all at once",
        "zstd -19 with a dictionary, each record",
    }
    assert all(size > least for size in measured["others"].values())


def test_the_page_says_what_was_measured(measured: recorded.Found, tmp_path: Path) -> None:
    machine = {"cores": 2, "processor": "some processor", "date": "2026-01-01"}
    image = {
        **measured,
        "name": "mnist",
        "values": 7840,
        "model_bytes": measured["coded_size"] / 1.002,
        "log": [],
    }
    text = recorded_page.page({"small.csv": measured, "mnist": image, "machine": machine})
    assert "0.20 % larger than the circuit's own" in text
    assert f"| {measured['coded_size']:,} |" in text
    assert text.index("Sparse PC") < text.index("HCLT, theoretical")
    (tmp_path / "docs").mkdir()
    with pytest.raises(CorpusError, match="run: python -m"):
        publish.publish_records(tmp_path, tmp_path)
    found = {"small.csv": measured, "machine": machine}
    (tmp_path / recorded.RESULTS).write_text(json.dumps(found))
    run = CliRunner().invoke(publish.main, ["--records", "--root", str(tmp_path), str(tmp_path)])
    assert run.exit_code == 0, run.output
    assert "small.csv, second half" in (tmp_path / "docs/results-records.md").read_text()


def test_pictures_come_back_from_every_format() -> None:
    chance = random.Random(1)
    sizes = dict(recorded._pictures([chance.randbytes(784) for _ in range(3)]))
    assert {"PNG, each", "WebP, each"} <= set(sizes)
    assert all(size > 3 * 700 for size in sizes.values())
