"""The page about reliability, from whatever parts there are, and what coverage comes to."""

from __future__ import annotations

import doctest
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import ncz
from ncz.corpora import covered, kinds, publish, reliability_page, tally
from ncz.corpora.registry import CorpusError
from ncz.corpora.reliability_page import PARTS, failures, page

MACHINE = {"processor": "Test CPU", "cores": 2, "date": "2026-01-01", "python": "CPython 3.11"}
KILLS = {"kills": 1200, "kills_at_a_step": 700, "lost": 0, "failures": [], "seconds": 300.4}
ROOT = Path(__file__).parents[2]


def found(**parts: object) -> dict[str, dict[str, object]]:
    return {
        name: {**counts, "machine": {**MACHINE, "ncz": "1.2.3"}}  # type: ignore[dict-item]
        for name, counts in parts.items()
    }


def test_a_section_for_each_part_that_is_there() -> None:
    text = page(found(kills=KILLS))
    assert "## Kills\n" in text
    assert "## Soak" not in text
    assert "| [Kills](#kills) | kills | 1,200 | 1,000 | 0 |" in text
    assert "| kills at a step | 700 |" in text
    assert "There were **0**." in text
    assert "Again: `python -m ncz.corpora.kills --count 1000`." in text
    assert "ncz 1.2.3, CPython 3.11, Test CPU, 2 cores, last on 2026-01-01, 300 s in all." in text


def test_failures_are_shown() -> None:
    said = [f"seed {number}: a is gone" for number in range(25)]
    text = page(found(kills={**KILLS, "lost": 25, "failures": said}))
    assert "| 1,000 | 25 |" in text
    assert "There were **25**." in text
    assert "- seed 3: a is gone\n" in text
    assert "- and 5 more" in text
    assert "There was **1**." in page(found(soak={"seconds": 5.0, "lost": 1}))


def test_every_part_has_what_the_page_says_of_it() -> None:
    text = page(found(**{part.name: {part.count: 7} for part in PARTS}))
    for part in PARTS:
        assert f"## {part.title}\n\n{part.done}" in text
        assert part.failure in text
        assert f"`{part.repeat}`" in text
        assert failures(part, {}) is None, "what was not counted is not said to be 0"
        link = text.split(f"[{part.title}](#")[1].split(")")[0]
        assert f"\n## {part.title}\n".lower().replace(" ", "-").strip() == f"##-{link}"


def test_make_targets_that_the_page_names_exist() -> None:
    targets = (ROOT / "Makefile").read_text().split("\n")
    for part in PARTS:
        words = part.repeat.split()
        if words[0] == "make" and part.name != "fuzz":  # which has a folder of its own
            assert any(line.startswith(f"{words[1]}:") for line in targets)


def test_published(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="has no counts"):
        publish.publish_reliability(tmp_path, tmp_path)
    tally.add(tmp_path, "kills", KILLS)
    (tmp_path / "docs").mkdir()
    args = ["--reliability", "--root", str(tmp_path), str(tmp_path)]
    result = CliRunner().invoke(publish.main, args)
    assert result.exit_code == 0, result.output
    assert "| kills | 1,200 |" in (tmp_path / "docs" / "reliability.md").read_text()
    assert CliRunner().invoke(publish.main, [*args, "--scale"]).exit_code == 2


def file(lines: int, run: int, branches: int, taken: int) -> dict[str, object]:
    names = ("num_statements", "covered_lines", "num_branches", "covered_branches")
    return {"summary": dict(zip(names, (lines, run, branches, taken), strict=True))}


REPORT = {
    "files": {
        "ncz/codec/a.py": file(60, 60, 20, 18),
        "ncz/formats/b.py": file(10, 6, 10, 6),
        "ncz/formats/sub/c.py": file(0, 0, 0, 0),
        "ncz/cli/d.py": file(1000, 0, 0, 0),
    }
}


def test_coverage(tmp_path: Path) -> None:
    summary = covered.summary(REPORT)
    assert summary["codec_percent"] == 97.5
    assert summary["formats_percent"] == 60.0
    assert summary["percent"] == 90.0
    assert (summary["lines"], summary["branches_run"]) == (70, 24)
    path = tmp_path / "report.json"
    path.write_text(json.dumps(REPORT))
    for _ in range(2):
        result = CliRunner().invoke(covered.main, [str(path), "--out", str(tmp_path)])
        assert result.exit_code == 0, result.output
    kept = tally.read(tmp_path, "coverage")
    assert kept["percent"] == 90.0, "a measure replaces the one before"
    assert kept["compiled_lines"] > 60, "of the range coder"
    args = [str(path), "--out", str(tmp_path), "--at-least", "90.1"]
    assert "90.0 % is less than 90.1 %" in CliRunner().invoke(covered.main, args).output


def test_compiled_functions_are_those_that_numba_knows() -> None:
    from ncz.codec import rangecoder

    source = Path(rangecoder.__file__).read_text()
    dispatchers = [one for one in vars(rangecoder).values() if hasattr(one, "py_func")]
    assert covered.compiled(source)[0] == len(dispatchers) > 4
    assert covered.compiled("@other\ndef f(): pass\n@x.jit\ndef g(): pass") == (0, 0)


@pytest.mark.parametrize("module", [covered, kinds])
def test_examples(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


def test_nothing_is_read_as_counts_that_is_none(tmp_path: Path) -> None:
    assert tally.read(tmp_path, "kills") == {}
    assert tally.put(tmp_path, "kills", {"n": 1})["machine"]["ncz"] == ncz.__version__
    assert reliability_page.page({"kills": tally.read(tmp_path, "kills")})
