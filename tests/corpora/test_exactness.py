"""The same files under other settings: what is asked, compared, and written down."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import ncz
from ncz.codec import crew
from ncz.corpora import agreement, exactness, probe, settings
from ncz.corpora.agreement import File, Python, Row
from ncz.corpora.probe import Case, Knobs
from ncz.corpora.registry import CorpusError
from ncz.corpora.settings import Setting
from ncz.models.language import devices, products

MIXED = bytes(range(256)) * 4 + b"It was the best of times, it was the worst of times. " * 60
TEXT = b"It was the best of times, it was the worst of times, it was the age of wisdom. " * 8
HERE = {
    "python": "3.11.0",
    "machine": "x86_64",
    "features": ["sse2", "sse4.1", "avx", "avx2", "fma"],
    "numpy_features": ["AVX2"],
    "numpy": "2.0",
    "numba": "0.60",
    "libc": "glibc",
    "torch": "2.4",
    "mkl": True,
    "onednn": True,
    "gpus": [],
}
ROW = Row("one", "nothing", 2, 2, [], "", 1.5, {"numba": "1"})


@pytest.fixture
def within(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes are this one: what they are asked is done here, with no setting's effect."""

    def ask(self: Python, request: Any, setting: Setting = settings.FIRST) -> dict[str, Any]:
        if request is None:
            return dict(HERE)
        outcomes = [asdict(probe.work(Case(**case))) for case in request["cases"]]
        return {"outcomes": outcomes, "facts": {"python": "this"}}

    monkeypatch.setattr(Python, "ask", ask)


@pytest.fixture
def _as_before() -> Iterator[None]:
    yield
    devices.use(None)
    products.use(None)
    crew._cores = None


def some(folder: Path, level: int = 2) -> list[File]:
    return agreement.first([agreement.file(folder, "some", settings.BYTES, MIXED, level, 1024)])


def test_equal_bytes(tmp_path: Path, within: None) -> None:
    files = some(tmp_path)
    assert ncz.decompress(Path(files[0].case.coded).read_bytes()) == MIXED
    row = agreement.compare(Python(tmp_path), settings.FIRST, files)
    assert (row.coded, row.restored, row.differences, row.failure) == (1, 1, [], "")


def test_pictures(tmp_path: Path, within: None) -> None:
    files = agreement.first(agreement.pictures_of(tmp_path, exactness.picture(40)))
    assert [one.case.name for one in files] == ["pixels-6", "latents-25", "latents-75"]
    coders = [about["coders"] for about in exactness.described(files)]
    assert coders[0] == ["pixels"] and coders[1][0].startswith("latents image-")
    row = agreement.compare(Python(tmp_path), settings.FIRST, files)
    assert (row.coded, row.restored, row.differences, row.failure) == (3, 3, [], "")
    sizes = [Path(one.case.coded).stat().st_size for one in files[1:]]
    assert sizes[0] < sizes[1] < 40 * 40 * 3
    Path(files[1].case.coded).write_bytes(b"\x01\xff\xff")
    (difference,) = agreement.compare(Python(tmp_path), settings.FIRST, files).differences
    assert difference.startswith("latents-25 is restored to the latents of a picture")


def test_a_difference_is_found(tmp_path: Path, within: None) -> None:
    (file,) = some(tmp_path)
    row = agreement.compare(Python(tmp_path), settings.FIRST, [replace(file, coded="0" * 64)])
    assert row.differences == ["some is coded to other bytes"]
    Path(file.case.coded).write_bytes(ncz.compress(MIXED[1:], 1))
    row = agreement.compare(Python(tmp_path), settings.FIRST, [file])
    assert row.differences == ["some is restored to other bytes"]
    Path(file.case.coded).write_bytes(b"damaged" * 20)
    (difference,) = agreement.compare(Python(tmp_path), settings.FIRST, [file]).differences
    assert difference.startswith("some is restored to")
    assert "other bytes" not in difference, "it says what is wrong"


def test_what_is_not_run_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = some(tmp_path)
    python = Python(tmp_path)
    lacking = Setting("x", "y", lacking="this processor has no wings")
    assert agreement.compare(python, lacking, files).failure == "this processor has no wings"
    assert "no level" in agreement.compare(python, Setting("x", "y", settings.TEXT), files).failure
    monkeypatch.setattr(Python, "ask", lambda *_: {"error": "ended with 1: no"})
    row = agreement.compare(python, settings.FIRST, files)
    assert (row.failure, row.coded, row.differences) == ("ended with 1: no", 0, [])


@pytest.mark.parametrize(
    ("command", "failure"),
    [
        (("/nowhere/python",), "cannot be started"),
        ((sys.executable, "-c", "import sys; sys.exit('no luck')"), "ended with 1: no luck"),
        ((sys.executable, "-c", "import time; time.sleep(60)"), "took more than 1 s"),
    ],
)
def test_a_python_that_does_not_answer(
    tmp_path: Path, command: tuple[str, ...], failure: str
) -> None:
    assert failure in Python(tmp_path, command, limit_s=1 if "sleep" in command[-1] else 60).ask(
        None
    ).get("error", "")


