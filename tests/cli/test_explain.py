"""``ncz explain`` with a tiny random model in the default's place."""

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import ncz as library
from ncz.cli.explained import as_record, coloured, table
from ncz.models.text.explain import Explanation, TokenCost, Totals
from tests.golden.make import noise, text

from .conftest import Result
from .helpers import environment

Run = Callable[..., Result]
PROSE = text(500)


@pytest.fixture
def explain(ncz: Run, tiny_default_model: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """``explain("file", …)``: the command's result; ``prose.txt`` is there."""
    Path("prose.txt").write_bytes(PROSE)
    monkeypatch.delenv("NO_COLOR", raising=False)
    return lambda *args, **options: ncz("explain", *args, **options)


def said(result: Result) -> list[str]:
    """The lines on standard error; that something was compiled may be among them."""
    return [line for line in result.lines if not line.startswith("ncz: making ")]


def record(result: Result) -> dict:
    return json.loads(result.out)


def test_a_table_where_nobody_watches(explain: Run) -> None:
    result = explain("prose.txt")
    assert result.code == 0
    head, *rows = result.out.decode().splitlines()
    assert head.split() == ["offset", "bits", "model", "choice", "token"]
    offsets = [int(row.split()[0]) for row in rows]
    assert offsets[0] == 0
    assert offsets == sorted(set(offsets))
    assert b"\x1b" not in result.out
    assert said(result)[0].startswith("500 -> ")
    assert "bits per byte in the file" in said(result)[1]
    assert "the language model alone; contexts mixed in" in said(result)[2]
    assert "contexts alone, level 6" in said(result)[3]
    dearest = [float(line.split()[1]) for line in said(result)[6:]]
    assert len(dearest) == 10
    assert dearest == sorted((float(row.split()[1]) for row in rows), reverse=True)[:10]


def test_colours_where_they_are_asked_for(explain: Run) -> None:
    result = explain("prose.txt", "--color")
    shown = re.sub("\x1b\\[[0-9;]*m", "", result.out.decode())
    assert shown != result.out.decode()
    assert shown.replace("↵", "").startswith(PROSE.decode())
    assert "bits:  < 0.25 " in shown
    assert "the most expensive tokens" in shown
    assert said(result) == []


def test_json(explain: Run) -> None:
    found = record(explain("prose.txt", "--json"))
    assert found["ok"] and found["whole"]
    assert (found["file"], found["raw_size"]) == ("prose.txt", 500)
    assert "".join(token["text"] for token in found["tokens"]).encode() == PROSE
    assert sum(token["bits"] for token in found["tokens"]) == pytest.approx(found["bits"], abs=0.1)
    assert abs(found["bits"] / 8 - found["coded_size"]) < 2
    for token in found["tokens"]:
        assert len(token["alternatives"]) == 5
        if token["rank"] < 5:
            assert token["alternatives"][token["rank"]][0] == token["text"]


def test_standard_input(explain: Run) -> None:
    named = record(explain("prose.txt", "--json"))
    for args in (("-", "--json"), ("--json",)):
        piped = record(explain(*args, stdin=PROSE))
        assert piped["tokens"] == named["tokens"]


def test_the_start_of_a_long_file(explain: Run) -> None:
    result = explain("prose.txt", "--bytes", "100")
    assert said(result)[0] == (
        "ncz: prose.txt: the first 100 of 500 bytes (--bytes takes more or less)"
    )
    assert record(explain("prose.txt", "--bytes", "100", "--json"))["raw_size"] == 100
    assert not record(explain("prose.txt", "--bytes", "499", "--json"))["whole"]
    assert record(explain("prose.txt", "--bytes", "500", "--json"))["whole"]
    piped = explain("--bytes", "100", stdin=PROSE)
    assert said(piped)[0].startswith("ncz: standard input: the first 100 bytes (")


@pytest.mark.parametrize("size", range(1, 9))
def test_no_character_is_cut(explain: Run, size: int) -> None:
    Path("a").write_text("é日😀.", encoding="utf-8")
    found = record(explain("a", "--bytes", str(size), "--json"))
    raw = "é日😀.".encode()[: found["raw_size"]]
    if size > 1:  # which is less than there is of a character
        assert raw.decode()
        assert size - 3 <= len(raw) <= size


def test_the_page(explain: Run) -> None:
    result = explain(str(Path("prose.txt").resolve()), "--html", "out.html")
    assert (result.code, result.out) == (0, b"")
    assert said(result)[0].startswith("500 -> ")
    page = Path("out.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "Where the bits of prose.txt go" in page
    assert explain("prose.txt", "--html", "-", "-q").out.decode() == page
    both = record(explain("prose.txt", "--html", "other.html", "--json"))
    assert both["output"] == "other.html"
    assert Path("other.html").read_text(encoding="utf-8") == page


def test_a_page_is_not_overwritten_unless_asked(explain: Run) -> None:
    Path("out.html").write_text("mine")
    refused = explain("prose.txt", "--html", "out.html")
    assert refused.code == 1
    assert said(refused) == [
        "ncz: prose.txt: out.html already exists: use -f to overwrite it"
    ]  # before any work
    assert Path("out.html").read_text() == "mine"
    assert explain("prose.txt", "--html", "out.html", "-f").code == 0
    assert Path("out.html").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty: there is nothing to explain"),
        (library.compress(b"x"), "is compressed already: name the file that it was made from"),
        (
            noise(20_000),
            "is binary, or text that the language model does not pay for: all levels code it by "
            "contexts alone, and there are no tokens to explain",
        ),
    ],
)
def test_what_has_no_tokens(explain: Run, content: bytes, sentence: str) -> None:
    Path("a").write_bytes(content)
    result = explain("a", "-q", "--html", "out.html")
    assert (result.code, result.lines) == (1, [f"ncz: a: {sentence}"])
    assert not Path("out.html").exists()


