"""The list of named sets: complete, well formed, and true where the files are at hand."""

import hashlib
import os
import re

import pytest

from ncz.corpora import builtin, registry, search
from ncz.corpora.registry import CorpusError


@pytest.mark.parametrize("name", registry.names())
def test_a_set_is_well_formed(name):
    corpus = registry.named(name)
    assert corpus.files and corpus.urls and corpus.about
    assert corpus.packing in registry.PACKINGS
    names = [file.name for file in corpus.files]
    assert len(set(names)) == len(names)
    for file in corpus.files:
        assert re.fullmatch("[0-9a-f]{64}", file.sha256)
        assert file.size > 0
        assert "/" not in file.name and not file.name.startswith(".")
    for url in corpus.urls:
        assert re.match("https?://", url)
        assert ("{name}" in url) == (corpus.packing in ("plain", "gzip"))


def test_every_line_of_digests_belongs_to_a_set():
    assert set(registry._files()) == set(registry.names())


def test_one_content_has_one_digest():
    # ptt5 of Canterbury is pic of Calgary: two lists that were made apart agree.
    canterbury = {file.name: file for file in registry.named("canterbury").files}
    calgary = {file.name: file for file in registry.named("calgary").files}
    assert canterbury["ptt5"].sha256 == calgary["pic"].sha256
    assert canterbury["ptt5"].size == calgary["pic"].size == 513216


def test_a_digest_that_anyone_can_check():
    artificial = {file.name: file for file in registry.named("artificial").files}
    assert artificial["a.txt"].sha256 == hashlib.sha256(b"a").hexdigest()
    assert artificial["aaa.txt"].sha256 == hashlib.sha256(b"a" * 100_000).hexdigest()


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("canterbury", 2_810_784),
        ("canterbury-large", 11_159_482),
        ("silesia", 211_938_580),
        ("enwik8", 10**8),
        ("enwik9", 10**9),
    ],
)
def test_sizes_are_the_published_ones(name, size):
    assert registry.named(name).size == size


def test_an_unknown_set_is_named_with_those_that_exist():
    with pytest.raises(CorpusError, match=r"'nosuch'.*canterbury.*silesia"):
        registry.named("nosuch")


def test_no_name_means_two_sets():
    assert not set(registry.names()) & set(builtin.names())


@pytest.mark.skipif(not os.environ.get(search.ENV_CORPORA), reason="no development corpora")
@pytest.mark.parametrize("name", ["canterbury", "kodak", "mnist", "fashion-mnist"])
def test_files_at_hand_are_found_by_their_digest(name, tmp_path, monkeypatch):
    monkeypatch.setenv("NCZ_CACHE", str(tmp_path))
    found = [path for file in registry.named(name).files if (path := search.find(file))]
    if not found:
        pytest.skip(f"the development corpora have nothing of {name}")
    sizes = {file.name: file.size for file in registry.named(name).files}
    assert all(path.stat().st_size == sizes[path.name] for path in found)
