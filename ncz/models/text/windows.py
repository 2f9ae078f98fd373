"""Which tokens a language model sees before the one it predicts.

A stream's tokens are read in windows. The first window codes as many tokens as it has places;
every later one re-reads the last of what came before and codes `hop` new ones. A window starts
with the model's own beginning and at its position 0, so no window depends on another's state:
the encoder computes any of them at once, and a decoder's memory never slides.

Streams other than a block's first start with the block's first `prefix` tokens in sight, which
tell them what the text is about; they wait until these are coded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ncz.codec import varint
from ncz.codec.errors import ModelError

MAX_STREAMS = 64
_MOST, _OF_WINDOW = 16, 2048  # streams: 380 MB of keys and values of the default model
_SQUARE = 625 * 10**6  # bytes²: 16 streams at 100 kB, 1 at 25 kB


@dataclass(frozen=True)
class Windows:
    """How a stream is cut into windows.

    Attributes:
        window: tokens that the model sees at most, its beginning included.
        hop: tokens that every window but the first codes.
        prefix: tokens of the block that all streams begin with.
    """

    window: int
    hop: int
    prefix: int

    def __post_init__(self) -> None:
        if not (1 <= self.hop < self.window <= 1 << 16 and 0 <= self.prefix < self.window):
            raise ValueError(f"no windows of {self.window} tokens by {self.hop}")

    def spans(self) -> Iterator[Span]:
        """The windows of a stream, without end."""
        yield Span(0, 0, self.window)
        first = self.window
        while True:
            yield Span(first - self.window + self.hop, first, first + self.hop)
            first += self.hop

    def check(self, name: str, longest: int) -> None:
        """Whether the model of that name, which reads at most `longest` tokens, can have them.

        Raises:
            ModelError: it cannot.
        """
        if self.window > longest:
            raise ModelError(
                f"the model {name!r} reads at most {longest} tokens and windows of "
                f"{self.window} are asked for; use another model"
            )

    def pack(self) -> bytes:
        """Its bytes in a header."""
        return b"".join(varint.encode(n) for n in (self.window, self.hop, self.prefix))


@dataclass(frozen=True)
class Span:
    """One window.

    Attributes:
        context: index of the first token in sight.
        first: index of the first token it codes.
        last: index after the last one.
    """

    context: int
    first: int
    last: int


def default_streams(size: int, window: int) -> int:
    """How many streams a block with `size` bytes of modelled text is cut into.

    A stream costs some 15 bytes at its start, and decoding is the faster the more there are. So
    texts of 100 kB and more get enough to be fast, and short ones, which are done soon, few. Who
    asks for a longer window wants a smaller file, and gets the fewer streams the longer it is: 2
    with one of 4,096 tokens.
    """
    most = min(_MOST, _MOST * _OF_WINDOW**3 // window**3)
    return max(1, min(size * size // _SQUARE, most))