def test_nothing_is_fetched_for_what_has_no_tokens(
    explain: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NCZ_CACHE", "empty")
    Path("a").write_bytes(noise(20_000))
    assert "is binary" in explain("a", "-q").err
    assert not Path("empty").exists()


def test_bad_use(explain: Run) -> None:
    assert explain("missing").lines == ["ncz: missing: no such file"]
    assert explain(".").lines == ["ncz: .: is a directory: name one of the files in it"]
    assert explain("prose.txt", "--bytes", "0").code == 2
    unknown = explain("prose.txt", "--model", "nobody")
    assert unknown.code == 4
    assert "nobody" in unknown.err


def test_only_what_is_asked_for(explain: Run) -> None:
    assert explain("prose.txt", "-q", "--bytes", "100").err == ""


@pytest.mark.slow  # a process that loads everything anew
@pytest.mark.parametrize("flag", [None, "--no-color", "--no-progress"])
def test_on_a_terminal(explain: Run, tmp_path: Path, flag: str | None) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.models.default",
            "explain",
            "prose.txt",
            *filter(None, [flag]),
        ],
        cwd=tmp_path,
        stdout=theirs,
        stderr=theirs,
        env={**environment(), "TERM": "xterm", "COLORTERM": "truecolor"},
    )
    os.close(theirs)
    pieces = []
    with contextlib.suppress(OSError):  # the other end is closed
        while piece := os.read(ours, 1 << 16):
            pieces.append(piece)
    os.close(ours)
    assert process.wait(60) == 0
    seen = b"".join(pieces).decode()
    assert ("\x1b[48;2;" in seen) == (flag != "--no-color")
    assert ("prose.txt: 100%|" in seen) == (flag != "--no-progress")
    assert "bits per byte in the file" in seen


def made(*tokens: TokenCost) -> Explanation:
    size = sum(len(token.text) for token in tokens)
    return Explanation(tokens, Totals(size, size, len(tokens), 8.0 * size, 8.0, 9.0, 0))


def test_odd_bytes_in_every_form() -> None:
    found = made(
        TokenCost(b"\x1b[2J", 3.0, 2.0, 4, ((b"\xf0\x9f", 0.5),)),
        TokenCost("é".encode()[:1], 3.0, 2.0, 1, ()),
        TokenCost("é".encode()[1:] + b"\n\n", 1.0, 1.0, 0, ()),
        TokenCost(b"\xff", 9.0, None, -1, ()),
    )
    assert [row.split(maxsplit=4)[1:] for row in table(found)][1:] == [
        ["3.00", "2.00", "5", "“⟨1B⟩[2J”"],
        ["3.00", "2.00", "2", "“⟨C3⟩”"],
        ["1.00", "1.00", "1", "“⟨A9⟩↵↵”"],
        ["9.00", "-", "-", "“⟨FF⟩”"],
    ]
    lines = list(coloured(found))
    plain = [re.sub("\x1b\\[[0-9;]*m", "", line) for line in lines]
    assert plain[:3] == ["⟨1B⟩[2Jé↵", "↵", "⟨FF⟩"]
    written = as_record(found)["tokens"]
    assert [token["text"] for token in written] == ["\x1b[2J", "\\xc3", "\\xa9\n\n", "\\xff"]
    assert written[0]["alternatives"] == [["\\xf0\\x9f", 0.5]]
    assert (written[3]["rank"], written[3]["model_bits"], written[3]["share"]) == (None, None, 1.0)
