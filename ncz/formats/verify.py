"""Verified writing: a block is decoded the way a reader will, before it is written.

Coders that are exact need no such check to be right, and get it where somebody asks for it: a
processor that computes wrongly, or a mistake in a coder, then shows while the input is still
there. The others are checked unless somebody asks for less, and a block that they do not give
back is left to the exact ones.

The work is the worker's, right after coding, so it is done side by side as coding is. It costs
the time that decoding takes, and room for the block once more.
"""

from __future__ import annotations

from ncz.codec import meter, notice
from ncz.codec.errors import FormatError, NczError
from ncz.formats import coders, levels
from ncz.formats.levels import Plan

HALVES = 2  # of the work on a block, for whoever watches: coding and decoding


def encode(plan: Plan, raw: bytes, known: levels.Coded | None = None) -> tuple[int, bytes]:
    """As :func:`ncz.formats.levels.encode`, and what `plan` wants verified gives `raw` back.

    Raises:
        NczError: it does not, and the coder is one that should.
    """
    if not any(map(plan.verifies, plan.coders)):
        return levels.encode(plan, raw, known)
    with meter.scaled(1, HALVES):
        index, coded = levels.encode(plan, raw, known)
    if not plan.verifies(plan.coders[index]) or gives_back(plan, index, coded, raw):
        return index, coded
    if plan.coders[index].exact:
        raise NczError(
            f"a block of {len(raw)} bytes was coded by {plan.coders[index].name} and did not come "
            "back, so nothing of it was written: please report it, with the output of ncz doctor"
        )
    notice.say(
        "llama.cpp did not compute the same twice, so a block is coded without it; "
        "do not rely on this build of it"
    )
    return encode(plan.lean(None), raw)  # the coders with models come last, so indices hold


def gives_back(plan: Plan, index: int, coded: bytes, raw: bytes) -> bool:
    """Whether `coded` is decoded to `raw` by what a header says of coder number `index`.

    Raises:
        NczError: the machine lacks what decoding needs.
        MemoryError: as it says.
    """
    half = len(raw) // HALVES
    with meter.counted(lambda: half), meter.scaled(half, max(1, len(coded))):
        try:
            coder = coders.from_spec(plan.coders[index].spec, plan.models)
            return coder.decode(coded, len(raw)) == raw
        except FormatError:
            return False
        except (NczError, MemoryError):
            raise
        except Exception:
            return False  # a coder that fails is a block that does not come back
