"""Every codec brings small data back, in a process like the one that measures."""

import random
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncz.codec.errors import MissingExtra
from ncz.corpora import measure, peers
from ncz.corpora.peers import Library, Program
from ncz.corpora.registry import CorpusError

LIBRARIES = [peer for peer in peers.PEERS if isinstance(peer, Library) and peer.available]
PROGRAMS = [peer for peer in peers.PEERS if isinstance(peer, Program) and peer.available]
NOISE = random.Random(1).randbytes(3000)
SAMPLES = [b"a", b"abc" * 1000, bytes(5000), NOISE]


@pytest.mark.parametrize("raw", SAMPLES, ids=["one", "text", "zeros", "noise"])
@pytest.mark.parametrize("peer", [*LIBRARIES, peers.ncz_at(1)], ids=lambda peer: peer.name)
def test_a_library_round_trips(peer, raw):
    assert peer.decode(peer.encode(raw), len(raw)) == raw


@pytest.mark.parametrize("peer", LIBRARIES, ids=lambda peer: peer.name)
@given(raw=st.binary(min_size=1, max_size=2000))
@settings(max_examples=40, deadline=None)
def test_a_library_round_trips_anything(peer, raw):
    assert peer.decode(peer.encode(raw), len(raw)) == raw


@pytest.mark.parametrize("peer", PROGRAMS, ids=lambda peer: peer.name)
def test_a_program_round_trips(peer, tmp_path):
    there, back = tmp_path / "there", tmp_path / "back"
    there.mkdir()
    back.mkdir()
    (there / "raw").write_bytes(NOISE + b"abc" * 1000)
    coded = there / f"coded.{peer.program}"
    inward = measure.timed_encode(peer, there / "raw", coded)
    outward = measure.timed_decode(peer, coded, back / "raw", 6000)
    assert (back / "raw").read_bytes() == (there / "raw").read_bytes()
    assert 0 < coded.stat().st_size < 6000
    assert inward.wall_s > 0 and outward.peak_bytes > 0


def test_a_library_is_timed_and_its_memory_counted(tmp_path):
    peer = peers.by_name("lzma-9e")
    raw, coded, back = tmp_path / "raw", tmp_path / "coded", tmp_path / "back"
    raw.write_bytes(b"some text " * 20_000)
    inward = measure.timed_encode(peer, raw, coded)
    outward = measure.timed_decode(peer, coded, back, 200_000)
    assert back.read_bytes() == raw.read_bytes()
    assert inward.wall_s > 0 and inward.warm_up_s > 0
    assert inward.peak_bytes > 1 << 20 and outward.peak_bytes > 1 << 20


def test_levels_with_a_model_count_its_tokens(tiny_default_model, tmp_path):
    peer = peers.by_name("ncz-7")
    raw, coded, back = tmp_path / "raw", tmp_path / "coded", tmp_path / "back"
    words = b"it was the best of times and worst of all that you with his age".split()
    raw.write_bytes(b" ".join(words[k * k % 97 % len(words)] for k in range(160)))
    inward = measure.timed_encode(peer, raw, coded)
    assert 160 < inward.tokens < raw.stat().st_size
    assert measure.timed_decode(peer, coded, back, raw.stat().st_size).tokens == 0
    assert back.read_bytes() == raw.read_bytes()
    raw.write_bytes(bytes(range(256)) * 10)
    assert measure.timed_encode(peer, raw, coded).tokens == 0
    assert measure.timed_encode(peers.by_name("ncz-1"), raw, coded).tokens == 0


def test_a_program_that_fails_says_what_it_said(tmp_path):
    peer = Program(
        "false",
        "false",
        "sh",
        lambda a, b: ["sh", "-c", "echo no luck >&2; exit 3"],
        lambda a, b: [],
    )
    with pytest.raises(RuntimeError, match="ended with 3: no luck"):
        measure.timed_encode(peer, tmp_path / "raw", tmp_path / "coded")


def test_choosing_by_family_and_by_name():
    assert [peer.name for peer in peers.chosen("zlib, zstd-22 ,bz2")] == [
        "zlib-9",
        "zstd-22",
        "bz2-9",
    ]
    assert [peer.name for peer in peers.chosen("zstd,zstd-22")] == ["zstd-3", "zstd-22"]


def test_an_unknown_peer_is_named_with_those_that_exist():
    with pytest.raises(CorpusError, match=r"'gzib'.*zlib.*zpaq"):
        peers.chosen("gzib")


def test_a_missing_package_is_one_sentence_with_the_extra(monkeypatch):
    monkeypatch.setattr(peers.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra) as caught:
        peers.chosen("ppmd")
    assert str(caught.value) == (
        "the peer ppmd needs an optional package: pip install 'ncz[bench]'"
    )


def test_a_missing_command_is_one_sentence(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(CorpusError, match="the command 'zpaq', which is not on the PATH"):
        peers.chosen("zpaq")
    assert all(isinstance(peer, Library) for peer in peers.defaults())


def test_names_are_unique_and_lead_back():
    names = [peer.name for peer in peers.PEERS]
    assert len(set(names)) == len(names)
    assert [peers.by_name(name) for name in names] == list(peers.PEERS)
    assert peers.by_name("ncz-3").name == "ncz-3"
    assert all(peer.version for peer in [*LIBRARIES, *PROGRAMS])
