"""Downloads, against a server on this machine that can cut a connection."""

import gzip
import hashlib
import io
import tarfile
import zipfile

import pytest

from ncz.corpora import download, search
from ncz.corpora.registry import Corpus, CorpusError, CorpusFile

from ..serving import Server

ONE, TWO = bytes(range(256)) * 4000, b"two " * 3000


@pytest.fixture
def server():
    with Server() as running:
        yield running


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NCZ_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(search.ENV_CORPORA, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def a_file(name, content):
    return CorpusFile(name, len(content), hashlib.sha256(content).hexdigest())


def a_set(packing, *urls, files=None):
    both = (a_file("one", ONE), a_file("two", TWO))
    return Corpus("test", "for tests", packing, urls, files or both)


def tarred(**members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(f"../{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def zipped(**members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"folder/{name}", content)
    return out.getvalue()


def left_over():
    return [path.name for path in search.cache_folder().rglob("*") if path.name.startswith(".")]


@pytest.mark.parametrize("packing", ["plain", "gzip", "tar", "zip"])
def test_every_packing(server, packing):
    if packing in ("tar", "zip"):
        pack = tarred if packing == "tar" else zipped
        server.content["/all"] = pack(one=ONE, other=b"not wanted", two=TWO)
        corpus = a_set(packing, f"{server.url}/all")
    else:
        change = gzip.compress if packing == "gzip" else bytes
        server.content = {"/one": change(ONE), "/two": change(TWO)}
        corpus = a_set(packing, server.url + "/{name}")
    said = []
    paths = download.fetch(corpus, corpus.files, said.append)
    assert paths["one"].read_bytes() == ONE and paths["two"].read_bytes() == TWO
    assert said and all(sentence.startswith("fetching http") for sentence in said)
    assert [search.find(file) for file in corpus.files] == [paths["one"], paths["two"]]
    assert left_over() == []
    # No path from inside an archive was used.
    assert {p.name for p in search.cache_folder().rglob("*") if p.is_file()} == {"one", "two"}


def test_a_cut_connection_is_gone_on_with(server):
    server.content["/one"] = ONE
    server.cuts = [300_000, 100_000]
    corpus = a_set("plain", server.url + "/{name}", files=(a_file("one", ONE),))
    paths = download.fetch(corpus, corpus.files)
    assert paths["one"].read_bytes() == ONE
    assert server.ranges == [None, "bytes=300000-", "bytes=400000-"]


def test_an_interrupted_run_is_gone_on_with(server, monkeypatch):
    server.content["/one"] = ONE
    server.cuts = [200_000] + [0] * 3
    corpus = a_set("plain", server.url + "/{name}", files=(a_file("one", ONE),))
    with pytest.raises(CorpusError, match="NCZ_CORPORA"):
        download.fetch(corpus, corpus.files)
    assert not (search.cache_folder() / "test" / "one").exists()
    assert len(left_over()) == 1
    paths = download.fetch(corpus, corpus.files)
    assert server.ranges[-1] == "bytes=200000-"
    assert paths["one"].read_bytes() == ONE
    assert left_over() == []


def test_a_download_that_had_arrived_whole_is_not_fetched_again(server):
    server.content["/one"] = ONE
    server.cuts = [len(ONE) - 1] + [0] * 3
    corpus = a_set("plain", server.url + "/{name}", files=(a_file("one", ONE),))
    with pytest.raises(CorpusError):
        download.fetch(corpus, corpus.files)
    (partial,) = (p for p in search.cache_folder().rglob(".*") if p.is_file())
    partial.write_bytes(ONE)
    assert download.fetch(corpus, corpus.files)["one"].read_bytes() == ONE


def test_a_server_without_ranges_starts_over(server):
    server.content["/one"] = ONE
    server.cuts = [300_000]
    server.knows_ranges = False
    corpus = a_set("plain", server.url + "/{name}", files=(a_file("one", ONE),))
    assert download.fetch(corpus, corpus.files)["one"].read_bytes() == ONE


@pytest.mark.parametrize("wrong", [ONE[:-1], ONE + b"!", ONE[:-1] + b"!"])
def test_another_content_is_refused_and_leaves_nothing(server, wrong):
    server.content["/one"] = wrong
    corpus = a_set("plain", server.url + "/{name}", files=(a_file("one", ONE),))
    with pytest.raises(CorpusError, match="another SHA-256"):
        download.fetch(corpus, corpus.files)
    assert not [path for path in search.cache_folder().rglob("*") if path.is_file()]


def test_the_second_address_serves_when_the_first_does_not(server):
    server.content = {"/b/all.zip": zipped(one=ONE, two=TWO), "/a/all.zip": b"no archive"}
    urls = [f"{server.url}/{place}/all.zip" for place in ("absent", "a", "b")]
    corpus = a_set("zip", *urls)
    assert download.fetch(corpus, corpus.files)["two"].read_bytes() == TWO


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (zipped(one=ONE), "does not hold two"),
        (zipped(one=ONE, two=TWO)[:-40], "no whole archive"),
        (zipped(one=ONE, two=ONE), "another SHA-256"),
    ],
)
def test_an_archive_that_will_not_do_is_one_sentence(server, content, reason):
    server.content["/all.zip"] = content
    corpus = a_set("zip", f"{server.url}/all.zip")
    with pytest.raises(CorpusError, match=reason) as caught:
        download.fetch(corpus, corpus.files)
    assert "\n" not in str(caught.value)
    assert left_over() == []


def test_no_server_is_one_sentence(server):
    corpus = a_set("plain", "http://127.0.0.1:1/{name}", files=(a_file("one", ONE),))
    with pytest.raises(CorpusError, match="cannot fetch the set test"):
        download.fetch(corpus, corpus.files)
