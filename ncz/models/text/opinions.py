"""What a language model misses and a text repeats: two kinds of opinion at a decision.

*Residues*: in each of several contexts, how wrong the language model was there, learned as a
correction in the logistic domain, decision by decision. A name that a text keeps using, and
that the model never expects, is expected the second time. *Recall*: the token that followed
when the same one, two or three tokens came before.

Both work on decisions of the vocabulary's tree, so they serve stops and bits alike.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ncz.codec.jit import lean
from ncz.codec.tables import STRETCH12
from ncz.models.contextmix import kernel as cm
from ncz.models.contextmix import textual
from ncz.models.contextmix.hashing import mix
from ncz.models.contextmix.textual import LAST4
from ncz.models.language import vocabulary as vocab
from ncz.models.language.vocabulary import Vocabulary
from ncz.models.text.mixing import learn_residue

RESIDUES = 8  # contexts
_BYTEWISE = 7  # from here on, a decision is known by the bits of its byte, not by its node
RECALLS = 3  # tokens back
OPINIONS = RESIDUES + RECALLS
"""Inputs of a mixer that these are."""

SURE = 24  # classes of how sure the language model is, and of what
_PACE = 90  # of residues, see learn_residue
_LIMIT = 255
_TIMES = 16  # classes of how often a recalled token came true
_EDGES = np.array([0, 2, 4, 8, 12, 16, 24, 32, 48, 64, 80, 96])  # of classes, in 1/8 nat


class Opinions(NamedTuple):
    """What is learned, and what was said last."""

    residues: np.ndarray  # int32[RESIDUES, 2^k]: see learn_residue
    context: np.ndarray  # int64[RESIDUES]: hashes
    at: np.ndarray  # int64[RESIDUES]
    followers: np.ndarray  # int64[RECALLS, 2^k]: an entry + 1, << 8 | how often it came true
    trust: np.ndarray  # uint32[RECALLS, 2 * _TIMES * SURE]: whether it does, p << 10 | count
    place: np.ndarray  # int64[RECALLS]: where in `followers`
    recalled: np.ndarray  # int64[RECALLS]: the entry, or -1
    side: np.ndarray  # int64[RECALLS]: on which side of the decision it lies, -1 for neither
    kind: np.ndarray  # int64[RECALLS]: index into `trust`


def _sure_classes() -> np.ndarray:
    eighths = np.arange(256) - 128
    size = np.where(eighths >= 0, eighths, -1 - eighths)
    low = np.searchsorted(_EDGES, size, side="right") - 1
    half = SURE // 2
    return np.where(eighths >= 0, half + low, half - 1 - low).astype(np.uint8)


SURE_CLASS = _sure_classes()
"""uint8[256]: the class of a stretch, by its value in 1/8 nat + 128."""


@lean
def sure_class(st: int) -> int:
    """How sure `st` is in the logistic domain: 0 of a zero to SURE - 1 of a one."""
    return np.int64(SURE_CLASS[(st >> 5) + 128])


@lean
def begin_token(opinions: Opinions, before: np.ndarray) -> None:
    """Recall what followed the entries `before`, int64[4], the newest first."""
    z = np.int64(0)
    for j in range(RECALLS):
        z = mix(z, before[j] + 1)
        place = (mix(z, j + 1) >> 20) & (opinions.followers.shape[1] - 1)
        opinions.place[j] = place
        opinions.recalled[j] = (opinions.followers[j, place] >> 8) - 1


@lean
def begin_byte(opinions: Opinions, v: np.ndarray, before: np.ndarray, column: int) -> None:
    """Set the contexts of residues, from the history `v` of :mod:`textual`."""
    context = opinions.context
    context[0] = 0
    context[1] = mix(before[0], 1)
    context[2] = mix(v[textual.WORD1], 3)
    context[3] = mix(v[LAST4] & 0xFFFF, 8)
    context[4] = mix(v[textual.SHAPE] & 0xFFF, 10)
    context[5] = mix(v[LAST4], 11)
    context[6] = mix(column, 15)
    context[7] = mix(v[textual.WORD0], 18)


@lean
def say(
    opinions: Opinions,
    vocabulary: Vocabulary,
    node: int,
    bits: int,
    sure: int,
    x: np.ndarray,
    first: int,
) -> None:
    """Opinions on the decision at `node` into ``x[first : first + OPINIONS]``.

    `bits` are those of the byte so far, with a leading one, or 0 at a stop.
    """
    for j in range(RESIDUES):
        key = np.int64(node) if j < _BYTEWISE else np.int64(bits)
        at = (mix(opinions.context[j], key) >> 20) & (opinions.residues.shape[1] - 1)
        opinions.at[j] = at
        x[first + j] = opinions.residues[j, at] >> 20
    for j in range(RECALLS):
        opinions.side[j] = -1
        x[first + RESIDUES + j] = 0
        entry = opinions.recalled[j]
        if vocabulary.low[node] <= entry < vocabulary.high[node]:
            side = vocab.side(node, entry)
            towards = sure if side else SURE - 1 - sure
            times = min(opinions.followers[j, opinions.place[j]] & 255, _TIMES - 1)
            kind = (times + (_TIMES if bits else 0)) * SURE + towards
            opinions.side[j] = side
            opinions.kind[j] = kind
            st = np.int64(STRETCH12[np.int64(opinions.trust[j, kind]) >> 20])
            x[first + RESIDUES + j] = st if side else -st


@lean
def learn(opinions: Opinions, st: int, y: int) -> None:
    """Learn that the decision was `y` where the language model said `st`."""
    for j in range(RESIDUES):
        learn_residue(opinions.residues[j], opinions.at[j], st, y, _PACE, _LIMIT)
    for j in range(RECALLS):
        if opinions.side[j] >= 0:
            hit = np.int64(1) << 22 if opinions.side[j] == y else np.int64(0)
            kind = opinions.kind[j]
            opinions.trust[j, kind] = cm.learn(np.int64(opinions.trust[j, kind]), hit, 255)


@lean
def end_token(opinions: Opinions, before: np.ndarray, entry: int) -> None:
    """Take the token into `before` and into what follows what."""
    for j in range(RECALLS):
        place = opinions.place[j]
        kept = opinions.followers[j, place]
        times = kept & 255
        if opinions.recalled[j] == entry:
            opinions.followers[j, place] = kept + (times < 255)
        elif times > 3:
            opinions.followers[j, place] = kept - (times >> 1)
        else:
            opinions.followers[j, place] = (entry + 1) << 8
    for j in range(before.size - 1, 0, -1):
        before[j] = before[j - 1]
    before[0] = entry


def fresh(bits: int) -> Opinions:
    """Opinions that know nothing, with 2^bits places for each context."""
    return Opinions(
        residues=np.zeros((RESIDUES, 1 << bits), np.int32),
        context=np.zeros(RESIDUES, np.int64),
        at=np.zeros(RESIDUES, np.int64),
        followers=np.zeros((RECALLS, 1 << bits), np.int64),
        trust=np.full((RECALLS, 2 * _TIMES * SURE), 1 << 31, np.uint32),
        place=np.zeros(RECALLS, np.int64),
        recalled=np.full(RECALLS, -1, np.int64),
        side=np.full(RECALLS, -1, np.int64),
        kind=np.zeros(RECALLS, np.int64),
    )
