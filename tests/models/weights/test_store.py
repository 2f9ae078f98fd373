import json
from dataclasses import replace

import pytest

from ncz.codec.errors import ModelMissing
from ncz.models.weights import named, store
from ncz.models.weights.store import Installed

from .making import CONTENT, left, sha


def put(name="small", content=CONTENT, **changes):
    """A model in its place."""
    fields = {
        "name": name,
        "digest": sha(content),
        "size": len(content),
        "licence": "free",
        "source": "/where/it/was.gguf",
        "source_sha256": sha(b"source of " + content),
        "checked": True,
        "description": "a small one",
    }
    model = Installed(**{**fields, **changes})
    work = store.work_folder(name)
    work.mkdir(parents=True, exist_ok=True)
    (work / "exact").write_bytes(content)
    store.publish(model, work / "exact")
    work.rmdir()
    return model


def test_nothing_is_here(models):
    assert store.installed() == []
    assert store.have("small") is None
    assert not models.exists()


def test_what_is_published_is_found():
    model = put()
    assert store.installed() == [model]
    assert store.have("small") == model
    assert store.damage(model) is None
    assert store.find(bytes.fromhex(model.digest)) == model.path
    assert model.path.read_bytes() == CONTENT


def test_models_are_found_by_digest_and_not_by_name():
    first, second = put("one"), put("two", CONTENT[:-1])
    assert [model.name for model in store.installed()] == ["one", "two"]
    assert store.find(bytes.fromhex(second.digest), "one") == second.path
    assert store.find(bytes.fromhex(first.digest), "other") == first.path


def test_two_of_one_name_stay_apart():
    first, second = put(), put(content=CONTENT[:-1])
    assert store.find(bytes.fromhex(first.digest)).read_bytes() == CONTENT
    assert store.find(bytes.fromhex(second.digest)).read_bytes() == CONTENT[:-1]
    assert store.remove("small") == sorted([first, second], key=lambda model: model.digest)
    assert store.installed() == []


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(CONTENT[:-1] + b"\0"),
        lambda path: path.write_bytes(CONTENT[:-1]),
        lambda path: path.write_bytes(b""),
    ],
)
def test_a_changed_file_is_refused_with_what_mends_it(change):
    model = put()
    change(model.path)
    with pytest.raises(ModelMissing) as caught:
        store.find(bytes.fromhex(model.digest))
    assert model.digest in str(caught.value)
    assert str(model.path) in str(caught.value)
    assert "ncz models pull /where/it/was.gguf --name small" in str(caught.value)
    known = put("gemma3-270m")
    change(known.path)
    change(model.path)
    with pytest.raises(ModelMissing, match=r"ncz models pull gemma3-270m$"):
        store.remove("small")
        store.find(bytes.fromhex(known.digest))


def test_a_file_that_is_gone_or_unreadable(monkeypatch):
    model = put()
    model.path.unlink()
    assert store.installed() == []
    assert "no such file" in str(store.damage(model)).lower()


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("gemma3-270m", "makes another gemma3-270m"),
        ("mine", "ncz models pull FILE --name mine"),
        ("", "--name NAME"),
        ("$(rm)\x1b[2J", "--name NAME"),
    ],
)
def test_a_missing_model_names_its_digest_and_a_command(name, advice):
    digest = bytes(range(32))
    with pytest.raises(ModelMissing) as caught:
        store.find(digest, name)
    assert digest.hex() in str(caught.value)
    assert advice in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert (caught.value.digest, caught.value.name) == (digest.hex(), name)


def test_a_missing_model_that_is_known_is_pulled():
    digest = named("gemma3-270m").exact_sha256
    assert digest is not None
    with pytest.raises(ModelMissing, match="get it with: ncz models pull gemma3-270m"):
        store.find(bytes.fromhex(digest), "gemma3-270m")


def test_a_known_name_with_another_digest_is_not_what_a_pull_gives(monkeypatch):
    known = replace(store.BUILTIN[1], exact_sha256=sha(CONTENT))
    monkeypatch.setattr(store, "BUILTIN", (known,))
    with pytest.raises(ModelMissing, match="ncz models pull gemma3-270m"):
        store.find(bytes.fromhex(sha(CONTENT)), "renamed")
    with pytest.raises(ModelMissing, match="this one makes another gemma3-270m"):
        store.find(bytes(32), "gemma3-270m")
    old = put("gemma3-270m", b"of an older ncz")
    assert store.have("gemma3-270m") is None
    assert store.find(bytes.fromhex(old.digest)) == old.path
    new = put("gemma3-270m")
    assert store.have("gemma3-270m") == new


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", json.dumps({"name": "../small"}), '{"name": "small", "x": 1}']
)
def test_a_damaged_record_counts_as_no_model(text):
    model = put()
    (model.path.parent / "record.json").write_text(text)
    assert store.installed() == []
    assert put() == store.have("small"), "and pulling it again replaces it"


def test_a_record_leads_nowhere_else(models):
    model = put()
    record = json.loads((model.path.parent / "record.json").read_text())
    for name in ("../small", "other"):
        (model.path.parent / "record.json").write_text(json.dumps({**record, "name": name}))
        assert store.installed() == []


def test_removing_takes_what_is_unfinished_too(models):
    put()
    (store.work_folder("small") / "wheel-0").mkdir(parents=True)
    (store.work_folder("small") / "wheel-0" / "part.whl").write_bytes(b"half")
    assert [model.name for model in store.remove("small")] == ["small"]
    assert left(models) == []
    assert store.remove("small") == []
