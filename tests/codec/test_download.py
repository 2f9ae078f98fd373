"""What the tests of corpora, which use the same, do not say of downloads."""

import http.client
import urllib.error

import pytest

from ncz.codec.download import discard, download, reason_of

from ..serving import Server

OLD, NEW = bytes(range(256)) * 4000, bytes(reversed(range(256))) * 4000


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as running:
        yield running


def interrupted(server, path, **options):
    """Leaves the first 200,000 bytes."""
    server.cuts = [200_000] + [0] * 3
    with pytest.raises(http.client.IncompleteRead):
        download(f"{server.url}/x", path, **options)
    assert path.read_bytes() == server.content["/x"][:200_000]


@pytest.mark.parametrize("checked", [True, False])
def test_another_version_is_not_mixed_in(server, tmp_path, checked):
    path = tmp_path / "x"
    server.content, server.tags = {"/x": OLD}, {"/x": '"1"'}
    interrupted(server, path, checked=checked)
    server.content, server.tags = {"/x": NEW}, {"/x": '"2"'}
    download(f"{server.url}/x", path, checked=checked)
    assert server.ranges[-1] == "bytes=200000-"
    assert path.read_bytes() == NEW
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("tag", "checked", "goes_on"),
    [
        ('"1"', True, True),
        ('"1"', False, True),
        (None, True, True),
        (None, False, False),
        ('W/"1"', False, False),
    ],
)
def test_what_is_gone_on_with(server, tmp_path, tag, checked, goes_on):
    path = tmp_path / "x"
    server.content = {"/x": OLD}
    server.tags = {"/x": tag} if tag else {}
    server.cuts = [200_000]
    download(f"{server.url}/x", path, checked=checked)
    assert server.ranges == [None, "bytes=200000-" if goes_on else None]
    assert path.read_bytes() == OLD


def test_progress_counts_what_was_there(server, tmp_path):
    path = tmp_path / "x"
    server.content = {"/x": OLD}
    interrupted(server, path)
    said = []
    download(f"{server.url}/x", path, lambda done, total: said.append((done, total)))
    assert said[0][0] > 200_000
    assert said[-1] == (len(OLD), len(OLD))
    assert said == sorted(said)


def test_discarding_takes_the_mark_too(server, tmp_path):
    server.content, server.tags = {"/x": OLD}, {"/x": '"1"'}
    interrupted(server, tmp_path / "x")
    discard(tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_reasons_are_short(server, tmp_path):
    with pytest.raises(urllib.error.HTTPError) as absent:
        download(f"{server.url}/absent", tmp_path / "x")
    assert reason_of(absent.value) == "Not Found"
    with pytest.raises(urllib.error.URLError) as closed:
        download("http://127.0.0.1:1/x", tmp_path / "x")
    assert reason_of(closed.value) == "Connection refused"