def test_a_file_that_does_not_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "work", lambda case: probe.Outcome(case.name, "1", "2", "", 0.1))
    with pytest.raises(CorpusError, match="some does not come back"):
        some(tmp_path)


def test_files_by_level(tmp_path: Path) -> None:
    files = agreement.files_of(tmp_path, MIXED, TEXT * 5, [3, 6, 7, 9], small=600)
    assert {file.case.name: file.kind for file in files} == {
        "mixed-3": settings.BYTES,
        "mixed-6": settings.BYTES,
        "text-7": settings.TEXT,
        "text-9": settings.TEXT,
        "bytes-6": settings.SMALL_BYTES,
        "words-7": settings.SMALL_TEXT,
        "scripts-7": settings.TEXT,
    }
    by_name = {file.case.name: file.case for file in files}
    assert (by_name["text-7"].streams, by_name["text-9"].streams) == (4, None)
    assert Path(by_name["bytes-6"].raw).stat().st_size == 600
    assert by_name["scripts-7"].tables == unicodedata.unidata_version
    assert [file.kind for file in agreement.files_of(tmp_path, MIXED, TEXT, [4])] == [
        settings.BYTES,
        settings.SMALL_BYTES,
    ]


def test_other_tables_of_unicode_restore_and_code_nothing(tmp_path: Path) -> None:
    (file,) = some(tmp_path)
    outcome = probe.work(replace(file.case, tables="1.1"))
    assert (outcome.coded, outcome.restored) == ("", file.raw)


def test_texts(tmp_path: Path, tiny_default_model: Path, within: None) -> None:
    files = agreement.first(agreement.files_of(tmp_path / "files", MIXED, TEXT, [2, 7], small=300))
    rows = [
        agreement.compare(Python(tmp_path), Setting("x", "y", kind), files)
        for kind in (settings.ALL, settings.TEXT, settings.SMALL_TEXT, settings.SMALL_BYTES)
    ]
    assert [(row.coded, row.restored) for row in rows] == [(3, 3), (2, 2), (1, 1), (1, 1)]
    assert not any(row.differences for row in rows)


@pytest.mark.usefixtures("_as_before")
@pytest.mark.parametrize(
    "knobs",
    [
        Knobs(way="float32", cores=7, threads=3),
        Knobs(way="panels", cores=1),
        Knobs(device="plain"),
    ],
)
def test_knobs_change_the_way_and_not_the_bytes(
    tmp_path: Path, tiny_default_model: Path, knobs: Knobs
) -> None:
    from ncz.models.text import loading

    file = agreement.file(tmp_path, "words", settings.TEXT, TEXT, 7, streams=2)
    (first,) = agreement.first([file])
    loading._load.cache_clear()
    probe.set_knobs(knobs)
    outcome = probe.work(first.case, knobs.threads)
    assert (outcome.coded, outcome.restored, outcome.error) == (first.coded, first.raw, "")
    if knobs.way:
        assert probe.facts()["products"] == knobs.way
    assert devices.wanted() == knobs.device
    if knobs.cores:
        assert crew.cores() == knobs.cores
    loading._load.cache_clear()


def test_facts_tell_the_libraries() -> None:
    pytest.importorskip("torch")
    found = probe.facts()
    assert found["python"] and found["compiled for"] and found["torch"]
    here = probe.here()
    assert here["torch"] == found["torch"]
    if here["onednn"]:
        assert found.get("oneDNN", "isa")


def test_settings_have_names_of_their_own_and_reasons() -> None:
    every = settings.of_this_python(HERE)
    assert len({setting.name for setting in every}) == len(every) > 25
    assert all(setting.catches for setting in every)
    lacking = {setting.name for setting in every if setting.lacking}
    assert lacking == {
        "oneDNN up to AVX2_VNNI",
        *(f"oneDNN up to AVX512_CORE{more}" for more in ("", "_VNNI", "_BF16", "_AMX")),
        "the plain network, torch's vectors avx512",
    }
    bare = {**HERE, "torch": None, "features": [], "numpy_features": [], "libc": "musl"}
    left = {one.name for one in settings.of_this_python(bare) if not one.lacking}
    assert {"one thread", "compiled for any processor", "not compiled"} <= left
    assert not any("torch" in name or "oneDNN" in name for name in left)
    assert "the GPU cuda:0" in {
        setting.name for setting in settings.of_this_python({**HERE, "gpus": ["cuda:0"]})
    }


