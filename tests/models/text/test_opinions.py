"""Opinions: what came true is said again, where the language model was wrong it is put right."""

from __future__ import annotations

import numpy as np

from ncz.models.text import opinions
from ncz.models.text.opinions import OPINIONS, RECALLS, RESIDUES, SURE, sure_class
from tests.models.text.making import tokens_of, vocabulary


def test_classes_of_sureness_rise_and_mirror() -> None:
    found = [int(sure_class(np.int64(st))) for st in range(-4095, 4096)]
    assert found == sorted(found)
    assert set(found) == set(range(SURE))
    assert all(int(sure_class(np.int64(-1 - st))) == SURE - 1 - found[4095 + st] for st in (0, 900))


def read(known: opinions.Opinions, path: list[int], before: np.ndarray) -> np.ndarray:
    """Go through tokens; what was said at the first decision of each, int32[k, OPINIONS]."""
    v = vocabulary()
    history = np.zeros(64, np.int64)
    x = np.zeros(OPINIONS, np.int32)
    said = []
    for entry in path:
        opinions.begin_token(known, before)
        opinions.begin_byte(known, history, before, 0)
        node, first = int(v.root[0]), True
        while node >= 0:
            opinions.say(known, v, node, 1, SURE // 2, x, 0)
            if first:
                said.append(x.copy())
            first = False
            y = int(entry >= node)
            opinions.learn(known, np.int64(0), y)
            node = int(v.child[node, y])
        opinions.end_token(known, before, entry)
    return np.array(said)


def test_what_followed_is_recalled() -> None:
    known, before = opinions.fresh(12), np.full(4, -1, np.int64)
    path = tokens_of(b" the then and  thing") * 30
    said = read(known, path, before)
    assert not said[:2, RESIDUES:].any(), "nothing came before"
    sides = np.array([1 if entry >= vocabulary().root[0] else -1 for entry in path])
    late = said[-len(path) // 5 :, -1]
    assert (np.sign(late) == sides[-len(late) :]).all(), "three tokens say which comes next"
    assert before.tolist() == path[-1:-5:-1]


def test_a_wrong_model_is_put_right() -> None:
    known, before = opinions.fresh(12), np.full(4, -1, np.int64)
    said = read(known, tokens_of(b"q") * 20, before)
    side = 1 if tokens_of(b"q")[0] >= vocabulary().root[0] else -1
    assert (said[3:, 0] * side > 100).all()
    assert said.shape[1] == RESIDUES + RECALLS
