"""From names and paths to files."""

import hashlib

import pytest

from ncz.corpora import builtin, download, registry, search, select
from ncz.corpora.registry import Corpus, CorpusError, CorpusFile


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    monkeypatch.setenv("NCZ_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(search.ENV_CORPORA, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file(places):
    (places / "here").mkdir()
    (places / "here" / "a.txt").write_bytes(b"abc")
    (item,) = select.select("here/a.txt")
    assert (item.group, item.name, item.size) == ("here", "a.txt", 3)
    assert item.sha256 == hashlib.sha256(b"abc").hexdigest()
    assert item.path.read_bytes() == b"abc"


def test_a_folder_gives_every_file_below_it_that_is_not_empty(places):
    (places / "d" / "sub").mkdir(parents=True)
    (places / "d" / "b").write_bytes(b"b")
    (places / "d" / "sub" / "a").write_bytes(b"a")
    (places / "d" / "empty").touch()
    assert [item.name for item in select.select("d")] == ["b", "sub/a"]


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [("nothing-here", "neither a file, nor"), ("empty", "is empty"), ("bare", "holds no file")],
)
def test_what_cannot_be_measured_is_one_sentence(places, wanted, reason):
    (places / "empty").touch()
    (places / "bare").mkdir()
    with pytest.raises(CorpusError, match=reason):
        select.select(wanted)


def test_a_named_set_takes_what_is_here_and_fetches_the_rest(places, monkeypatch):
    files = tuple(
        CorpusFile(name, 3, hashlib.sha256(content).hexdigest())
        for name, content in (("one", b"111"), ("two", b"222"))
    )
    corpus = Corpus("canterbury", "", "tar", ("http://127.0.0.1:1/x",), files)
    monkeypatch.setattr(registry, "named", lambda name: corpus)
    (places / "mine").mkdir()
    (places / "mine" / "two").write_bytes(b"222")
    monkeypatch.setenv(search.ENV_CORPORA, str(places / "mine"))
    asked = []

    def fetch(corpus, files, notice):
        asked.extend(file.name for file in files)
        (places / "one").write_bytes(b"111")
        return {"one": places / "one"}

    monkeypatch.setattr(download, "fetch", fetch)
    items = select.select("canterbury")
    assert asked == ["one"]
    assert [(item.name, item.path.read_bytes()) for item in items] == [
        ("one", b"111"),
        ("two", b"222"),
    ]


def test_a_sets_name_wins_and_a_path_can_be_said_otherwise(places):
    (places / "builtin-text").write_bytes(b"a file of that name")
    assert select.select("builtin-text")[0].path != places / "builtin-text"
    assert select.select("./builtin-text")[0].size == 19


def test_builtin_has_real_data_of_every_kind():
    items = {item.name: item for item in select.select("builtin")}
    assert {"stdlib.py", "manual.txt", "licences.txt"} <= set(items)
    assert all(0 < item.size <= 1_000_000 for item in items.values())
    kinds = [name for name in builtin.names() if name != "builtin"]
    by_kind = [item.name for kind in kinds for item in select.select(kind)]
    assert sorted(by_kind) == sorted(items)
    assert items["photo.ppm"].path.read_bytes().startswith(b"P6")
    assert b"def " in items["stdlib.py"].path.read_bytes()


def test_builtin_is_made_once_and_repaired(places):
    (text, *_) = select.select("builtin-text")
    before = text.path.stat().st_mtime_ns
    assert select.select("builtin-text")[0].path.stat().st_mtime_ns == before
    text.path.write_bytes(b"damaged")
    assert select.select("builtin-text")[0].sha256 == text.sha256


def test_builtin_leaves_out_what_is_missing(monkeypatch):
    monkeypatch.setattr(builtin, "_package", lambda name: None)
    names = {item.name for item in select.select("builtin")}
    assert "stdlib.py" in names
    assert not {"photo.ppm", "photo.jpg", "font.ttf", "generator.so"} & names
    with pytest.raises(CorpusError, match="none of the files of the set builtin-photos"):
        select.select("builtin-photos")