def test_settings_of_another_python() -> None:
    (alone,) = settings.of_another({**HERE, "torch": None, "machine": "aarch64"})
    assert alone.name == "Python 3.11.0, NumPy 2.0, numba 0.60, no torch, aarch64"
    assert len(settings.of_another(HERE)) == 5


def test_counts_add_up() -> None:
    missing = Row("two", "nothing", failure="not here")
    once = exactness.added({}, [ROW, missing], [{"name": "a", "bytes": 1}])
    assert (once["runs"], once["settings"], once["not_run"], once["coded"]) == (1, 1, 1, 2)
    found = Row("two", "nothing", 1, 1, ["x is coded to other bytes"], "", 2.0)
    more = [{"name": "b", "bytes": 2}, {"name": "a", "bytes": 3}]
    twice = exactness.added(json.loads(json.dumps(once)), [replace(ROW, facts={}), found], more)
    assert twice["files"] == [{"name": "a", "bytes": 3}, {"name": "b", "bytes": 2}]
    assert {name: twice[name] for name in ("runs", "settings", "not_run", "coded", "restored")} == {
        "runs": 2,
        "settings": 2,
        "not_run": 0,
        "coded": 5,
        "restored": 5,
    }
    assert (twice["differences"], twice["seconds"]) == (1, 5.0)
    assert twice["rows"][0]["facts"] == {"numba": "1"}
    kept = exactness.added(twice, [replace(missing, name="one")], [])
    assert (kept["settings"], kept["coded"]) == (2, 5)
    assert exactness.added({**twice, "ncz": "0.0"}, [ROW], [])["runs"] == 1


def test_the_command(tmp_path: Path, within: None) -> None:
    given = tmp_path / "given"
    given.write_bytes(MIXED)
    options = ["--out", str(tmp_path / "out"), "--levels", "2", "--mixed", str(given)]
    options += ["--side", "0"]
    done = CliRunner().invoke(
        exactness.main, [*options, "--text", str(given), "--python", "x", "--size", "3000"]
    )
    assert done.exit_code == 0, done.output
    assert "Python 3.11.0, NumPy 2.0" in done.output
    found = json.loads((tmp_path / "out" / exactness.RESULTS).read_text("utf-8"))
    assert found["differences"] == 0
    assert found["settings"] > 8
    assert found["coded"] == found["restored"] >= found["settings"]
    (about, _) = found["files"]
    assert (about["name"], about["bytes"], about["coders"]) == ("mixed-2", 3000, ["contextmix-2"])
    reasons = {row["name"]: row["failure"] for row in found["rows"]}
    assert reasons["products by int8"] == "no level that was asked for depends on it"
    assert "ncz models pull" in (
        CliRunner(env={"NCZ_CACHE": str(tmp_path / "empty")})
        .invoke(exactness.main, [*options[:2], "--levels", "7"])
        .output
    )


def test_a_python_that_is_not_one_is_a_row(tmp_path: Path, within: None) -> None:
    files = agreement.files_of(tmp_path, MIXED, TEXT, [2])
    other = Python(tmp_path, ("/nowhere/python9",))
    asked = Python.ask

    def ask(self: Python, *request: Any) -> dict[str, Any]:
        return {"error": "cannot be started"} if self == other else asked(self, *request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Python, "ask", ask)
        rows = list(exactness.run(Python(tmp_path), [other], files, "one thread"))
    assert [(row.name, row.failure) for row in rows] == [
        ("one thread", ""),
        ("another Python, python9", "cannot be started"),
    ]


def test_the_command_fails_where_bytes_differ(
    tmp_path: Path, within: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = agreement.first
    spoilt = lambda files: [replace(one, coded="0") for one in first(files)]  # noqa: E731
    monkeypatch.setattr(agreement, "first", spoilt)
    options = ["--out", str(tmp_path), "--levels", "2", "--only", "one*", "--size", "999"]
    done = CliRunner().invoke(exactness.main, [*options, "--side", "0"])
    assert done.exit_code == 1
    assert "DIFFERS" in done.output
    assert "mixed-2 is coded to other bytes" in done.output


@pytest.mark.slow
def test_processes_of_their_own(tmp_path: Path) -> None:
    """Settings that compile little, and this Python as if it were another one."""
    other = f"{sys.executable} -B"
    options = ["--levels", "2", "--size", "5000", "--side", "32", "--python", other]
    options += ["--out", str(tmp_path)]
    done = CliRunner().invoke(exactness.main, [*options, "--only", "[sP]*"])
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / exactness.RESULTS).read_text("utf-8"))
    rows = {row["name"]: row for row in found["rows"]}
    assert rows["seven threads"]["coded"] == rows["seven threads"]["restored"] == 4
    (another,) = (row for name, row in rows.items() if "numba" in name and ":" not in name)
    assert another["facts"]["python"] == probe.here()["python"]
    assert another["restored"] == 4
    assert (tmp_path / "exactness" / "package" / "ncz").samefile(Path(ncz.__file__).parent)
