"""Records give back any stream, byte for byte; damaged ones end."""

import contextlib
import random
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncz.codec import varint
from ncz.codec.errors import FormatError
from ncz.formats.pixels import guess, tokens
from tests.formats.pixels import streams
from tests.formats.pixels.streams import Stream

_RNG = np.random.default_rng(3)
_STEPS = (np.cumsum(_RNG.integers(-2, 3, 30_000)) & 63).astype(np.uint8).tobytes()
_FEW = _RNG.integers(0, 3, 9_000, np.uint8).tobytes()
_CONTENTS = {
    "nothing": b"",
    "one": b"a",
    "zeros": bytes(9_000),
    "steps": _STEPS,
    "few": _FEW + bytes(300) + _FEW,
    "noise": _RNG.bytes(5_000),
}


def _array(content: bytes) -> np.ndarray:
    return np.frombuffer(bytearray(content), np.uint8)


def _record(plain: bytes, stream: bytes) -> int | None:
    """Size of a record, which was read again; None if there is none."""
    record = tokens.take(_array(plain), _array(stream))
    if record is None:
        return None
    assert tokens.put(_array(plain), record, len(stream)).tobytes() == stream
    return len(record)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(sorted(_CONTENTS)),
    st.integers(0, 9),
    st.integers(0, 4),
    st.integers(1, 9),
    st.integers(9, 15),
    st.sampled_from([zlib.Z_NO_FLUSH, zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH, zlib.Z_PARTIAL_FLUSH]),
)
def test_zlib(name: str, level: int, strategy: int, memory: int, window: int, flush: int) -> None:
    plain = _CONTENTS[name]
    made = zlib.compressobj(level, zlib.DEFLATED, -window, memory, strategy)
    half = len(plain) // 3
    stream = made.compress(plain[:half]) + made.flush(flush) + made.compress(plain[half:])
    stream += made.flush()
    size = _record(plain, stream)
    assert size is not None or len(stream) < 120


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False))
def test_anything(rng: random.Random) -> None:
    made = Stream()
    for _ in range(rng.randrange(5)):
        which = rng.randrange(4)
        some = streams.random_tokens(rng, len(made.plain), rng.choice((0, 1, 5, 300)))
        if which == 0:
            made.stored(rng.randbytes(rng.choice((0, 1, 200))), pad=rng.choice((0, 127)))
        elif which == 1:
            made.static(some)
        else:
            made.dynamic(some, rng=rng)
    made.static(streams.random_tokens(rng, len(made.plain), rng.choice((0, 20))), final=True)
    stream = made.done(rng.choice((0, 0, 127)))
    size = _record(bytes(made.plain), stream)
    assert size is not None or len(stream) < 4000


def test_what_zlib_makes_costs_nothing() -> None:
    for level in (4, 6, 9):
        stream = zlib.compress(_STEPS, level)[2:-4]
        size = _record(_STEPS, stream)
        assert size is not None and size < 60, level


def test_what_another_makes_costs_little() -> None:
    """Two levels in one stream, by blocks."""
    made = zlib.compressobj(9, zlib.DEFLATED, -15)
    other = zlib.compressobj(6, zlib.DEFLATED, -15, zdict=_STEPS)
    stream = made.compress(_STEPS) + made.flush(zlib.Z_FULL_FLUSH)
    stream += other.compress(_STEPS[::-1]) + other.flush()
    size = _record(_STEPS + _STEPS[::-1], stream)
    assert size is not None and size < len(stream) // 10


