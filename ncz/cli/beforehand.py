"""What ``compress`` settles before it begins a file: level, model, and how long it will take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ncz.cli import quantities
from ncz.cli.reporting import Reporter
from ncz.codec.errors import NczError
from ncz.formats.levels import DEFAULT, DEFAULT_TEXT, MODEL_LEVELS

if TYPE_CHECKING:
    from ncz.codec.crew import Crew
    from ncz.formats.options import CompressOptions

HEAD = 64 << 10
"""Bytes of an input that its level is chosen by."""

_MEASURED = 4 << 10  # bytes that a language model is measured on, which takes a second or two
_WORTH_MEASURING = 64 << 10  # bytes; less is done before anybody wonders
_SAY_S = 60.0  # an estimate that is shorter is not said
_HINT_S = 180.0  # beyond it, faster levels are named


def level_for(head: bytes) -> int:
    """The level for content that begins with `head`, where the user named none."""
    from ncz.formats.levels import suits_model

    return DEFAULT_TEXT if suits_model(head) else DEFAULT


class Model:
    """The model of levels 7 to 9, fetched at most once in a run.

    Args:
        reporter: whether a bar may be shown,
        progress: and whether it is wanted.
    """

    def __init__(self, reporter: Reporter, *, progress: bool) -> None:
        self._watching = reporter if progress else replace(reporter, quiet=True)
        self._failure: NczError | None = None

    def bring(self) -> None:
        """See that it is on this machine.

        Raises:
            ModelError: it cannot be had; the sentence says what to do.
        """
        from ncz.cli.pulling import ask, stages
        from ncz.models import weights

        if self._failure is not None:
            raise self._failure
        name = weights.default().name
        if weights.have(name) is not None:
            return
        try:
            with stages(name, self._watching) as report:
                weights.ensure(name, report, ask)
        except NczError as error:
            self._failure = error  # another file has not to wait for it again
            raise


def estimate(
    options: CompressOptions,
    head: bytes,
    size: int,
    say: Callable[[str], None],
    crew: Crew | None = None,
) -> None:
    """Say how long compressing takes, if it is long; its model is here.

    Args:
        options: how it will be compressed.
        head: the content's first bytes.
        size: of the content.
        say: is told the sentence.
        crew: who will do the work; one of them is asked how fast it is.
    """
    if options.level not in MODEL_LEVELS or size < _WORTH_MEASURING:
        return
    from ncz.codec.pipeline import once
    from ncz.formats import levels

    measure = partial(_seconds, options, head)
    found = measure(size) if crew is None else once(measure, size, crew)
    blocks = -(-size // levels.size_of_blocks(options.level, options.block_size))
    seconds, faster = (each / min(crew.size if crew else 1, blocks) for each in found)
    if seconds < _SAY_S:
        return
    sentence = f"this takes {quantities.duration(seconds)}"
    if seconds >= _HINT_S:
        sentence += f"; -{DEFAULT} takes {quantities.duration(faster)}, and -3 less"
    say(sentence)


def _seconds(options: CompressOptions, head: bytes, size: int) -> tuple[float, float]:
    """Seconds that one worker takes for it all, as planned and, if that is long, at -6."""
    from ncz.formats.estimate import Calibration
    from ncz.formats.sample import Sample

    seconds = Calibration(Sample(size, head[-_MEASURED:])).seconds_in(options)
    if seconds < _HINT_S:
        return seconds, 0.0
    plain = replace(options, level=DEFAULT, streams=None, gguf=None)
    return seconds, Calibration(Sample(size, head)).seconds_in(plain)
