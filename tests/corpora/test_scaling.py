"""What scaling is measured with, the page it makes, and the model behind what is reckoned."""

from __future__ import annotations

import doctest
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncz.corpora import publish, reckoning, scale_page, scaling, synthetic
from ncz.corpora.reckoning import Job, Setup, reckon
from ncz.corpora.registry import CorpusError
from ncz.corpora.synthetic import Synthetic

TEXT = b"It was the best of times. It was the worst of times! Was it the age of wisdom? " * 40
MACHINE = {"processor": "Test CPU", "cores": 2, "date": "2026-01-01"}
PROCESSES = {
    "level": 6,
    "blocks": 8,
    "block_size": 1000,
    "coded_size": 2000,
    "encode": {"1": 8.0, "2": 4.2},
    "decode": {"1": 9.0, "2": 4.5},
}
OVERHEAD = {"level": 3, "blocks": 64, "block_size": 1000, "loop": 2.0, "thread": 2.01}
STREAM = {"bytes": 4000, "coded_size": 500, "tokens": 1000, "encode_tokens_s": 900.0}
STREAMS = {"1": {**STREAM, "decode_tokens_s": 60.0}, "32": {**STREAM, "decode_tokens_s": 540.0}}
PEAK = {"raw_size": 200_000_000, "coded_size": 1, "seconds": 100.0, "peak_bytes": 300_000_000}
MEMORY = {
    "level": 3,
    "threads": 2,
    "peaks": {
        "2000000000": {**PEAK, "raw_size": 2_000_000_000, "peak_bytes": 303_000_000},
        "200000000": PEAK,
    },
}
FOUND = {
    "machine": MACHINE,
    "processes": PROCESSES,
    "overhead": {**OVERHEAD, "process": 2.04, "alone": {"thread": 0.002, "process": 0.03}},
    "streams": STREAMS,
    "memory": MEMORY,
}


@given(st.integers(0, 20_000), st.integers(0, 20_000), st.integers(0, 5))
def test_drawn_text_is_the_same_every_time(one: int, other: int, seed: int) -> None:
    short, long = sorted((one, other))
    whole = io.BufferedReader(Synthetic(TEXT, long, seed)).read()
    assert len(whole) == long
    assert Synthetic(TEXT, short, seed).read() == whole[:short]
    pieces, stream = [], Synthetic(TEXT, long, seed)
    while piece := stream.read(777):
        pieces.append(piece)
    assert b"".join(pieces) == whole


def test_drawn_text_is_made_of_sentences() -> None:
    drawn = Synthetic(TEXT, 100_000).read()
    assert drawn != Synthetic(TEXT, 100_000, 1).read()
    assert set(drawn.split()) <= {*TEXT.split(), drawn.split()[-1]}
    with pytest.raises(ValueError, match="no sentences"):
        Synthetic(b"", 5)


@given(
    st.integers(1, 10**12),
    st.integers(1, 10**9),
    st.integers(1, 2000),
    st.floats(1, 1e9),
    st.floats(1, 1e12),
)
def test_more_of_anything_never_takes_longer(
    size: int, block: int, workers: int, rate: float, network: float
) -> None:
    job = Job(size, block, 0.25)
    found = reckon(job, Setup("", workers, rate, network, 3.0))
    assert found.seconds >= 3 + size / (workers * rate) * (1 - 1e-9)
    assert found.seconds >= 3 + found.shipped / network * (1 - 1e-9)
    assert reckon(job, Setup("", workers + 1, rate, network, 3.0)).seconds <= found.seconds
    assert reckon(job, Setup("", workers, 2 * rate, network, 3.0)).seconds <= found.seconds
    assert reckon(job, Setup("", workers, rate, None, 3.0)).seconds <= found.seconds


@pytest.mark.parametrize(
    ("workers", "network", "seconds", "bound"),
    [(10, None, 10.0, "workers"), (90, None, 2.0, "blocks"), (50, 50.0, 24.0, "network")],
)
def test_what_decides(workers: int, network: float | None, seconds: float, bound: str) -> None:
    found = reckon(Job(1000, 10, 0.2), Setup("", workers, 10.0, network))
    assert (found.seconds, found.bound) == (seconds, bound)
    assert found.shipped == (1200 if network else 0)


