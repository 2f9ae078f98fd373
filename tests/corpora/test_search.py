"""The search path: order, digests, gzip, the cache."""

import gzip
import hashlib
import os

import pytest

from ncz.corpora import search
from ncz.corpora.registry import CorpusFile

CONTENT = b"the quick brown fox " * 50


def wanted(name="fox.txt", content=CONTENT):
    return CorpusFile(name, len(content), hashlib.sha256(content).hexdigest())


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    monkeypatch.setenv(search.ENV_CORPORA, str(tmp_path / "mine"))
    monkeypatch.setenv("NCZ_CACHE", str(tmp_path / "cache"))
    return tmp_path


def put(path, content=CONTENT):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_nothing_anywhere(places):
    assert search.find(wanted()) is None
    assert search.search_path() == ()


def test_a_file_deep_in_a_folder_is_found(places):
    path = put(places / "mine" / "a" / "b" / "fox.txt")
    assert search.find(wanted()) == path


def test_the_users_folders_come_before_the_cache(places, monkeypatch):
    put(search.cache_folder() / "set" / "fox.txt")
    mine = put(places / "second" / "fox.txt")
    folders = os.pathsep.join([str(places / "absent"), "", str(places / "second")])
    monkeypatch.setenv(search.ENV_CORPORA, folders)
    assert search.find(wanted()) == mine


def test_the_cache_serves_when_the_folders_do_not(places):
    path = put(search.cache_folder() / "set" / "fox.txt")
    assert search.find(wanted()) == path


def test_another_content_of_the_same_name_and_size_is_passed_over(places):
    put(places / "mine" / "1" / "fox.txt", CONTENT[::-1])
    right = put(places / "mine" / "2" / "fox.txt")
    assert search.find(wanted()) == right
    right.unlink()
    assert search.find(wanted()) is None


def test_a_gzip_of_it_serves_and_the_users_folder_is_left_alone(places):
    packed = put(places / "mine" / "fox.txt.gz", gzip.compress(CONTENT, mtime=0))
    found = search.find(wanted())
    assert found is not None and found.read_bytes() == CONTENT
    assert search.cache_folder() in found.parents
    assert list((places / "mine").iterdir()) == [packed]
    assert search.find(wanted()) == found  # the second time from the cache


@pytest.mark.parametrize(
    "packed",
    [b"no gzip at all", gzip.compress(CONTENT, mtime=0)[:-9], gzip.compress(b"other", mtime=0)],
)
def test_a_gzip_that_is_damaged_or_another_is_passed_over(places, packed):
    put(places / "mine" / "fox.txt.gz", packed)
    assert search.find(wanted()) is None
    assert not list(places.rglob("*partial*"))


def test_the_cache_has_a_place_without_the_variable(monkeypatch):
    monkeypatch.delenv("NCZ_CACHE")
    assert "ncz" in search.cache_folder().parts
    assert search.cache_folder().is_absolute()