def test_not_a_stream() -> None:
    for stream in (b"", b"\x07", b"\xff" * 40, zlib.compress(_STEPS)[2:-30]):
        assert tokens.take(_array(_STEPS), _array(stream)) is None
    whole = zlib.compress(_STEPS)[2:-4]
    assert tokens.take(_array(_STEPS), _array(whole + b"\0")) is None
    assert tokens.take(_array(_STEPS[:-1]), _array(whole)) is None
    assert tokens.take(_array(_STEPS + b"\0"), _array(whole)) is None


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_damage_ends(data: st.DataObject) -> None:
    rng = random.Random(4)
    made = Stream()
    made.dynamic(streams.random_tokens(rng, 0, 200))
    made.stored(b"and so on", pad=5)
    made.dynamic(streams.random_tokens(rng, len(made.plain), 100), final=True)
    stream = made.done()
    plain = _array(bytes(made.plain))
    record = bytearray(tokens.take(plain, _array(stream)) or b"")
    assert record
    if data.draw(st.booleans()):
        record = record[: data.draw(st.integers(0, len(record) - 1))]
    else:
        place = data.draw(st.integers(0, len(record) - 1))
        record[place] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(FormatError):
        found = tokens.put(plain, bytes(record), len(stream))
        assert found.size == len(stream)
    with pytest.raises(FormatError):
        tokens.put(plain[:-3], bytes(record), len(stream) // 2)


def test_parameters_out_of_range() -> None:
    plain, stream = _array(_STEPS), zlib.compress(_STEPS, 7)[2:-4]
    record = tokens.take(plain, _array(stream))
    assert record is not None
    for bad in (b"", record[:5], b"\xff" * 40, b"\x7f" * 40, b"\0" * 40):
        with pytest.raises(FormatError, match="record"):
            tokens.put(plain, bad, len(stream))
    assert tokens.memory(plain.size, len(stream)) > plain.size


def _runs(size: int) -> bytes:
    """Bytes in which every search would look at thousands of places and hundreds of bytes there."""
    rng, out = random.Random(1), bytearray()
    while len(out) < size:
        out += bytes(rng.randrange(150, 250)) + bytes([rng.randrange(1, 250)])
    return bytes(out[:size])


_LONGEST = np.array([258, 258, 258, 4096, 2, guess.FAREST + 262, 15, guess.FAREST, 1], np.int64)


def test_steps_are_counted() -> None:
    content = _array(_runs(20_000))
    search = guess.search(_LONGEST)
    for at in range(len(content)):
        guess.guess(content, at, search)
        guess.advance(content, at, 1, search)
    spent = int(search.state[6])
    most = (1 << 22) + 4096 * len(content)
    assert 0.5 * most < spent < most + 2 * 4096 * 259 + 8 * 259 * len(content)
    easy = guess.search(_LONGEST)
    for at in range(5000):
        guess.guess(_array(_STEPS), at, easy)
        guess.advance(_array(_STEPS), at, 1, easy)
    assert 0 < easy.state[6] < 200 * 5000


def test_records_after_too_many_steps() -> None:
    """Literals, so that each byte is searched, and matches that are told by their distance."""
    content = _runs(20_000)
    made = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_HUFFMAN_ONLY)
    streams_ = [made.compress(content) + made.flush(), zlib.compress(content, 6)[2:-4]]
    rng = random.Random(5)
    some = Stream()
    some.static(streams.random_tokens(rng, 0, 9000), final=True)
    streams_.append(some.done())
    for stream, plain in zip(streams_, (content, content, bytes(some.plain)), strict=True):
        record = tokens._coded(_array(plain), _array(stream), _LONGEST, 0, len(plain))
        assert record is not None
        head = b"".join(varint.encode(int(n)) for n in _LONGEST) + b"\0"
        assert tokens.put(_array(plain), head + record, len(stream)).tobytes() == stream


def test_chains_of_no_length() -> None:
    """A fourth of a chain of one to three is none, and one place is looked at."""
    content = _array(_FEW)
    for chain in (1, 2, 3):
        how = _LONGEST.copy()
        how[0], how[3] = 0, chain
        search = guess.search(how)
        for at in range(len(content)):
            guess.guess(content, at, search)
            guess.advance(content, at, 1, search)
        assert search.state[6] <= 2 * 259 * len(content) < 9_000 * 600
