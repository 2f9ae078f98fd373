"""Streams are zlib's, byte for byte. Needs a classic zlib to compare with."""

import zlib

import numpy as np
import pytest

from ncz.formats.pixels.deflate import Parameters, agrees, deflate

_RNG = np.random.default_rng(3)
_CONTENTS = {
    "nothing": b"",
    "one": b"a",
    "zeros": bytes(40_000),
    "noise": _RNG.integers(0, 256, 40_000, np.uint8).tobytes(),
    "steps": (np.cumsum(_RNG.integers(-2, 3, 50_000)) & 255).astype(np.uint8).tobytes(),
    "few": _RNG.integers(0, 4, 70_000, np.uint8).tobytes(),
}
_CLASSIC = "ng" not in zlib.ZLIB_RUNTIME_VERSION


@pytest.mark.skipif(not _CLASSIC, reason="Python's zlib is another library")
@pytest.mark.parametrize("content", _CONTENTS)
@pytest.mark.parametrize("level", range(1, 10))
def test_it_is_zlibs(content: str, level: int) -> None:
    raw = _CONTENTS[content]
    for strategy in range(5):
        for memory, window in ((8, 15), (9, 9), (1, 12)):
            made = zlib.compressobj(level, zlib.DEFLATED, -window, memory, strategy)
            wanted = made.compress(raw) + made.flush()
            how = Parameters(level, strategy, memory, window)
            assert deflate(raw, how) == wanted, how


def test_agreement_is_of_the_whole_stream() -> None:
    raw = np.frombuffer(bytearray(_CONTENTS["steps"]), np.uint8)
    how = Parameters(6, 0, 8, 15)
    stream = np.frombuffer(bytearray(deflate(raw, how)), np.uint8)
    assert agrees(raw, how, stream)
    assert not agrees(raw, how, stream[:-1])
    assert not agrees(raw, how, np.append(stream, np.uint8(0)))
    other = stream.copy()
    other[-3] ^= 1
    assert not agrees(raw, how, other)


def test_any_parameters_inflate() -> None:
    for how in (Parameters(9, 0, 1, 9), Parameters(1, 4, 9, 15)):
        assert zlib.decompress(deflate(_CONTENTS["few"], how), -15) == _CONTENTS["few"]
