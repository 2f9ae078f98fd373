"""What levels mean: coders and models, and which header a file gets."""

import io

import pytest

import ncz
from ncz.codec.coder import CoderSpec, ModelRef
from ncz.codec.errors import ModelMissing
from ncz.formats import coders, levels
from ncz.models import weights

WORDS = b"it was the best of times and worst of all that you with his age in foolishness".split()
TEXT = b" ".join(WORDS[k * k % 97 % len(WORDS)] for k in range(160)) + b".\n"
BINARY = bytes(range(256)) * 20


@pytest.mark.parametrize("level", levels.MODEL_LEVELS)
def test_a_level_with_a_model_round_trips(tiny_default_model, level):
    coded = ncz.compress(TEXT, level)
    assert ncz.decompress(coded) == TEXT
    (block,) = ncz.info(io.BytesIO(coded)).blocks
    assert block.coder == f"text-{levels.WINDOWS[level][0]} with {tiny_default_model.stem}"


@pytest.mark.parametrize("level", levels.MODEL_LEVELS)
@pytest.mark.parametrize("raw", [b"", BINARY, bytes(5000)], ids=["empty", "binary", "zeros"])
def test_a_file_that_the_model_is_not_used_for_does_not_name_it(tiny_default_model, level, raw):
    assert ncz.compress(raw, level) == ncz.compress(raw, 6)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("tail", [b"", b"and a shorter block"])
def test_a_file_of_several_blocks_names_the_model(tiny_default_model, threads, tail):
    """Its header is written before anybody knows what the later blocks need."""
    raw = BINARY[:2048] + tail
    coded = ncz.compress(raw, 7, block_size=1024, threads=threads)
    assert ncz.decompress(coded) == raw
    assert len(ncz.info(io.BytesIO(coded)).members[0].models) == 1


def test_a_block_that_is_full_and_alone_gives_the_same_bytes_whenever_it_is_done():
    """Only its size says whether others may follow, never how soon it was ready."""
    compressor = ncz.Compressor(6, block_size=1024)
    pieces = compressor.compress(BINARY[:1024]) + compressor.flush()
    assert pieces == ncz.compress(BINARY[:1024], 6, block_size=1024, threads=2)


def test_a_level_whose_model_is_not_here(tiny_default_model):
    weights.remove(tiny_default_model.stem)
    with pytest.raises(ModelMissing) as caught:
        ncz.compress(TEXT, 7)
    sentence = str(caught.value)
    assert sentence.startswith(f"this level needs the model '{tiny_default_model.stem}'")
    assert f"ncz models pull {tiny_default_model.stem}; -6 needs none" in sentence
    assert ncz.decompress(ncz.compress(TEXT, 6)) == TEXT


def test_the_library_never_takes_a_model_unasked(monkeypatch, tmp_path):
    monkeypatch.setenv("NCZ_CACHE", str(tmp_path))
    assert ncz.compress(TEXT) == ncz.compress(TEXT, levels.DEFAULT)
    assert levels.DEFAULT not in levels.MODEL_LEVELS


@pytest.mark.parametrize(
    ("sample", "suits"), [(TEXT, True), (BINARY, False), (b"", False), (b"a,1\n" * 50, False)]
)
def test_text_suits_the_model(sample, suits):
    assert levels.suits_model(sample) == suits


@pytest.mark.parametrize("level", [0, 10, -1])
def test_no_such_level(level):
    with pytest.raises(ValueError, match="levels are 1 to 9"):
        levels.plan(level)


class Fixed:
    """A coder that always gives the same, and notes that it was asked."""

    def __init__(self, coded, asked, number=9):
        self.coded, self.asked = coded, asked
        self.spec = CoderSpec(number, b"")

    def encode(self, raw):
        self.asked.append(self)
        return self.coded


@pytest.mark.parametrize(
    ("coded", "chosen"),
    [
        ((b"ab", b"abc"), (1, b"ab")),
        ((b"abc", b"ab"), (2, b"ab")),
        ((b"ab", b"cd"), (1, b"ab")),  # of equal ones the first, which is the quicker
        ((b"abcd", None), (0, b"raw!")),
        ((b"abcde", b"abcdef"), (0, b"raw!")),
    ],
)
def test_the_shortest_is_chosen(coded, chosen):
    asked = []
    tried = [Fixed(one, asked) for one in coded]
    assert levels.encode(levels.Plan((coders.store(), *tried), 4), b"raw!") == chosen
    assert asked == tried[::-1], "what takes longest comes first"


@pytest.mark.parametrize(
    ("saved", "block_size", "chosen"), [(50, 999, 1), (60, 999, 2), (1, 500, 2)]
)
def test_naming_a_model_counts_where_a_block_is_all_there_is(saved, block_size, chosen):
    one, two = Fixed(bytes(200), []), Fixed(bytes(200 - saved), [], coders.TEXT)
    model = ModelRef(bytes(32), "a model of 19 bytes")  # with digest, lengths and coder 54
    plan = levels.Plan((coders.store(), one, two), block_size, (model,))
    assert levels.encode(plan, bytes(500))[0] == chosen