def test_the_page() -> None:
    page = scale_page.page(FOUND)
    assert "Test CPU, 2 cores, 2026-01-01" in page
    assert "| encode | 8.00 | 4.20 | 1.90 × |" in page
    assert "| the scheduler, one thread | 2.010 | +0.5% | 0.002 | 0.10% |" in page
    assert "| the scheduler, one process | 2.040 | +2.0% | 0.030 | 1.50% |" in page
    assert "32 streams are restored 9.0 times as fast as one" in page
    assert "| 2,000,000,000 | 303 | +1.0% | 100 |" in page
    assert "None of this was measured." in page
    assert page.index("## Measured") < page.index("## Reckoned")
    assert "aimed at and was not measured" in page
    # 100 GB at 1000 bytes a second on one process, 8 s for 8000 bytes: 3.2 years.
    assert "| -6 | 1 process | encode | 0.001 | 0 | 3.2 years | workers |" in page
    for part in page.split("\n\n"):
        lines = [line for line in part.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) <= 1


def test_the_page_has_what_was_measured_and_no_more() -> None:
    page = scale_page.page({"machine": MACHINE, "memory": MEMORY})
    assert "Memory" in page
    assert "Processes" not in page
    assert "## Reckoned" not in page
    measured = {"encode": 310_000.0, "decode": 1.0}
    assert "310,000 tokens a second in and 1 out for a GPU, as measured" in scale_page.page(
        {**FOUND, "gpu": measured}
    )


def test_publishing(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    with pytest.raises(CorpusError, match=r"scaling\.json is not there"):
        publish.publish_scale(tmp_path, tmp_path)
    (tmp_path / scaling.RESULTS).write_text(json.dumps(FOUND))
    assert publish.publish_scale(tmp_path, tmp_path) == [tmp_path / "docs" / "scale.md"]
    assert (tmp_path / "docs" / "scale.md").read_text("utf-8") == scale_page.page(FOUND)


def test_measuring_a_little(tmp_path: Path) -> None:
    """All that needs no model, on next to nothing."""
    text = tmp_path / "text"
    text.write_bytes(TEXT)
    parts = [f"--part={part}" for part in ("processes", "overhead", "memory")]
    small = ["--block-size=65536", "--repeat=1", "--sizes=20000,40000", "--threads=1"]
    command = [sys.executable, "-m", "ncz.corpora.scaling", "measure", str(text)]
    done = subprocess.run(
        [*command, f"--out={tmp_path}", *parts, *small], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / scaling.RESULTS).read_text())
    assert set(found) == {"machine", "processes", "overhead", "memory"}
    assert all(found["processes"]["encode"][count] > 0 for count in "12")
    assert 0 < found["processes"]["coded_size"] < 8 * 8192
    assert set(found["overhead"]) >= {"loop", "thread", "process", "alone"}
    peaks = found["memory"]["peaks"]
    assert [peaks[size]["raw_size"] for size in ("20000", "40000")] == [20_000, 40_000]
    assert all(peak["peak_bytes"] > 10 << 20 for peak in peaks.values())
    assert "Memory" in scale_page.page(found)


def test_measuring_streams(tiny_default_model: Path) -> None:
    with pytest.raises(CorpusError, match="do not make 32 streams; take more"):
        scaling.by_streams(TEXT, 300, 600)
    found = scaling.by_streams(TEXT, 300, 6000, streams=2)
    assert found["1"]["bytes"] == 300
    assert found["2"]["tokens"] > found["1"]["tokens"] > 0
    assert all(each["decode_tokens_s"] > 0 for each in found.values())


@pytest.mark.parametrize("module", [reckoning, synthetic])
def test_examples(module: object) -> None:
    result = doctest.testmod(module)  # type: ignore[arg-type]
    assert result.attempted > 0
    assert result.failed == 0
