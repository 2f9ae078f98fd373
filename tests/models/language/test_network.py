"""A token's residual is the same bits, however it was come by, and close to what floats give."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from ncz.models import weights
from ncz.models.language import exact, network, plain, products
from ncz.models.language.exact import Exact, Layer, Linear
from ncz.models.language.network import Network
from ncz.models.language.room import Room
from ncz.models.language.sharing import Sharing
from tests.models.language import older, reference, tiny
from tests.models.language.test_products import INT8

BOTH = pytest.mark.parametrize("architecture", ["llama", "gemma3"])
ENGINES = pytest.mark.parametrize("engine", [Network, plain.Network])

# SHA-256 of the logits (int32, little-endian) and then the rows' units (float32) for
# tokens() through tiny models. A change means that older files no longer decode.
GOLDEN = {
    "llama": "1a4441418f71174f0b8da6eef33dfbe1a4a18266e2cd608688617c58662facac",
    "gemma3": "8e629e40bafb5d8860b2d25fd64088afe289d9ae0499e36c26b44db8a9d99ec4",
}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tokens(count: int, seed: int = 5) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(seed)).integers(0, 280, count)


@functools.cache
def extreme(architecture: str) -> Exact:
    """Zero rows and columns, large outliers, rows that are all alike, scales far apart."""

    def hurt(linear: Linear) -> Linear:
        weight, scale = linear.weight.copy(), linear.scale.copy()
        weight[::7] = 0
        weight[3::11] = 127
        weight[5::13] = -127
        weight[:, 2] = 0
        scale[1::5] *= np.float32(300)
        scale[2::5] *= np.float32(1e-6)
        return Linear(weight, scale)

    def layer(old: Layer) -> Layer:
        parts = {
            name: hurt(value) for name, value in vars(old).items() if isinstance(value, Linear)
        }
        norm = old.norm_mid.copy()
        norm[4] = 1e6
        norm[5] = -3
        norm[6] = 0
        return dataclasses.replace(old, **parts, norm_mid=norm)

    model = tiny.model(architecture, seed=2)
    embedding = hurt(model.embedding)
    embedding.weight[40:60] = 0  # whose residuals begin as nothing
    embedding.scale[60:80] = 1e-35
    layers = tuple(map(layer, model.layers))
    return dataclasses.replace(model, embedding=embedding, layers=layers)


@functools.cache
def whole(model_of: str, architecture: str) -> np.ndarray:
    """What reading 150 tokens at once gives; the longest of all windows here."""
    model = tiny.model(architecture) if model_of == "random" else extreme(architecture)
    made = Network(model)
    return made.read(made.cache(1, 150), 0, tokens(150))


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


MODELS = pytest.mark.parametrize("model_of", ["random", "extreme"])


def model(model_of: str, architecture: str) -> Exact:
    return tiny.model(architecture) if model_of == "random" else extreme(architecture)


@BOTH
@MODELS
def test_token_by_token_as_at_once(architecture: str, model_of: str) -> None:
    made = Network(model(model_of, architecture))
    cache = made.cache(1, 150)
    stream = np.zeros(1, np.int64)
    for at, token in enumerate(tokens(150)[:, None]):
        x = made.step(cache, stream, token, np.array([at]))
        assert same(x[0], whole(model_of, architecture)[at])


@BOTH
@MODELS
def test_one_stream_as_beside_63_others(architecture: str, model_of: str) -> None:
    made = Network(model(model_of, architecture))
    cache = made.cache(64, 150)
    place = np.arange(64) * 2 % 97  # streams as far as they happen to be
    for s in range(64):
        if s != 40:
            made.read(cache, s, tokens(place[s] + 1, seed=s)[:-1])
    made.read(cache, 40, tokens(150)[: place[40]])
    streams = np.random.Generator(np.random.PCG64(9)).permutation(64)
    now = np.array([tokens(place[s] + 1, seed=s)[-1] for s in streams])
    now[streams == 40] = tokens(150)[place[40]]
    x = made.step(cache, streams, now, place[streams])
    assert same(x[streams == 40][0], whole(model_of, architecture)[place[40]])


@BOTH
@ENGINES
@pytest.mark.parametrize("cuts", [[1, 2, 3, 16, 17, 100], [11, 12, 13, 24], [149]])
def test_read_in_pieces(architecture: str, engine: type, cuts: list[int]) -> None:
    made = engine(tiny.model(architecture))
    cache = made.cache(2, 150)
    parts, start = [], 0
    for piece in np.split(tokens(150), cuts):
        parts.append(made.read(cache, 1, piece, start))
        start += piece.size
    assert same(np.concatenate(parts), whole("random", architecture))


@BOTH
@ENGINES
def test_chunks_and_attention_blocks_end_anywhere(
    architecture: str, engine: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "CHUNK", 50)
    made = engine(tiny.model(architecture))
    made.sizes = Room(rows=50, scores=4 * 150 * 3)
    x = made.read(made.cache(1, 150), 0, tokens(150))
    assert same(x, whole("random", architecture))


@BOTH
@ENGINES
def test_what_a_cache_held_before_is_forgotten(architecture: str, engine: type) -> None:
    made = engine(tiny.model(architecture))
    cache = made.cache(1, 200)
    made.read(cache, 0, tokens(200, seed=1))
    assert same(made.read(cache, 0, tokens(150)), whole("random", architecture))


@BOTH
def test_windows_alone_as_one_after_another(architecture: str) -> None:
    made = Network(tiny.model(architecture))
    cache = made.cache(1, 150)
    together = [made.read(cache, 0, tokens(n, seed=n)) for n in (150, 40, 97)]
    for n, x in zip((150, 40, 97), together, strict=True):
        fresh = Network(tiny.model(architecture))
        assert same(x, fresh.read(fresh.cache(1, n), 0, tokens(n, seed=n)))


@BOTH
def test_threads_with_a_cache_each_and_with_streams_of_one(architecture: str) -> None:
    made = Network(tiny.model(architecture), threads=4)
    share = Sharing(4)
    caches = [made.cache(1, 150) for _ in range(4)]
    for x in share.all(lambda cache: made.read(cache, 0, tokens(150)), caches):
        assert same(x, whole("random", architecture))
    cache = made.cache(40, 2)
    streams, zeros = np.arange(40), np.zeros(40, np.int64)
    groups = np.array_split(streams, 4)
    some = share.all(lambda s: made.step(cache, s, tokens(40)[s], zeros[s]), groups)
    assert same(np.concatenate(some), made.step(cache, streams, tokens(40), zeros))


@BOTH
@ENGINES
def test_streams_that_begin_alike(architecture: str, engine: type) -> None:
    made = engine(tiny.model(architecture))
    cache = made.cache(3, 150)
    made.read(cache, 0, tokens(150)[:70])
    cache.share_first(70)
    made.read(cache, 0, tokens(80, seed=1), 70)
    for stream in (1, 2):
        x = made.read(cache, stream, tokens(150)[70:], 70)
        assert same(x, whole("random", architecture)[70:])


@BOTH
@ENGINES
def test_streams_that_begin_alike_go_on_together(architecture: str, engine: type) -> None:
    made = engine(tiny.model(architecture))
    cache = made.cache(20, 150)
    made.read(cache, 0, tokens(70))
    cache.share_first(70)
    streams = np.arange(20)
    said = np.stack([np.concatenate([tokens(70), tokens(4, seed=s)]) for s in range(20)])
    for place in range(70, 74):
        x = made.step(cache, streams, said[:, place], np.full(20, place))
    again = made.cache(1, 150)
    for s in range(20):
        assert same(made.read(again, 0, said[s])[-1:], x[s : s + 1])
    # One that begins anew has its own.
    assert same(made.read(cache, 7, tokens(150)), whole("random", architecture))
    last = made.step(cache, streams[:2], tokens(2), np.full(2, 74))
    assert same(made.read(again, 0, np.append(said[1], tokens(2)[1]))[-1:], last[1:])


@BOTH
@ENGINES
@MODELS
@pytest.mark.parametrize("way", [INT8, products.Float32])
def test_every_way_to_multiply(architecture: str, engine: type, way: type, model_of: str) -> None:
    made = engine(model(model_of, architecture), way=way())
    x = made.read(made.cache(1, 150), 0, tokens(150))
    assert same(x, whole(model_of, architecture))


@BOTH
@MODELS
def test_plain_operations_as_compiled(architecture: str, model_of: str) -> None:
    made = plain.Network(model(model_of, architecture))
    cache = made.cache(3, 150)
    wanted = whole(model_of, architecture)
    assert same(made.read(cache, 0, tokens(150)), wanted)
    # Streams of different lengths in one step: the shorter ones do not see the longer ones' room.
    for s, start in enumerate((149, 3, 77)):
        made.read(cache, s, tokens(150)[:start])
    place = np.array([77, 149, 3])
    x = made.step(cache, np.array([2, 0, 1]), tokens(150)[place], place)
    assert same(x, wanted[place])
    compiled = Network(model(model_of, architecture))
    last = compiled.model.norm
    top = Linear(compiled.model.embedding.weight[::2].copy(), compiled.model.embedding.scale[::2])
    plainly, units = made.product(wanted, made.prepare(top), last)
    product, same_units = compiled.product(wanted, compiled.prepare(top), last)
    assert same(plainly, np.ascontiguousarray(product[:, : top.scale.size]))
    assert same(units, same_units)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@BOTH
@MODELS
def test_cuda_as_the_cpu(architecture: str, model_of: str) -> None:
    made = plain.Network(model(model_of, architecture), "cuda")
    cache = made.cache(2, 150)
    wanted = whole(model_of, architecture)
    assert same(made.read(cache, 0, tokens(150)), wanted)
    made.read(cache, 1, tokens(150)[:60])
    place = np.array([60, 149])
    assert same(made.step(cache, np.array([1, 0]), tokens(150)[place], place), wanted[place])


@ENGINES
def test_places_that_are_not_there(engine: type) -> None:
    made = engine(tiny.model())
    with pytest.raises(ValueError, match="the model knows 512"):
        made.cache(1, 513)
    cache = made.cache(1, 8)
    with pytest.raises(ValueError, match="position 8 in a cache of 8"):
        made.read(cache, 0, tokens(4), 5)
    with pytest.raises(ValueError, match="position 9 in a cache of 8"):
        made.step(cache, np.zeros(1, np.int64), tokens(1), np.array([9]))


def test_the_size_of_a_cache() -> None:
    made = tiny.model("gemma3")
    cache = network.Cache(made, 3, 20)
    assert network.Cache.memory(made, 3, 20) == sum(a.nbytes for a in cache.past)


@BOTH
def test_close_to_floats(architecture: str) -> None:
    tensors = tiny.tensors(architecture)
    tensors |= {name: rounded(value) for name, value in tensors.items() if value.ndim == 2}
    wanted = reference.run(tensors, tiny.CONFIG[architecture], tokens(150))
    error = whole("random", architecture) - wanted
    error = np.linalg.norm(error, axis=1) / np.linalg.norm(wanted, axis=1)
    # The noise of 8-bit keys. A window one token longer gives 0.4, another base of rotation 0.6.
    assert np.median(error) < 0.03
    assert error.max() < 0.1


def rounded(weight: np.ndarray) -> np.ndarray:
    """To what int8 with a scale per row can say."""
    scale = np.abs(weight).max(axis=1, keepdims=True) / 127
    return np.rint(weight / scale) * scale


@BOTH
def test_golden_logits(architecture: str) -> None:
    made = Network(tiny.model(architecture))
    assert logits_digest(made, whole("random", architecture)) == GOLDEN[architecture]


def logits_digest(made: Network, x: np.ndarray) -> str:
    """Of the logits and the rows' units, little-endian."""
    table = made.model.embedding
    product, units = made.product(x, made.prepare(table), made.model.norm)
    product = product[:, : table.scale.size]
    return hashlib.sha256(
        product.astype("<i4").tobytes() + units.astype("<f4").tobytes()
    ).hexdigest()


# Of the default model, for 64 tokens: computed from the weights that its digest names.
DEFAULT_GOLDEN = "aff4a66027424a3aa8b0d0a890084f966e5184df27cd1a3a084cbfa0eda79e3d"


def test_golden_logits_of_the_default_model() -> None:
    installed = weights.have(weights.default().name)
    if installed is None:
        pytest.skip("the default model is not installed")
    made = Network(exact.load(installed.path))
    some = tokens(64) * 173 % made.model.embedding.scale.size
    x = made.read(made.cache(1, 64), 0, some)
    assert logits_digest(made, x) == DEFAULT_GOLDEN


@pytest.mark.slow
def test_an_older_processor_gives_the_same(tmp_path: Path) -> None:
    """No wide vectors, no byte products: all the libraries' and the compiler's other ways."""
    libraries = {"ONEDNN_MAX_CPU_ISA": "SSE41", "ATEN_CPU_CAPABILITY": "default"}
    older.passes(__file__, "golden or plain_operations", tmp_path, more=libraries)
